import { SqlClient, SqlSchema } from "@effect/sql"
import { Clock, Effect, Option, Redacted, Schema } from "effect"
import type { UserId } from "../domain/Ids.ts"
import { decidePair, type PairClaims, type PairDecision } from "../domain/UpstreamPair.ts"
import { loginLifetime } from "../domain/Lifetimes.ts"
import { Grants } from "../services/Grants.ts"
import { Sealing } from "../services/Sealing.ts"
import type { TokenPair } from "../services/Upstream.ts"

/** A stored pair, still sealed. `sealedPair` is different for each pair ever stored: it tells whether a row is still the same. */
export interface UpstreamRow extends PairClaims {
  readonly userId: UserId
  readonly sealedPair: string
  readonly obtainedAt: number
  /** What Forgejo says it granted; nothing until a sign-in has asked. */
  readonly scope: Option.Option<string>
}

export interface OpenPair {
  readonly accessToken: Redacted.Redacted
  readonly refreshToken: Option.Option<Redacted.Redacted>
}

const Row = Schema.Struct({
  sealedPair: Schema.String,
  expiresAt: Schema.Number,
  upstreamGrant: Schema.OptionFromNullOr(Schema.Number),
  counter: Schema.OptionFromNullOr(Schema.Number),
  obtainedAt: Schema.Number,
  scope: Schema.OptionFromNullOr(Schema.String)
})

const PairJson = Schema.parseJson(Schema.Struct({
  access: Schema.Redacted(Schema.String),
  refresh: Schema.OptionFromNullOr(Schema.Redacted(Schema.String))
}))
const decodePair = Schema.decode(PairJson)
const encodePair = Schema.encode(PairJson)

const identityOf = (userId: UserId): string => `upstream_tokens/${userId}`

/**
 * The table `upstream_tokens`. An SqlError, or a row that is not as the table's definition says, is a defect: nobody
 * above can do anything but answer 500.
 */
export const makeRows = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const sealing = yield* Sealing
  const grants = yield* Grants

  const findRow = SqlSchema.findOne({
    Request: Schema.String,
    Result: Row,
    execute: (userId) =>
      sql`select sealed_pair as "sealedPair", access_expires_at as "expiresAt",
        upstream_grant as "upstreamGrant", counter, updated_at as "obtainedAt", scope
        from upstream_tokens where user_id = ${userId}`
  })
  /**
   * Uninterruptible: it takes no time, and the client's cache of prepared statements never forgets a preparation that was
   * interrupted (if a fiber yields in there), so that every later query of the same text would wait for ever.
   */
  const find = (userId: UserId): Effect.Effect<Option.Option<UpstreamRow>> =>
    Effect.map(Effect.orDie(findRow(userId)), Option.map((row) => ({ ...row, userId }))).pipe(Effect.uninterruptible)

  /** Nothing where the sealed text does not open: the row is damaged, or was moved here from another user's. */
  const open = (row: UpstreamRow): Effect.Effect<Option.Option<OpenPair>> =>
    sealing.open("upstream-token", identityOf(row.userId), row.sealedPair).pipe(
      Effect.flatMap((text) => decodePair(Redacted.value(text))),
      Effect.map(({ access, refresh }) => ({ accessToken: access, refreshToken: refresh })),
      Effect.option
    )

  const write = Effect.fnUntraced(function*(userId: UserId, pair: TokenPair, keepScope: boolean) {
    const plain = yield* encodePair({ access: pair.accessToken, refresh: pair.refreshToken })
    const sealed = yield* sealing.seal("upstream-token", identityOf(userId), Redacted.make(plain))
    const now = yield* Clock.currentTimeMillis
    yield* sql`insert into upstream_tokens ${
      sql.insert({
        user_id: userId,
        sealed_pair: sealed,
        access_expires_at: Math.floor(pair.expiresAt),
        upstream_grant: Option.getOrNull(pair.upstreamGrant),
        counter: Option.getOrNull(pair.counter),
        scope: null,
        updated_at: Math.floor(now)
      })
    } on conflict (user_id) do update set
      sealed_pair = excluded.sealed_pair, access_expires_at = excluded.access_expires_at,
      upstream_grant = excluded.upstream_grant, counter = excluded.counter, updated_at = excluded.updated_at,
      scope = case when ${keepScope ? 1 : 0} = 1 then scope end`
  })

  /** An answer without a refresh token leaves the old one good: the server does not rotate. */
  const withRefreshOf = Effect.fnUntraced(function*(pair: TokenPair, stored: Option.Option<UpstreamRow>) {
    if (Option.isSome(pair.refreshToken) || Option.isNone(stored)) return pair
    const old = yield* open(stored.value)
    return {
      ...pair,
      refreshToken: Option.flatMap(old, (each) => each.refreshToken),
      counter: Option.orElse(pair.counter, () => stored.value.counter)
    }
  })

  /**
   * Puts a pair in the place of the stored one, if it is the newer one. In one transaction with the end of the grants
   * that hung from a pair of another Forgejo grant: no kill can come between.
   */
  const put = Effect.fnUntraced(
    function*(userId: UserId, pair: TokenPair) {
      const stored = yield* find(userId)
      const decision: PairDecision = decidePair(stored, pair)
      if (decision === "changed") {
        yield* grants.endOfUser(userId, "upstream_changed")
        yield* write(userId, pair, false)
      } else if (decision === "replace") {
        yield* write(userId, yield* withRefreshOf(pair, stored), true)
      }
      return decision
    },
    sql.withTransaction,
    Effect.orDie,
    Effect.uninterruptible
  )

  /** The same for the answer to a refresh of `base`; nothing happens where the user's pair has been forgotten since. */
  const putRefreshed = Effect.fnUntraced(
    function*(base: UpstreamRow, pair: TokenPair) {
      const stored = yield* find(base.userId)
      // Of an older Forgejo grant than the stored one is what was asked for with an older refresh token.
      const isOlder = Option.isNone(stored) || !sameGrant(stored.value, base)
      return isOlder ? "keep" as const : yield* put(base.userId, pair)
    },
    sql.withTransaction,
    Effect.orDie,
    Effect.uninterruptible
  )

  /**
   * Ends the user's grants together with the pair that they hang from; false where `base` is not the stored pair any
   * more, and nothing was done. Without `base`: there is no pair, and no grant should be left.
   */
  const end = Effect.fnUntraced(
    function*(userId: UserId, base: Option.Option<UpstreamRow>) {
      const stored = yield* find(userId)
      if (Option.isSome(stored) && !Option.exists(base, (row) => row.sealedPair === stored.value.sealedPair)) return false
      yield* sql`delete from upstream_tokens where user_id = ${userId}`
      yield* grants.endOfUser(userId, "upstream_gone")
      return true
    },
    sql.withTransaction,
    Effect.orDie,
    Effect.uninterruptible
  )

  const forgetUngranted = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    sql`delete from upstream_tokens where updated_at <= ${now - loginLifetime}
      and not exists (select 1 from grants where grants.user_id = upstream_tokens.user_id and grants.ended_at is null)`).pipe(
    Effect.orDie,
    Effect.asVoid
  )
  const recordScope = (userId: UserId, scope: string) =>
    Effect.orDie(Effect.asVoid(sql`update upstream_tokens set scope = ${scope} where user_id = ${userId}`))

  return { find, open, put, putRefreshed, end, forgetUngranted, recordScope }
})

const sameGrant = (a: PairClaims, b: PairClaims): boolean => Option.getOrNull(a.upstreamGrant) === Option.getOrNull(b.upstreamGrant)
