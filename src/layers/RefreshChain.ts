import { SqlClient, SqlSchema } from "@effect/sql"
import { Clock, Duration, Effect, Option, Redacted, Schema } from "effect"
import { ClientKey, GrantId } from "../domain/Ids.ts"
import { accessTokenLifetime, grantLifetime } from "../domain/Lifetimes.ts"
import { hashOf, newSecret, randomHex } from "../domain/Secrets.ts"
import { AppConfig } from "../services/AppConfig.ts"
import type { IssuedTokens } from "../services/Grants.ts"
import { Sealing } from "../services/Sealing.ts"
import type { AccessTokens } from "./AccessTokens.ts"
import { accessTokenPrefix } from "./AccessTokens.ts"

export const refreshTokenPrefix = "fjmcp_rt_"
/**
 * How many successors a replay follows inside its transaction, which everybody waits for. A client that lost an answer is
 * one or two behind; who is further behind within the grace is no client that lost an answer.
 */
const longestReplay = 50

const Row = Schema.Struct({
  grant_id: GrantId,
  client_key: ClientKey,
  scope: Schema.String,
  nonce: Schema.NullOr(Schema.String),
  spent_at: Schema.NullOr(Schema.Number),
  ended_at: Schema.NullOr(Schema.Number),
  grant_expires_at: Schema.Number
})
type Row = typeof Row.Type

/** What presenting a refresh token comes to. `Reused`: spent, and its grace is over or too many followed it; the grant must end. */
export type Rotation =
  | { readonly _tag: "Issued"; readonly grantId: GrantId; readonly tokens: IssuedTokens; readonly replayed: boolean }
  | { readonly _tag: "Refused"; readonly reason: string }
  | { readonly _tag: "Reused"; readonly grantId: GrantId; readonly reason: string }

const refused = (reason: string): Rotation => ({ _tag: "Refused", reason })
const reused = (row: Row, reason: string): Rotation => ({ _tag: "Reused", grantId: row.grant_id, reason })

/**
 * Rotation of refresh tokens, part of `GrantsLive`. What follows a token is derived from it with a
 * nonce that is made when it is spent: so the same spent token gives the same answer although only hashes are stored,
 * and once the nonce is erased nobody can derive anything from an old token, not even with the store and the key.
 */
export const makeRefreshChain = Effect.fnUntraced(function*(accessTokens: AccessTokens) {
  const sql = yield* SqlClient.SqlClient
  const sealing = yield* Sealing
  const grace = Duration.toMillis((yield* AppConfig).refreshGrace)

  const derive = (kind: "refresh" | "access", prefix: string, grantId: GrantId, nonce: string, token: Redacted.Redacted) =>
    Redacted.make(prefix + Redacted.value(sealing.mac("refresh-successor", kind, grantId, nonce, Redacted.value(token))))
  const successorOf = (grantId: GrantId, nonce: string, token: Redacted.Redacted) =>
    derive("refresh", refreshTokenPrefix, grantId, nonce, token)
  const accessOf = (grantId: GrantId, nonce: string, token: Redacted.Redacted) => derive("access", accessTokenPrefix, grantId, nonce, token)

  const find = SqlSchema.findOne({
    Request: Schema.String,
    Result: Row,
    execute: (hash) =>
      sql`select r.grant_id, g.client_key, g.scope, r.nonce, r.spent_at, g.ended_at, g.expires_at as grant_expires_at
        from refresh_tokens r join grants g on g.id = r.grant_id where r.hash = ${hash}`
  })

  /** Inserts a row; part of the caller's transaction. */
  const insert = Effect.fnUntraced(function*(token: Redacted.Redacted, grantId: GrantId) {
    const now = yield* Clock.currentTimeMillis
    const row = { hash: hashOf(token), grant_id: grantId, nonce: null, created_at: now, spent_at: null }
    yield* sql`insert into refresh_tokens ${sql.insert(row)}`
  })

  const spend = Effect.fnUntraced(function*(row: Row, token: Redacted.Redacted) {
    const now = yield* Clock.currentTimeMillis
    const nonce = randomHex(16)
    yield* sql`update refresh_tokens set spent_at = ${now}, nonce = ${nonce} where hash = ${hashOf(token)} and spent_at is null`
    const refreshToken = successorOf(row.grant_id, nonce, token)
    const accessToken = accessOf(row.grant_id, nonce, token)
    yield* insert(refreshToken, row.grant_id)
    yield* accessTokens.insert(accessToken, row.grant_id)
    yield* sql`update grants set expires_at = ${now + grantLifetime}, last_used_at = ${now} where id = ${row.grant_id}`
    const tokens: IssuedTokens = { accessToken, refreshToken, expiresIn: accessTokenLifetime / 1000, scope: row.scope }
    return { _tag: "Issued", grantId: row.grant_id, tokens, replayed: false } satisfies Rotation
  })

  /** From a token spent within its grace to the end of the chain. What follows was spent later, so its grace lasts longer. */
  const replay = Effect.fnUntraced(function*(first: Row, presented: Redacted.Redacted) {
    let row = first
    let token = presented
    for (let links = 0; links < longestReplay; links++) {
      if (row.nonce === null) return refused("a link of the chain has lost its nonce")
      const next = successorOf(row.grant_id, row.nonce, token)
      const nextRow = yield* find(hashOf(next))
      if (Option.isNone(nextRow)) return refused("the chain is broken")
      if (nextRow.value.spent_at === null) {
        const derived = accessOf(row.grant_id, row.nonce, token)
        const left = yield* accessTokens.remaining(derived, row.grant_id)
        // Revoked or expired in between: that stays so, and the client gets one that works.
        const accessToken = Option.isSome(left) ? derived : newSecret(accessTokenPrefix)
        if (Option.isNone(left)) yield* accessTokens.insert(accessToken, row.grant_id)
        const expiresIn = Math.floor(Option.getOrElse(left, () => accessTokenLifetime) / 1000)
        const tokens: IssuedTokens = { accessToken, refreshToken: next, expiresIn, scope: row.scope }
        return { _tag: "Issued", grantId: row.grant_id, tokens, replayed: true } satisfies Rotation
      }
      row = nextRow.value
      token = next
    }
    return reused(row, "the chain has gone on too far since")
  })

  const decide = Effect.fnUntraced(function*(clientKey: ClientKey, token: Redacted.Redacted) {
    const found = yield* find(hashOf(token))
    if (Option.isNone(found)) return refused("unknown refresh token")
    const row = found.value
    const now = yield* Clock.currentTimeMillis
    if (row.client_key !== clientKey) return refused("refresh token of another client")
    if (row.ended_at !== null || row.grant_expires_at <= now) return refused("the grant is over")
    if (row.spent_at === null) return yield* spend(row, token)
    // The nonce is erased by a sweep some time after the grace; a nonce that is still there does not prolong it.
    if (now - row.spent_at >= grace || row.nonce === null) return reused(row, "spent refresh token after its grace")
    return yield* replay(row, token)
  })

  return {
    insert,
    /** One transaction on the one connection: of two calls with one token, the second sees it spent. */
    rotate: (clientKey: ClientKey, token: Redacted.Redacted): Effect.Effect<Rotation> =>
      // A store that fails is a fault that no caller can act on but by answering 500.
      Effect.orDie(sql.withTransaction(decide(clientKey, token))),
    /** The grant that a refresh token of this client belongs to, spent or not. */
    grantOf: (clientKey: ClientKey, token: Redacted.Redacted) =>
      Effect.map(find(hashOf(token)), (row) =>
        Option.map(Option.filter(row, ({ client_key }) => client_key === clientKey), ({ grant_id }) => grant_id)),
    eraseNonces: Effect.flatMap(Clock.currentTimeMillis, (now) =>
      sql`update refresh_tokens set nonce = null where nonce is not null and spent_at <= ${now - grace}`)
  }
})
