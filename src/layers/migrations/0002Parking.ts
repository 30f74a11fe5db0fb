import { SqlClient } from "@effect/sql"
import { Effect } from "effect"

/** What a parked session is revived with. docs/storage.md says what each column holds. */
export const parking = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`alter table sessions add column missed text not null default '[]'`
  yield* sql`alter table sessions add column crashes text not null default '[]'`
  yield* sql`create index sessions_ended on sessions (ended_at) where ended_at is not null`
  // Sessions of the first release were never parked, and their rows hold an answer where the result is wanted.
  yield* sql`update sessions set state = 'ended', end_reason = 'broker_updated', ended_at = last_used_at,
    initialize_params = '{}', initialize_result = '{}' where state <> 'ended'`
})
