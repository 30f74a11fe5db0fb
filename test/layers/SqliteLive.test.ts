import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { chmodSync, existsSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { SqliteLive, SqliteMemory } from "../../src/layers/SqliteLive.ts"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import { TestConfig } from "../fakes/TestConfig.ts"

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)
const on = <A, E>(dataDir: string, use: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  use.pipe(Effect.provide(SqliteLive), Effect.provide(TestConfig({ dataDir })))
const tables = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql<{ name: string; strict: number }>`select name, strict from pragma_table_list where schema = 'main' and type = 'table'`,
    (rows) => rows.filter(({ name }) => !name.startsWith("sqlite_") && name !== "effect_sql_migrations")
  ))
const pragma = (name: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.map(sql.unsafe(`pragma ${name}`).values, (rows) => rows[0]?.[0]))

describe("the store", () => {
  it.scoped("makes its directory 0700 and its files 0600, whatever the umask", () =>
    Effect.gen(function*() {
      const dataDir = join(yield* tempDirectory, "new", "data")
      const umask = process.umask(0)
      yield* Effect.addFinalizer(() => Effect.sync(() => process.umask(umask)))
      yield* on(dataDir, Effect.sync(() => {
        assert.strictEqual(modeOf(dataDir), "700")
        const files = readdirSync(dataDir).sort()
        assert.deepStrictEqual(files, [
          "broker.sqlite", "broker.sqlite-shm", "broker.sqlite-wal", "lock.pid", "lock.sqlite", "lock.sqlite-journal"
        ])
        for (const file of files) assert.strictEqual(modeOf(join(dataDir, file)), "600", file)
      }))
      assert.deepStrictEqual(readdirSync(dataDir).sort(), ["broker.sqlite", "lock.sqlite"])
    }))

  it.scoped("takes the rights of others from a file that is there", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      yield* on(dataDir, Effect.void)
      chmodSync(join(dataDir, "broker.sqlite"), 0o644)
      yield* on(dataDir, Effect.sync(() => assert.strictEqual(modeOf(join(dataDir, "broker.sqlite")), "600")))
    }))

  it.scoped("pins the pragmas that durability and integrity depend on", () =>
    Effect.gen(function*() {
      yield* on(yield* tempDirectory, Effect.gen(function*() {
        assert.strictEqual(yield* pragma("journal_mode"), "wal")
        assert.strictEqual(yield* pragma("synchronous"), 2)
        assert.strictEqual(yield* pragma("foreign_keys"), 1)
        assert.strictEqual(yield* pragma("busy_timeout"), 5000)
      }))
    }))

  it.scoped("keeps what it holds from one run to the next", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      yield* on(dataDir, Effect.flatMap(SqlClient.SqlClient, (sql) => sql`insert into sealing_keys values ('k', 'v', 1)`))
      const rows = yield* on(dataDir, Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select key_id from sealing_keys`))
      assert.deepStrictEqual(rows, [{ key_id: "k" }])
    }))

  it.effect("has strict tables only, in memory as on disk", () =>
    Effect.gen(function*() {
      const found = yield* tables
      assert.deepStrictEqual(found.filter(({ strict }) => strict !== 1), [])
      assert.deepStrictEqual(found.map(({ name }) => name).sort(), [
        "access_tokens", "clients", "codes", "grants", "pending_logins", "refresh_tokens", "sealing_keys", "server_snapshots", "sessions", "upstream_tokens"
      ])
      assert.strictEqual(yield* pragma("foreign_keys"), 1)
    }).pipe(Effect.provide(SqliteMemory)))

  it.scoped("refuses a file that is no database, and leaves it as it is", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      writeFileSync(join(dataDir, "broker.sqlite"), "these are somebody's notes, and by no means a database\n".repeat(100))
      const error = yield* Effect.flip(on(dataDir, Effect.void))
      assert.strictEqual(error._tag, "DataDirUnusable")
      assert.include(error.message, `${join(dataDir, "broker.sqlite")} is not an SQLite database`)
      assert.isFalse(existsSync(join(dataDir, "broker.sqlite-wal")))
    }))
})
