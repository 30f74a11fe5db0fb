import type { Redacted } from "effect"
import { Effect, Fiber, Layer, Option } from "effect"
import { widerThan } from "../domain/ForgejoScopes.ts"
import { ClientKey, type UserId } from "../domain/Ids.ts"
import { sha256 } from "../domain/Secrets.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { Grants } from "../services/Grants.ts"
import type { PendingLogin } from "../services/PendingLogins.ts"
import { brief } from "../services/Schedules.ts"
import { SignInFailed, SignIns } from "../services/SignIns.ts"
import type { TokenPair, UpstreamRefused, UpstreamUnavailable } from "../services/Upstream.ts"
import { Upstream } from "../services/Upstream.ts"
import { UpstreamTokens } from "../services/UpstreamTokens.ts"

const describe = (error: UpstreamRefused | UpstreamUnavailable): SignInFailed => {
  if (error._tag === "UpstreamUnavailable") return new SignInFailed({ kind: "unavailable", detail: `${error.endpoint}: ${error.reason}` })
  const detail = `${error.endpoint}: ${error.error}: ${error.description}`
  // Two exchanges of one user in one moment; Forgejo took the other one. Its code is spent, a new round gives a new one.
  if (error.description.includes("cannot increase the grant counter")) return new SignInFailed({ kind: "collided", detail })
  return new SignInFailed({ kind: error.kind === "client" ? "misconfigured" : "refused", detail })
}

const make = Effect.gen(function*() {
  const config = yield* AppConfig
  const upstream = yield* Upstream
  const upstreamTokens = yield* UpstreamTokens
  const grants = yield* Grants
  const scope = yield* Effect.scope

  const userinfo = (pair: TokenPair) => upstream.userinfo(pair.accessToken).pipe(
    // The pair is already counted at Forgejo: a blip here should not throw it away.
    Effect.retry({ schedule: brief, while: (error) => error._tag === "UpstreamUnavailable" }),
    Effect.mapError(describe)
  )

  /** Uninterruptible from the question to the row, also when the broker stops: a lost pair costs the user a sign-in. */
  const exchange = (code: Redacted.Redacted, verifier: Redacted.Redacted) =>
    Effect.uninterruptible(Effect.gen(function*() {
      const pair = yield* Effect.mapError(upstream.exchange({ code, verifier }), describe)
      // Without an id_token (Gitea without `openid`) only userinfo says whose row it is.
      const userId = Option.isSome(pair.subject) ? pair.subject.value : (yield* userinfo(pair)).userId
      yield* upstreamTokens.store(userId, pair)
      return { pair, userId }
    }))

  const checkScope = Effect.fnUntraced(function*(userId: UserId, pair: TokenPair) {
    const found = yield* Effect.mapError(upstream.introspect(pair.accessToken), describe)
    if (!found.active) return yield* new SignInFailed({ kind: "refused", detail: "introspection: the new token is not active" })
    const granted = Option.getOrElse(found.scope, () => "")
    yield* upstreamTokens.recordScope(userId, granted)
    const excess = widerThan(granted, config.forgejoScopes)
    if (excess.length === 0) return
    const detail = `granted beyond the configured scopes: ${excess.join(" ")}`
    if (config.scopeMismatch === "refuse") return yield* new SignInFailed({ kind: "wider", detail, excess })
    yield* Effect.logWarning("signin.scope_wider").pipe(Effect.annotateLogs({ user: userId, excess: excess.join(" ") }))
  })

  const finish = Effect.fnUntraced(function*(login: PendingLogin, code: Redacted.Redacted, verifier: Redacted.Redacted) {
    const { pair, userId } = yield* exchange(code, verifier).pipe(upstreamTokens.duringSignIn)
    yield* checkScope(userId, pair)
    const info = yield* userinfo(pair)
    if (info.userId !== userId) return yield* new SignInFailed({ kind: "refused", detail: "id_token and userinfo name different users" })
    const isSiteAdmin = yield* upstream.isSiteAdmin(pair.accessToken).pipe(
      // Only a warning hangs on it.
      Effect.catchAll(({ reason }) => Effect.as(Effect.annotateLogs(Effect.logWarning("signin.admin_unknown"), { user: userId, reason }), false))
    )
    const made = yield* grants.create({
      userId,
      userName: info.userName,
      clientKey: ClientKey.make(sha256(login.clientId)),
      scope: login.scope,
      redirectUri: login.redirectUri,
      codeChallenge: login.codeChallenge,
      resource: login.resource
    })
    yield* Effect.logInfo("signin.completed").pipe(Effect.annotateLogs({ flow: login.flowId, user: userId, grant: made.grantId, isSiteAdmin }))
    return { code: made.code, userName: info.userName, isSiteAdmin }
  })

  const complete = Effect.fn("SignIns.complete")(function*(
    request: { readonly login: PendingLogin; readonly upstreamCode: Redacted.Redacted; readonly verifier: Redacted.Redacted }
  ) {
    // A fiber of this layer, not of the request: a browser that leaves interrupts the wait only.
    const fiber = yield* finish(request.login, request.upstreamCode, request.verifier).pipe(Effect.interruptible, Effect.forkIn(scope))
    return yield* Fiber.join(fiber)
  })

  return SignIns.of({ complete })
})

/** Sign-ins in progress belong to this layer, and end with it. */
export const SignInsLive = Layer.scoped(SignIns, make)
