import { SqlClient, SqlSchema } from "@effect/sql"
import { Clock, Effect, Option, Redacted, Schema } from "effect"
import { ClientKey, GrantId, UserId } from "../domain/Ids.ts"
import { accessTokenLifetime } from "../domain/Lifetimes.ts"
import { resourceOf } from "../domain/ResourceRule.ts"
import { hashOf } from "../domain/Secrets.ts"
import type { Grant } from "../services/Grants.ts"
import { TokenRejected } from "../services/Grants.ts"

export const accessTokenPrefix = "fjmcp_at_"
/** How many verified tokens are remembered. */
const remembered = 10_000

const Row = Schema.Struct({
  id: GrantId,
  user_id: UserId,
  user_name: Schema.String,
  client_key: ClientKey,
  scope: Schema.String,
  expires_at: Schema.Number
})

interface Entry {
  readonly grant: Grant
  readonly expiresAt: number
}

/**
 * The access tokens of grants, part of `GrantsLive`. Every MCP request is verified, so verified tokens are remembered in
 * memory: one daemon owns the store, and every end goes through `forget`. A token made for another resource is worth
 * nothing here (RFC 8707): the store may be that of a broker that had another public URL.
 */
export const makeAccessTokens = Effect.fnUntraced(function*(publicUrl: string) {
  const sql = yield* SqlClient.SqlClient
  const resource = resourceOf(publicUrl)
  const clock = yield* Effect.clock
  const known = new Map<string, Entry>()
  const lastUse = new Map<GrantId, number>()
  let endings = 0

  const find = SqlSchema.findOne({
    Request: Schema.Struct({ hash: Schema.String, now: Schema.Number }),
    Result: Row,
    execute: ({ hash, now }) =>
      sql`select g.id, g.user_id, g.user_name, g.client_key, g.scope, min(a.expires_at, g.expires_at) as expires_at
        from access_tokens a join grants g on g.id = a.grant_id
        where a.hash = ${hash} and a.resource = ${resource} and a.expires_at > ${now} and g.ended_at is null and g.expires_at > ${now}`
  })

  const remember = (hash: string, entry: Entry) => {
    const oldest = known.size >= remembered ? known.keys().next().value : undefined
    if (oldest !== undefined) known.delete(oldest)
    known.set(hash, entry)
  }

  const verify = (bearer: Redacted.Redacted): Effect.Effect<Grant, TokenRejected> =>
    Effect.suspend(() => {
      if (!Redacted.value(bearer).startsWith(accessTokenPrefix)) return new TokenRejected()
      const hash = hashOf(bearer)
      const now = clock.unsafeCurrentTimeMillis()
      const hit = known.get(hash)
      if (hit === undefined || hit.expiresAt <= now) return lookUp(hash, now)
      lastUse.set(hit.grant.id, now)
      return Effect.succeed(hit.grant)
    })
  const lookUp = Effect.fnUntraced(function*(hash: string, now: number) {
    const before = endings
    // A store that fails is a fault that no caller can act on but by answering 500.
    const row = yield* Effect.orDie(find({ hash, now }))
    if (Option.isNone(row)) {
      known.delete(hash)
      return yield* new TokenRejected()
    }
    const { client_key, expires_at, id, scope, user_id, user_name } = row.value
    const grant: Grant = { id, userId: user_id, userName: user_name, clientKey: client_key, scope }
    // A grant that ended while the row was on its way must not be remembered as good.
    if (endings === before) remember(hash, { grant, expiresAt: expires_at })
    lastUse.set(id, now)
    return grant
  })

  /** Inserts a row; part of the caller's transaction. */
  const insert = Effect.fnUntraced(function*(token: Redacted.Redacted, grantId: GrantId) {
    const now = yield* Clock.currentTimeMillis
    const row = { hash: hashOf(token), grant_id: grantId, resource, created_at: now, expires_at: now + accessTokenLifetime }
    yield* sql`insert into access_tokens ${sql.insert(row)}`
  })

  /** Milliseconds that a token of a grant has left; nothing where it is expired, revoked or for another resource. */
  const remaining = Effect.fnUntraced(function*(token: Redacted.Redacted, grantId: GrantId) {
    const now = yield* Clock.currentTimeMillis
    const rows = yield* sql<{ readonly expires_at: number }>`select expires_at from access_tokens
      where hash = ${hashOf(token)} and grant_id = ${grantId} and resource = ${resource} and expires_at > ${now}`
    return Option.map(Option.fromNullable(rows[0]), (row) => row.expires_at - now)
  })

  /** Ends one token, if it is of this client; says whether it was. */
  const revoke = (token: Redacted.Redacted, clientKey: ClientKey) =>
    sql`delete from access_tokens where hash = ${hashOf(token)}
      and grant_id in (select id from grants where client_key = ${clientKey}) returning hash`.pipe(
      Effect.map((rows) => {
        endings += 1
        if (rows.length > 0) known.delete(hashOf(token))
        return rows.length > 0
      }),
      Effect.uninterruptible
    )

  /** Called with grants that have just ended, once that is stored. */
  const forget = (ended: ReadonlySet<GrantId>) =>
    Effect.sync(() => {
      endings += 1
      for (const [hash, entry] of known) if (ended.has(entry.grant.id)) known.delete(hash)
      for (const id of ended) lastUse.delete(id)
    })

  const flushUse = Effect.suspend(() => {
    if (lastUse.size === 0) return Effect.void
    const uses = [...lastUse]
    lastUse.clear()
    return sql.withTransaction(Effect.forEach(uses, ([id, at]) =>
      sql`update grants set last_used_at = max(last_used_at, ${at}) where id = ${id}`, { discard: true }))
  })

  const sweep = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    for (const [hash, entry] of known) if (entry.expiresAt <= now) known.delete(hash)
    return sql`delete from access_tokens where expires_at <= ${now}`
  })

  return { verify, insert, remaining, revoke, forget, flushUse, sweep }
})

export type AccessTokens = Effect.Effect.Success<ReturnType<typeof makeAccessTokens>>
