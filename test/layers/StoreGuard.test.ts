import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { latestMigration } from "../../src/layers/migrations/Migrations.ts"
import { SqliteLive } from "../../src/layers/SqliteLive.ts"
import { StoreGuardLive } from "../../src/layers/StoreGuard.ts"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import { TestConfig } from "../fakes/TestConfig.ts"

const guard = (dataDir: string) => Layer.provide(StoreGuardLive, TestConfig({ dataDir }))
const store = (dataDir: string) => Layer.provide(SqliteLive, TestConfig({ dataDir }))

/** What another daemon does, in another process, until it is killed. */
const otherDaemon = (dataDir: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const script = `
        const db = new (require("better-sqlite3"))(process.argv[1] + "/lock.sqlite")
        db.exec("BEGIN EXCLUSIVE")
        require("node:fs").writeFileSync(process.argv[1] + "/lock.pid", process.pid + "\\n")
        console.log("locked")
        setInterval(() => {}, 1000)`
      const child = spawn(process.execPath, ["-e", script, dataDir], { stdio: ["ignore", "pipe", "inherit"] })
      await once(child.stdout, "data")
      return child
    }),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

describe("the guard of the store", () => {
  it.scoped("lets one daemon in, and tells a second one which directory and which process", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      yield* Layer.build(guard(dataDir))
      const error = yield* Effect.flip(Layer.build(guard(dataDir)))
      assert.strictEqual(error._tag, "StoreLocked")
      assert.include(error.message, `Another fjmcp-broker (process ${process.pid}) uses the data directory ${dataDir}.`)
    }))

  it.scoped("gives the lock back when it closes", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      yield* Effect.scoped(Layer.build(guard(dataDir)))
      yield* Layer.build(guard(dataDir))
    }))

  it.scopedLive("keeps out while another process holds the lock, and not when that process was killed", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      const other = yield* otherDaemon(dataDir)
      const error = yield* Effect.flip(Layer.build(store(dataDir)))
      assert.strictEqual(error._tag, "StoreLocked")
      assert.include(error.message, `(process ${other.pid})`)
      assert.deepStrictEqual(readdirSync(dataDir).filter((name) => name.startsWith("broker")), [])
      const exited = once(other, "exit")
      other.kill("SIGKILL")
      yield* Effect.promise(() => exited)
      yield* Layer.build(store(dataDir))
    }))

  it.scopedLive("still holds the lock against other processes after a second daemon was turned away", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      yield* Layer.build(guard(dataDir))
      yield* Effect.flip(Layer.build(guard(dataDir)))
      const script = `
        const db = new (require("better-sqlite3"))(process.argv[1] + "/lock.sqlite", { timeout: 0 })
        try { db.exec("BEGIN EXCLUSIVE"); console.log("got it") }
        catch (error) { console.log(error.code) }`
      const said = yield* Effect.promise(async () => {
        const child = spawn(process.execPath, ["-e", script, dataDir], { stdio: ["ignore", "pipe", "inherit"] })
        const [data] = await once(child.stdout, "data")
        return String(data).trim()
      })
      assert.strictEqual(said, "SQLITE_BUSY")
    }))

  it.scoped("refuses a store of a newer program, and changes nothing in the directory", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      yield* Effect.scoped(Layer.build(store(dataDir)))
      const file = join(dataDir, "broker.sqlite")
      const db = new Database(file)
      db.exec("insert into effect_sql_migrations (migration_id, name) values (9999, 'from_the_future')")
      db.close()
      const before = readFileSync(file)
      const names = readdirSync(dataDir).sort()
      const error = yield* Effect.flip(Layer.build(store(dataDir)))
      assert.strictEqual(error._tag, "StoreTooNew")
      assert.include(error.message, `has version 9999, but this fjmcp-broker knows versions up to ${latestMigration} only. Nothing was changed.`)
      assert.isTrue(before.equals(readFileSync(file)))
      assert.deepStrictEqual(readdirSync(dataDir).sort(), names)
    }))

  it.scoped("sees the version of a newer store that a killed program left in its write-ahead log", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      yield* Effect.scoped(Layer.build(store(dataDir)))
      const script = `
        const db = new (require("better-sqlite3"))(process.argv[1])
        db.exec("insert into effect_sql_migrations (migration_id, name) values (9999, 'from_the_future')")
        process.kill(process.pid, "SIGKILL")`
      yield* Effect.promise(() => once(spawn(process.execPath, ["-e", script, join(dataDir, "broker.sqlite")]), "exit"))
      const error = yield* Effect.flip(Layer.build(store(dataDir)))
      assert.strictEqual(error._tag, "StoreTooNew")
    }))

  it.scoped("says what is in the way of the directory", () =>
    Effect.gen(function*() {
      const file = join(yield* tempDirectory, "file")
      writeFileSync(file, "")
      const inTheWay = yield* Effect.flip(Layer.build(guard(file)))
      assert.include(inTheWay.message, `The data directory cannot be used: ${file} is a file, not a directory.`)
      const below = yield* Effect.flip(Layer.build(guard(join(file, "data"))))
      assert.include(below.message, "lies below something that is a file, not a directory")
      assert.include(below.message, "FJMCP_DATA_DIR")
    }))
})
