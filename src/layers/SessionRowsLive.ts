import { SqlClient, SqlSchema } from "@effect/sql"
import { Clock, Effect, Layer } from "effect"
import { SessionKey } from "../domain/Ids.ts"
import { endedSessionKept } from "../domain/Lifetimes.ts"
import { sweep } from "../services/Schedules.ts"
import { SessionRow, SessionRows } from "../services/SessionRows.ts"

// A store that fails is a defect: nobody above can do anything about it but answer 500.
const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  // Children die with the daemon, so what a killed run left as live has none.
  yield* Effect.flatMap(Clock.currentTimeMillis, (now) =>
    sql`update sessions set state = 'ended', end_reason = 'broker_restarted', ended_at = ${now},
        initialize_params = '{}', initialize_result = '{}' where state = 'live'`).pipe(Effect.orDie)

  // The owner is this layer's scope.
  yield* Effect.flatMap(Clock.currentTimeMillis, (now) => sql`delete from sessions where ended_at <= ${now - endedSessionKept}`).pipe(
    Effect.catchAllCause((cause) => Effect.logError("sweep.sessions.failed", cause)),
    Effect.repeat(sweep),
    Effect.interruptible,
    Effect.forkScoped
  )

  const find = SqlSchema.findOne({
    Request: SessionKey,
    Result: SessionRow,
    execute: (key) =>
      sql`select key, grant_id as "grantId", user_id as "userId", client_key as "clientKey", state from sessions where key = ${key}`
  })

  return SessionRows.of({
    insert: (row) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        sql`insert into sessions ${
          sql.insert({
            key: row.key,
            grant_id: row.grantId,
            user_id: row.userId,
            client_key: row.clientKey,
            opened_by: row.openedBy,
            state: "live",
            initialize_params: row.initializeParams,
            initialize_result: row.initializeResult,
            created_at: now,
            last_used_at: now
          })
        }`).pipe(Effect.asVoid, Effect.orDie),
    find: (key) => Effect.orDie(find(key)),
    claim: (key) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => sql`update sessions set claimed_at = ${now} where key = ${key} and claimed_at is null`)
        .pipe(Effect.asVoid, Effect.orDie),
    // What the client said is kept no longer than it can be of use.
    end: (key, reason) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        sql`update sessions set state = 'ended', end_reason = ${reason}, ended_at = ${now}, last_used_at = ${now},
            initialize_params = '{}', initialize_result = '{}' where key = ${key} and state <> 'ended'`).pipe(Effect.asVoid, Effect.orDie)
  })
})

export const SessionRowsLive = Layer.scoped(SessionRows, make)
