import type { SqlClient } from "@effect/sql"
import { Clock, Effect, Layer, Option, Redacted } from "effect"
import { widerThan } from "../domain/ForgejoScopes.ts"
import type { UserId } from "../domain/Ids.ts"
import { equalSecrets } from "../domain/Secrets.ts"
import { isStale } from "../domain/UpstreamPair.ts"
import { AppConfig } from "../services/AppConfig.ts"
import type { Grants } from "../services/Grants.ts"
import { upstreamRetry } from "../services/Schedules.ts"
import type { Sealing } from "../services/Sealing.ts"
import { Upstream, type UpstreamRefused, UpstreamUnavailable } from "../services/Upstream.ts"
import { type AccessToken, UpstreamGone, UpstreamTokens } from "../services/UpstreamTokens.ts"
import { makeSignInsInFlight } from "./SignInsInFlight.ts"
import { makeSingleFlight } from "./SingleFlight.ts"
import { makeRows, type OpenPair, type UpstreamRow } from "./UpstreamRows.ts"

type Outcome = Effect.Effect<AccessToken, UpstreamGone | UpstreamUnavailable>

const make = Effect.gen(function*() {
  const { forgejoScopes, scopeMismatch } = yield* AppConfig
  const upstream = yield* Upstream
  const rows = yield* makeRows
  const flights = makeSingleFlight<AccessToken, UpstreamGone | UpstreamUnavailable>(yield* Effect.scope)
  const signIns = makeSignInsInFlight()

  const served = (row: UpstreamRow, pair: OpenPair): AccessToken => ({ token: pair.accessToken, expiresAt: row.expiresAt })

  /** Ends it all, unless another pair has come meanwhile: then that one serves. */
  const gone = (userId: UserId, base: Option.Option<UpstreamRow>, why: string): Outcome =>
    Effect.flatMap(rows.end(userId, base), (ended) =>
      ended
        ? Effect.zipRight(
          Effect.logInfo("upstream.gone").pipe(Effect.annotateLogs({ user: userId, why })),
          new UpstreamGone({ userId })
        )
        : stored(userId))

  /** Whether the row's token can do more than the configuration lets it. */
  const isTooWide = (row: UpstreamRow): boolean =>
    scopeMismatch === "refuse" && Option.exists(row.scope, (scope) => widerThan(scope, forgejoScopes).length > 0)

  /** The stored token as it is, unless it can do too much. */
  const stored = (userId: UserId): Outcome =>
    Effect.flatMap(rows.find(userId), Option.match({
      onNone: () => gone(userId, Option.none(), "there is no pair"),
      onSome: (row) =>
        isTooWide(row)
          ? gone(userId, Option.some(row), "Forgejo granted it more than FORGEJO_SCOPES names")
          : Effect.flatMap(rows.open(row), Option.match({
            onNone: () => gone(userId, Option.some(row), "the stored pair does not open"),
            onSome: (pair) => Effect.succeed(served(row, pair))
          }))
    }))

  /** Uninterruptible from the question to the stored answer: Forgejo has spent the old token by then. */
  const refreshOnce = (row: UpstreamRow, refreshToken: Redacted.Redacted) =>
    upstream.refresh(refreshToken).pipe(
      Effect.flatMap((pair) => rows.putRefreshed(row, pair)),
      Effect.uninterruptible
    )

  /**
   * The token cannot be renewed now. It serves until it expires, unless Forgejo refuses it (`refused`); after that `otherwise`.
   */
  const untilExpiry = (row: UpstreamRow, pair: OpenPair, refused: boolean, otherwise: Outcome): Outcome =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => now < row.expiresAt && !refused ? Effect.succeed(served(row, pair)) : otherwise)

  /** Nobody is logged out for what may pass. */
  const transient = (row: UpstreamRow, pair: OpenPair, refused: boolean, error: UpstreamUnavailable): Outcome =>
    Effect.logWarning("upstream.refresh.failed").pipe(
      Effect.annotateLogs({ user: row.userId, endpoint: error.endpoint, reason: error.reason }),
      Effect.zipRight(untilExpiry(row, pair, refused, Effect.fail(error)))
    )

  /** What a refused refresh means. The order matters: a sign-in beside the refresh must log nobody out. */
  const judge = Effect.fnUntraced(function*(row: UpstreamRow, pair: OpenPair, refreshToken: Redacted.Redacted, refused: boolean) {
    // A second login voids the first refresh token: the pair that did it may be on its way into the store.
    yield* signIns.settled
    const current = yield* rows.find(row.userId)
    if (Option.isNone(current) || current.value.sealedPair !== row.sealedPair) return yield* stored(row.userId)
    const answer = yield* Effect.retry(upstream.introspect(refreshToken), { schedule: upstreamRetry, while: isTransient })
    if (!answer.active) return yield* gone(row.userId, Option.some(row), "the user has revoked it at Forgejo, or it has expired there")
    // Forgejo knows the grant, but a newer refresh token than ours (it ignores the counter here). Nothing will renew ours.
    yield* Effect.logInfo("upstream.superseded").pipe(Effect.annotateLogs({ user: row.userId }))
    return yield* untilExpiry(row, pair, refused, gone(row.userId, Option.some(row), "its refresh token was spent elsewhere"))
  })

  /** Only the operator can put this right; for users it is as if Forgejo were away. */
  const misconfigured = (error: UpstreamRefused) =>
    Effect.logError("upstream.client.refused").pipe(
      Effect.annotateLogs({ endpoint: error.endpoint, error: error.error, description: error.description }),
      Effect.as(
        new UpstreamUnavailable({
          endpoint: error.endpoint,
          reason: "Forgejo does not accept FORGEJO_CLIENT_ID with FORGEJO_CLIENT_SECRET"
        })
      )
    )

  /** Renews the pair `base`, in a flight of its own. Where the row holds another one by now, that is the answer. */
  const renew = Effect.fnUntraced(function*(userId: UserId, base: string, refused: boolean) {
    const found = yield* rows.find(userId)
    if (Option.isNone(found) || found.value.sealedPair !== base) return yield* stored(userId)
    const row = found.value
    const opened = yield* rows.open(row)
    if (Option.isNone(opened)) return yield* stored(userId)
    const pair = opened.value
    if (Option.isNone(pair.refreshToken)) {
      return yield* untilExpiry(row, pair, refused, gone(userId, found, "it cannot be refreshed, and its access token is over"))
    }
    const refreshToken = pair.refreshToken.value
    // While the token still serves, nobody waits for a second attempt: the next call makes it.
    const mayWait = refused || (yield* Clock.currentTimeMillis) >= row.expiresAt
    return yield* refreshOnce(row, refreshToken).pipe(
      Effect.retry({ schedule: upstreamRetry, while: (error) => mayWait && isTransient(error) }),
      Effect.tap((decision) => Effect.logDebug("upstream.refreshed").pipe(Effect.annotateLogs({ user: userId, decision }))),
      Effect.zipRight(stored(userId)),
      Effect.catchTag("UpstreamRefused", (error) =>
        error.kind === "grant" ? judge(row, pair, refreshToken, refused) : Effect.flatMap(misconfigured(error), Effect.fail)),
      Effect.catchTag("UpstreamRefused", (error) => Effect.flatMap(misconfigured(error), Effect.fail)),
      Effect.catchTag("UpstreamUnavailable", (error) => transient(row, pair, refused, error))
    )
  })

  const replace = (row: UpstreamRow, refused: boolean): Outcome =>
    flights.join(row.userId, row.sealedPair, renew(row.userId, row.sealedPair, refused))

  const current = Effect.fn("UpstreamTokens.current")(function*(userId: UserId) {
    const row = yield* rows.find(userId)
    if (Option.isNone(row)) return yield* stored(userId)
    const now = yield* Clock.currentTimeMillis
    return yield* isStale(row.value, now) && !isTooWide(row.value) ? replace(row.value, false) : stored(userId)
  })

  const recordScope = Effect.fn("UpstreamTokens.recordScope")(function*(userId: UserId, scope: string) {
    yield* rows.recordScope(userId, scope)
    // At once, not at the next use: sessions that run hold the same token.
    yield* Effect.ignore(stored(userId))
  })

  const recheck = Effect.fn("UpstreamTokens.recheck")(function*(userId: UserId, token: Redacted.Redacted) {
    const row = yield* rows.find(userId)
    const pair = Option.isSome(row) ? yield* rows.open(row.value) : Option.none()
    // Another token has taken its place since, or there is none.
    if (Option.isNone(row) || Option.isNone(pair) || !sameToken(pair.value.accessToken, token)) return yield* current(userId)
    return yield* upstream.userinfo(token).pipe(
      Effect.retry({ schedule: upstreamRetry, while: isTransient }),
      Effect.as(served(row.value, pair.value)),
      Effect.catchTag("UpstreamRefused", (error) =>
        error.kind === "token" ? replace(row.value, true) : Effect.flatMap(misconfigured(error), Effect.fail))
    )
  })

  return UpstreamTokens.of({
    store: Effect.fn("UpstreamTokens.store")((userId, pair) => Effect.asVoid(rows.put(userId, pair))),
    duringSignIn: signIns.during,
    recordScope,
    current,
    recheck,
    forgetUngranted: rows.forgetUngranted
  })
})

const isTransient = (error: UpstreamRefused | UpstreamUnavailable): boolean => error._tag === "UpstreamUnavailable"

const sameToken = (a: Redacted.Redacted, b: Redacted.Redacted): boolean => equalSecrets(Redacted.value(a), Redacted.value(b))

/** The users' Forgejo token pairs in the store. Refreshes run in fibers of this layer: closing it waits for their answers. */
export const UpstreamTokensLive: Layer.Layer<
  UpstreamTokens,
  never,
  AppConfig | SqlClient.SqlClient | Sealing | Upstream | Grants
> = Layer.scoped(UpstreamTokens, make)
