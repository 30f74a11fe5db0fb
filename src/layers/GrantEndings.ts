import { SqlClient } from "@effect/sql"
import { Clock, Effect, PubSub } from "effect"
import type { GrantId, UserId } from "../domain/Ids.ts"
import { grantLifetime } from "../domain/Lifetimes.ts"
import type { GrantEnd } from "../services/Grants.ts"
import type { AccessTokens } from "./AccessTokens.ts"

type Ended = ReadonlyArray<{ readonly id: GrantId }>

/**
 * The one way in which grants end, part of `GrantsLive`: the row is marked by one UPDATE, so that each end is published
 * once, whoever else tries; the tokens go with it. Uninterruptible from the UPDATE to the publication: otherwise a
 * client that hangs up could keep a session alive whose grant is over.
 */
export const makeGrantEndings = Effect.fnUntraced(function*(accessTokens: AccessTokens) {
  const sql = yield* SqlClient.SqlClient
  const ended = yield* PubSub.unbounded<GrantId>()

  const finish = <E>(reason: GrantEnd, update: Effect.Effect<Ended, E>) =>
    sql.withTransaction(Effect.tap(update, (rows) =>
      Effect.forEach(rows, ({ id }) => sql`delete from access_tokens where grant_id = ${id}`, { discard: true }))).pipe(
      // A store that fails is a fault that no caller can act on but by answering 500.
      Effect.orDie,
      Effect.tap((rows) => accessTokens.forget(new Set(rows.map(({ id }) => id)))),
      Effect.tap((rows) => PubSub.publishAll(ended, rows.map(({ id }) => id))),
      Effect.tap((rows) =>
        Effect.forEach(rows, ({ id: grant }) => Effect.annotateLogs(Effect.logInfo("grant.ended"), { grant, reason }), { discard: true })),
      Effect.uninterruptible
    )

  const end = (id: GrantId, reason: GrantEnd) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      finish(
        reason,
        sql<{ readonly id: GrantId }>`update grants set ended_at = ${now}, end_reason = ${reason}
          where id = ${id} and ended_at is null returning id`
      ))

  const endOfUser = (userId: UserId, reason: GrantEnd) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      finish(
        reason,
        sql<{ readonly id: GrantId }>`update grants set ended_at = ${now}, end_reason = ${reason}
          where user_id = ${userId} and ended_at is null returning id`
      ))

  /** Grants 30 days after their last refresh, and those whose code expired unused: nobody holds anything of them. */
  const endExpired = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    finish(
      "expired",
      sql<{ readonly id: GrantId }>`update grants set ended_at = ${now}, end_reason = 'expired'
        where ended_at is null and (expires_at <= ${now}
        or id in (select grant_id from codes where consumed_at is null and expires_at <= ${now})) returning id`
    ))

  const deleteOld = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.zipRight(
      sql`delete from codes where consumed_at is null and expires_at <= ${now}
        and grant_id in (select id from grants where ended_at is not null)`,
      sql`delete from grants where ended_at <= ${now - grantLifetime}`
    ))

  return { ended, end, endOfUser, endExpired, deleteOld }
})
