import type { SqlClient } from "@effect/sql"
import { Clock, Effect, Layer, Option, Redacted, Ref } from "effect"
import { widerThan } from "../domain/ForgejoScopes.ts"
import type { UserId } from "../domain/Ids.ts"
import { equalSecrets } from "../domain/Secrets.ts"
import { spend, unspent } from "../domain/MinuteBudget.ts"
import { isStale, staleAt } from "../domain/UpstreamPair.ts"
import { AppConfig } from "../services/AppConfig.ts"
import type { Grants } from "../services/Grants.ts"
import { untilAllowed, upstreamRetry } from "../services/Schedules.ts"
import type { Sealing } from "../services/Sealing.ts"
import { Upstream, type UpstreamRefused, UpstreamUnavailable } from "../services/Upstream.ts"
import { type AccessToken, UpstreamGone, UpstreamTokens } from "../services/UpstreamTokens.ts"
import { makeSignInsInFlight } from "./SignInsInFlight.ts"
import { makeSingleFlight } from "./SingleFlight.ts"
import { makeRows, type OpenPair, type UpstreamRow } from "./UpstreamRows.ts"

type Outcome = Effect.Effect<AccessToken, UpstreamGone | UpstreamUnavailable>

/** One attempt to renew a pair. */
interface Attempt {
  readonly row: UpstreamRow
  readonly pair: OpenPair
  /** Forgejo does not take the access token: it does not serve any more, however long it was to live. */
  readonly refused: boolean
  /** Whether there is no token to go on with meanwhile. */
  readonly mayWait: boolean
}

const make = Effect.gen(function*() {
  const { forgejoScopes, scopeMismatch } = yield* AppConfig
  const upstream = yield* Upstream
  const rows = yield* makeRows
  const scope = yield* Effect.scope
  const flights = makeSingleFlight<AccessToken, UpstreamGone | UpstreamUnavailable>(scope)
  const questions = makeSingleFlight<Option.Option<AccessToken>, UpstreamGone | UpstreamUnavailable>(scope)
  const asked = yield* Ref.make(unspent)
  const signIns = makeSignInsInFlight()

  const served = (row: UpstreamRow, pair: OpenPair): AccessToken => ({
    token: pair.accessToken,
    expiresAt: row.expiresAt,
    staleAt: staleAt(row)
  })

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

  /** Whether another pair has come in the place of `row`, or it was forgotten. */
  const isReplaced = (row: UpstreamRow): Effect.Effect<boolean> =>
    Effect.map(rows.find(row.userId), (now) => !Option.exists(now, ({ sealedPair }) => sealedPair === row.sealedPair))

  /**
   * Reads the row again first: another flight may have ended since the caller looked, or a sign-in brought a pair of its
   * own between two tries and made this token void. Uninterruptible from the question to the stored answer: Forgejo has
   * spent the old token by then.
   */
  const refreshOnce = (row: UpstreamRow, refreshToken: Redacted.Redacted) =>
    Effect.if(isReplaced(row), {
      onTrue: () => Effect.succeed("keep" as const),
      onFalse: () => Effect.flatMap(upstream.refresh(refreshToken), (pair) => rows.putRefreshed(row, pair))
    }).pipe(Effect.uninterruptible)

  /** The token cannot be renewed now. It serves until it expires, unless Forgejo refuses it; after that `otherwise`. */
  const untilExpiry = ({ pair, refused, row }: Attempt, otherwise: Outcome): Outcome =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => now < row.expiresAt && !refused ? Effect.succeed(served(row, pair)) : otherwise)

  /** Nobody is logged out for what may pass, and nobody waits for it who has another pair by now. */
  const transient = Effect.fnUntraced(function*(attempt: Attempt, error: UpstreamUnavailable) {
    if (yield* isReplaced(attempt.row)) return yield* stored(attempt.row.userId)
    yield* Effect.logWarning("upstream.refresh.failed").pipe(
      Effect.annotateLogs({ user: attempt.row.userId, endpoint: error.endpoint, reason: error.reason })
    )
    return yield* untilExpiry(attempt, Effect.fail(error))
  })

  /** While the token still serves, nobody waits for a second try: the next call makes it. */
  const tried = <A, E extends UpstreamRefused | UpstreamUnavailable>(attempt: Attempt, ask: Effect.Effect<A, E>) =>
    Effect.retry(ask, { schedule: upstreamRetry, while: (error) => attempt.mayWait && isTransient(error) })

  /** What a refused refresh means. The order matters: a sign-in beside the refresh must log nobody out. */
  const judge = Effect.fnUntraced(function*(attempt: Attempt, refreshToken: Redacted.Redacted) {
    const { row } = attempt
    // A second login voids the first refresh token: the pair that did it may be on its way into the store.
    yield* signIns.settled
    if (yield* isReplaced(row)) return yield* stored(row.userId)
    const answer = yield* tried(attempt, upstream.introspect(refreshToken))
    if (!answer.active) return yield* gone(row.userId, Option.some(row), "the user has revoked it at Forgejo, or it has expired there")
    // Forgejo knows the grant, but a newer refresh token than ours (it ignores the counter here). Nothing will renew ours:
    // this does not pass, and once the access token is over only the user can help, by signing in.
    yield* Effect.logInfo("upstream.superseded").pipe(Effect.annotateLogs({ user: row.userId }))
    return yield* untilExpiry(attempt, gone(row.userId, Option.some(row), "its refresh token was spent elsewhere"))
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

  /** Renews the pair of `row`, in a flight of its own. Where another one has come by now, that is the answer. */
  const renew = Effect.fnUntraced(function*(row: UpstreamRow, refused: boolean) {
    const { userId } = row
    const opened = yield* rows.open(row)
    if (Option.isNone(opened)) return yield* stored(userId)
    const pair = opened.value
    const attempt: Attempt = { row, pair, refused, mayWait: refused || (yield* Clock.currentTimeMillis) >= row.expiresAt }
    if (Option.isNone(pair.refreshToken)) {
      return yield* untilExpiry(attempt, gone(userId, Option.some(row), "it cannot be refreshed, and its access token is over"))
    }
    const refreshToken = pair.refreshToken.value
    return yield* tried(attempt, refreshOnce(row, refreshToken)).pipe(
      Effect.tap((decision) => Effect.logDebug("upstream.refreshed").pipe(Effect.annotateLogs({ user: userId, decision }))),
      Effect.zipRight(stored(userId)),
      Effect.catchTag("UpstreamRefused", (error) =>
        error.kind === "grant" ? judge(attempt, refreshToken) : Effect.flatMap(misconfigured(error), Effect.fail)),
      Effect.catchTag("UpstreamRefused", (error) => Effect.flatMap(misconfigured(error), Effect.fail)),
      Effect.catchTag("UpstreamUnavailable", (error) => transient(attempt, error))
    )
  })

  /** `refused` in the flight's name: who knows that the token is refused cannot share a failure that still serves with it. */
  const replace = (row: UpstreamRow, refused: boolean): Outcome =>
    flights.join(row.userId, `${refused ? "refused" : "stale"} ${row.sealedPair}`, renew(row, refused))

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

  /** The stored pair, if `token` is its access token. Nothing where another has taken its place since, or there is none. */
  const ours = Effect.fnUntraced(function*(userId: UserId, token: Redacted.Redacted) {
    const row = yield* rows.find(userId)
    const pair = Option.isSome(row) ? yield* rows.open(row.value) : Option.none()
    return Option.filter(Option.all({ row, pair }), (each) => sameToken(each.pair.accessToken, token))
  })

  const recheck = Effect.fn("UpstreamTokens.recheck")(function*(userId: UserId, token: Redacted.Redacted) {
    const held = yield* ours(userId, token)
    if (Option.isNone(held)) return yield* current(userId)
    const { pair, row } = held.value
    return yield* upstream.userinfo(token).pipe(
      Effect.retry({ schedule: upstreamRetry, while: isTransient }),
      Effect.as(served(row, pair)),
      Effect.catchTag("UpstreamRefused", (error) =>
        error.kind === "token" ? replace(row, true) : Effect.flatMap(misconfigured(error), Effect.fail))
    )
  })

  /** One question for `suspect`. It looks again first: the token may have been replaced while it waited for its turn. */
  const question: (userId: UserId, token: Redacted.Redacted) => Effect.Effect<Option.Option<AccessToken>, UpstreamGone | UpstreamUnavailable> = Effect.fnUntraced(function*(userId, token) {
    const held = yield* ours(userId, token)
    if (Option.isNone(held)) return Option.some(yield* current(userId))
    const now = yield* Clock.currentTimeMillis
    const wait = yield* Ref.modify(asked, (budget) => spend(budget, userId, now, questionsPerMinute))
    // Nobody waits for the outcome but the session, which has nothing better to do with its doubt.
    if (wait > 0) return yield* Effect.zipRight(Effect.schedule(Effect.void, untilAllowed(wait)), Effect.suspend(() => question(userId, token)))
    // Once: nobody waits for the outcome, and the next failed call asks again.
    const refused = yield* upstream.userinfo(token).pipe(
      Effect.as(false),
      Effect.catchTags({
        UpstreamRefused: ({ kind }) => Effect.succeed(kind === "token"),
        UpstreamUnavailable: () => Effect.succeed(false)
      })
    )
    return refused ? Option.some(yield* replace(held.value.row, true)) : Option.none()
  })

  const suspect = Effect.fn("UpstreamTokens.suspect")(function*(userId: UserId, token: Redacted.Redacted) {
    const held = yield* ours(userId, token)
    return Option.isNone(held)
      ? Option.some(yield* current(userId))
      : yield* questions.join(userId, held.value.row.sealedPair, question(userId, token))
  })

  return UpstreamTokens.of({
    store: Effect.fn("UpstreamTokens.store")((userId, pair) => Effect.asVoid(rows.put(userId, pair))),
    duringSignIn: signIns.during,
    recordScope,
    current,
    recheck,
    suspect,
    forgetUngranted: rows.forgetUngranted
  })
})

/** Of userinfo, in any minute, about the suspicions of one user: a child can answer calls with errors without end. */
const questionsPerMinute = 2

const isTransient = (error: UpstreamRefused | UpstreamUnavailable): boolean => error._tag === "UpstreamUnavailable"

const sameToken = (a: Redacted.Redacted, b: Redacted.Redacted): boolean => equalSecrets(Redacted.value(a), Redacted.value(b))

/** The users' Forgejo token pairs in the store. Refreshes run in fibers of this layer: closing it waits for their answers. */
export const UpstreamTokensLive: Layer.Layer<
  UpstreamTokens,
  never,
  AppConfig | SqlClient.SqlClient | Sealing | Upstream | Grants
> = Layer.scoped(UpstreamTokens, make)
