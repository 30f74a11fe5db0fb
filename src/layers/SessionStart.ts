import type { Scope } from "effect"
import { Data, Duration, Effect, ExecutionStrategy, Exit, Option, Redacted, Scope as Scopes } from "effect"
import { FlowId } from "../domain/Ids.ts"
import type { Request } from "../domain/JsonRpc.ts"
import { randomHex } from "../domain/Secrets.ts"
import { AppConfig } from "../services/AppConfig.ts"
import type { ChildGone } from "../services/Children.ts"
import { Children } from "../services/Children.ts"
import { Deadlines } from "../services/Deadlines.ts"
import type { Grant } from "../services/Grants.ts"
import { InitializeRefused, StartFailed } from "../services/Sessions.ts"
import type { UpstreamUnavailable } from "../services/Upstream.ts"
import type { AccessToken, UpstreamGone } from "../services/UpstreamTokens.ts"
import { UpstreamTokens } from "../services/UpstreamTokens.ts"
import type { Generation } from "./Generation.ts"
import { makeGeneration } from "./Generation.ts"

export interface StartedGeneration {
  readonly generation: Generation
  /** The child's answer to `initialize`, under the id of the request. */
  readonly initializeLine: string
  /** When the child's token expires, in epoch milliseconds: it has no other. */
  readonly tokenExpiresAt: number
}

export type StartError = StartFailed | InitializeRefused | UpstreamGone | UpstreamUnavailable

/** The child exited before it answered. Its stderr is no evidence of the reason. */
class ExitedEarly extends Data.TaggedError("ExitedEarly")<{ readonly gone: ChildGone }> {}

/**
 * Starts children and has them answer `initialize`. forgejo-mcp asks Forgejo with the user's token before it reads
 * anything, hangs when Forgejo hangs, and exits when Forgejo is down or refuses the token: the two are told apart by
 * asking Forgejo ourselves, and a refused token is refreshed once.
 */
export const makeSessionStart = Effect.gen(function*() {
  const config = yield* AppConfig
  const children = yield* Children
  const deadlines = yield* Deadlines
  const tokens = yield* UpstreamTokens
  const slots = yield* Effect.makeSemaphore(config.maxStarts)

  const handshake = Effect.fnUntraced(function*(token: AccessToken, initialize: Request, label: string) {
    const child = yield* children.spawn({ token: token.token, label })
    const generation = yield* makeGeneration({ child, deadlines, callTimeout: config.callTimeout })
    const call = yield* generation.call(initialize, Effect.void)
    const events = yield* Effect.repeat(call.take, { until: (taken) => taken.some((event) => event.final) })
    // A child that goes answers the call too, with an error of ours: what must be seen is the exit.
    const ended = yield* generation.ended
    if (Option.isSome(ended)) return yield* new ExitedEarly({ gone: ended.value })
    const line = events.find((event) => event.final)?.line ?? ""
    if ("error" in (JSON.parse(line) as object)) return yield* new InitializeRefused({ line })
    return { generation, initializeLine: line, tokenExpiresAt: token.expiresAt } satisfies StartedGeneration
  })

  /** In a scope of its own below the session's, so that a child that failed is gone before another is tried. */
  const attempt = (token: AccessToken, initialize: Request, label: string) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const scope = yield* Scopes.fork(yield* Effect.scope, ExecutionStrategy.sequential)
        return yield* restore(Scopes.extend(handshake(token, initialize, label), scope)).pipe(
          Effect.onError((cause) => Scopes.close(scope, Exit.failCause(cause)))
        )
      })
    )

  return (grant: Grant, initialize: Request, label: string): Effect.Effect<StartedGeneration, StartError, Scope.Scope> => {
    const flowId = FlowId.make(randomHex(8))
    const failed = (category: StartFailed["category"], detail: string): Effect.Effect<never, StartFailed> =>
      Effect.zipRight(
        Effect.annotateLogs(Effect.logWarning("session.start_failed"), { flow: flowId, user: grant.userId, category, detail }),
        new StartFailed({ category, flowId })
      )
    const exitedEarly = ({ gone }: ExitedEarly) => failed("child exited", `exit code ${gone.code ?? "none"}, signal ${gone.signal ?? "none"}`)

    // What the start waits for: the reason, where the time runs out.
    let waitsFor: StartFailed["category"] = "too many starts at once"
    const attemptInSlot = (token: AccessToken) =>
      slots.withPermits(1)(Effect.suspend(() => {
        waitsFor = "child did not answer"
        return attempt(token, initialize, label)
      }))
    const withFreshToken = (refused: AccessToken, early: ExitedEarly) =>
      Effect.gen(function*() {
        waitsFor = "Forgejo unreachable"
        const token = yield* tokens.recheck(grant.userId, refused.token).pipe(
          Effect.catchTag("UpstreamUnavailable", ({ reason }) => failed("Forgejo unreachable", reason))
        )
        if (Redacted.value(token.token) === Redacted.value(refused.token)) return yield* exitedEarly(early)
        return yield* attemptInSlot(token)
      })
    const started = (token: AccessToken) =>
      attemptInSlot(token).pipe(
        Effect.catchTag("ExitedEarly", (early) => withFreshToken(token, early)),
        Effect.catchTags({
          ExitedEarly: exitedEarly,
          SpawnFailed: ({ category, detail }) => failed(category, detail)
        }),
        Effect.timeoutOption(config.startTimeout),
        Effect.flatMap(Option.match({
          onSome: Effect.succeed,
          onNone: () => failed(waitsFor, `${waitsFor === "child did not answer" ? "no answer to initialize" : "not started"} within ${Duration.format(config.startTimeout)}`)
        }))
      )
    return Effect.flatMap(tokens.current(grant.userId), started)
  }
})
