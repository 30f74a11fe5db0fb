import { Migrator, SqlClient } from "@effect/sql"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, LogLevel, Option, TestClock } from "effect"
import { GrantId, SessionKey } from "../../../src/domain/Ids.ts"
import { latestMigration, migrations } from "../../../src/layers/migrations/Migrations.ts"
import { SessionRowsLive } from "../../../src/layers/SessionRowsLive.ts"
import { SessionRows } from "../../../src/services/SessionRows.ts"
import { settingsLayer } from "../../fakes/TestSettings.ts"

describe("the manifest of migrations", () => {
  it("is this list: released migrations never change their name or place", () => {
    assert.deepStrictEqual(Object.keys(migrations), ["0001_init", "0002_parking", "0003_snapshot"])
  })

  it("has keys that the migrator does not drop, with ids that count up from 1", () => {
    for (const key of Object.keys(migrations)) assert.match(key, /^\d+_/)
    assert.deepStrictEqual(
      Object.keys(migrations).map((key) => Number.parseInt(key, 10)),
      Object.keys(migrations).map((_, index) => index + 1)
    )
    assert.strictEqual(latestMigration, Object.keys(migrations).length)
  })
})

describe("a store of the first release", () => {
  const migrateUpTo = (last: number) =>
    Migrator.make({})({ loader: Migrator.fromRecord(Object.fromEntries(Object.entries(migrations).slice(0, last))) }).pipe(
      Logger.withMinimumLogLevel(LogLevel.Warning)
    )

  /** As that release wrote them: the answer stands where the result is wanted now, and nothing is ever parked. */
  const filled = Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* migrateUpTo(1)
    yield* sql`insert into clients values ('c', 'client', 'A client', '[]', 'none', 1)`
    yield* sql`insert into grants (id, user_id, user_name, client_key, scope, created_at, last_used_at, expires_at) values ('g', '7', 'ann', 'c', 'forgejo', 1, 2, 3)`
    yield* sql`insert into refresh_tokens (hash, grant_id, created_at) values ('r', 'g', 1)`
    yield* sql`insert into upstream_tokens (user_id, sealed_pair, access_expires_at, updated_at) values ('7', 'sealed', 5, 1)`
    const session = { grant_id: "g", user_id: "7", client_key: "c", opened_by: "client", created_at: 100 }
    const said = {
      initialize_params: "{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{},\"clientInfo\":{\"name\":\"x\",\"version\":\"1\"}}",
      initialize_result: "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{}}}"
    }
    yield* sql`insert into sessions ${sql.insert({ ...session, ...said, key: "live", state: "live", last_used_at: 200 })}`
    yield* sql`insert into sessions ${
      sql.insert({ ...session, key: "ended", state: "ended", last_used_at: 300, ended_at: 300, end_reason: "idle", initialize_params: "{}", initialize_result: "{}" })
    }`
    return sql
  })

  it.effect("keeps its grants and tokens, and ends its sessions, which have nothing to be revived with", () =>
    Effect.gen(function*() {
      const sql = yield* filled
      const others = Effect.all([sql`select * from clients`, sql`select * from grants`, sql`select * from refresh_tokens`, sql`select * from upstream_tokens`])
      const before = yield* others
      assert.deepStrictEqual((yield* migrateUpTo(latestMigration)).map(([id]) => id), [2, 3])
      assert.deepStrictEqual(yield* others, before)
      const empty = { initialize_params: "{}", initialize_result: "{}", log_level: null, subscriptions: "[]", missed: "[]", crashes: "[]" }
      const columns = Object.keys(empty).join(", ")
      assert.deepStrictEqual(yield* sql.unsafe(`select key, state, end_reason, ended_at, ${columns} from sessions order by key`), [
        { key: "ended", state: "ended", end_reason: "idle", ended_at: 300, ...empty },
        { key: "live", state: "ended", end_reason: "broker_updated", ended_at: 200, ...empty }
      ])
      assert.deepStrictEqual(yield* migrateUpTo(latestMigration), [], "and then there is nothing more to do")
    }).pipe(Effect.provide(SqliteClient.layer({ filename: ":memory:" }))))

  it.effect("answers to its sessions' ids that they have ended, and to requests without one with a new session", () =>
    Effect.gen(function*() {
      yield* filled
      yield* migrateUpTo(latestMigration)
      yield* TestClock.adjust("1 second")
      yield* Effect.provide(Effect.gen(function*() {
        const rows = yield* SessionRows
        for (const key of ["live", "ended"].map((name) => SessionKey.make(name))) {
          assert.strictEqual(Option.getOrThrow(yield* rows.find(key)).state, "ended")
          assert.isTrue(Option.isNone(yield* rows.kept(key)))
        }
        assert.isTrue(Option.isNone(yield* rows.newestUnclaimed(GrantId.make("g"))))
      }), SessionRowsLive)
    }).pipe(Effect.provide(settingsLayer()), Effect.provide(SqliteClient.layer({ filename: ":memory:" }))))
})
