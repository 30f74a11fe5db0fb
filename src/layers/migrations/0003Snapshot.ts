import { SqlClient } from "@effect/sql"
import { Effect } from "effect"

/** What a child's program last answered to `initialize`. docs/storage.md says what each column holds. */
export const snapshot = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`create table server_snapshots (
    command text primary key,
    initialize_result text not null,
    seen_at integer not null
  ) strict`
})
