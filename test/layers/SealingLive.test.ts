import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Layer, Redacted } from "effect"
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { SealingLive } from "../../src/layers/SealingLive.ts"
import { SqliteLive, SqliteMemory } from "../../src/layers/SqliteLive.ts"
import { Sealing } from "../../src/services/Sealing.ts"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import { TestConfig } from "../fakes/TestConfig.ts"

const aKey = Buffer.alloc(32, 7).toString("base64url")
const anotherKey = Buffer.alloc(32, 8).toString("base64url")

const on = <A, E>(dataDir: string, use: Effect.Effect<A, E, Sealing | SqlClient.SqlClient>, sealingKeyIsCredential = false) =>
  use.pipe(
    Effect.provide(Layer.provideMerge(SealingLive, SqliteLive)),
    Effect.provide(TestConfig({ dataDir, sealingKeyFile: join(dataDir, "sealing.key"), sealingKeyIsCredential }))
  )
const holdAClient = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`insert into clients values ('k', 'id', 'n', '[]', 'none', 1)`)

const Sealed = Layer.unwrapScoped(Effect.map(tempDirectory, (dataDir) =>
  SealingLive.pipe(Layer.provide(TestConfig({ dataDir, sealingKeyFile: join(dataDir, "sealing.key") })), Layer.provide(SqliteMemory))))

describe("sealing", () => {
  it.effect("gives back any text under the same purpose and identity", () =>
    Effect.gen(function*() {
      const sealing = yield* Sealing
      yield* Effect.promise(() =>
        fc.assert(fc.asyncProperty(fc.string({ unit: "grapheme" }), fc.string(), (plain, identity) =>
          Effect.gen(function*() {
            const sealed = yield* sealing.seal("login", identity, Redacted.make(plain))
            assert.match(sealed, /^[A-Za-z0-9_-]+$/)
            assert.strictEqual(Redacted.value(yield* sealing.open("login", identity, sealed)), plain)
          }).pipe(Effect.runPromise))))
    }).pipe(Effect.provide(Sealed)))

  it.effect("never gives the same sealed text twice", () =>
    Effect.gen(function*() {
      const sealing = yield* Sealing
      const seal = sealing.seal("login", "row", Redacted.make("x"))
      assert.notStrictEqual(yield* seal, yield* seal)
    }).pipe(Effect.provide(Sealed)))

  it.effect("does not open for another row, for another purpose, or with any character changed", () =>
    Effect.gen(function*() {
      const sealing = yield* Sealing
      const sealed = yield* sealing.seal("upstream-token", "row 1", Redacted.make("secret"))
      yield* Effect.flip(sealing.open("upstream-token", "row 2", sealed))
      yield* Effect.flip(sealing.open("login", "row 1", sealed))
      for (let at = 0; at < sealed.length; at++) {
        const changed = sealed.slice(0, at) + (sealed[at] === "A" ? "B" : "A") + sealed.slice(at + 1)
        const error = yield* Effect.flip(sealing.open("upstream-token", "row 1", changed))
        assert.strictEqual(error._tag, "SealBroken")
      }
      yield* Effect.flip(sealing.open("upstream-token", "row 1", `${sealed}=`))
      yield* Effect.flip(sealing.open("upstream-token", "row 1", ""))
    }).pipe(Effect.provide(Sealed)))

  it.effect("frames the parts of a MAC, so that moving a border changes it", () =>
    Effect.gen(function*() {
      const { mac } = yield* Sealing
      const values = [
        mac("refresh-successor", "ab", "c"),
        mac("refresh-successor", "a", "bc"),
        mac("refresh-successor", "abc"),
        mac("refresh-successor", "abc", ""),
        mac("client-secret", "ab", "c")
      ].map(Redacted.value)
      assert.strictEqual(new Set(values).size, values.length)
      assert.strictEqual(Redacted.value(mac("refresh-successor", "ab", "c")), values[0])
    }).pipe(Effect.provide(Sealed)))
})

describe("the sealing key", () => {
  it.scoped("is made at the first start, for its owner only, and used again at the next", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      const sealed = yield* on(dataDir, Effect.flatMap(Sealing, ({ seal }) => seal("login", "row", Redacted.make("x"))))
      const file = join(dataDir, "sealing.key")
      assert.match(readFileSync(file, "utf8"), /^[A-Za-z0-9_-]{43}\n$/)
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      assert.isFalse(existsSync(`${file}.new`))
      const plain = yield* on(dataDir, Effect.flatMap(Sealing, ({ open }) => open("login", "row", sealed)))
      assert.strictEqual(Redacted.value(plain), "x")
    }))

  it.scoped("is made again while the store holds nothing sealed", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      yield* on(dataDir, Effect.void)
      rmSync(join(dataDir, "sealing.key"))
      yield* on(dataDir, Effect.void)
      yield* on(dataDir, Effect.void)
    }))

  it.scoped("is never made again once the store holds something sealed", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      yield* on(dataDir, holdAClient)
      rmSync(join(dataDir, "sealing.key"))
      const error = yield* Effect.flip(on(dataDir, Effect.void))
      assert.strictEqual(error._tag, "KeyMissing")
      assert.include(String(error.message), `The sealing key ${join(dataDir, "sealing.key")} is missing`)
      assert.include(String(error.message), "Restore the file from the backup")
      assert.isFalse(existsSync(join(dataDir, "sealing.key")))
    }))

  it.scoped("of another store is refused, with both ids", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      const file = join(dataDir, "sealing.key")
      writeFileSync(file, `${aKey}\n`, { mode: 0o600 })
      yield* on(dataDir, holdAClient)
      writeFileSync(file, `${anotherKey}\n`)
      const error = yield* Effect.flip(on(dataDir, Effect.void))
      assert.strictEqual(error._tag, "KeyWrong")
      assert.match(String(error.message), /its id is [0-9a-f]{16}, the store needs [0-9a-f]{16}\. Restore the key file/)
      assert.notInclude(String(error.message), anotherKey)
      writeFileSync(file, `${aKey}\n`)
      yield* on(dataDir, Effect.void)
    }))

  it.scoped("that others can read is refused, with the command to type; a credential may have any mode", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      const file = join(dataDir, "sealing.key")
      writeFileSync(file, aKey)
      chmodSync(file, 0o644)
      const error = yield* Effect.flip(on(dataDir, Effect.void))
      assert.strictEqual(error._tag, "KeyUnusable")
      assert.include(String(error.message), `chmod 600 '${file}'`)
      yield* on(dataDir, Effect.void, true)
    }))

  it.scoped("that was announced as a credential is not made", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      const error = yield* Effect.flip(on(dataDir, Effect.void, true))
      assert.strictEqual(error._tag, "KeyMissing")
      assert.include(String(error.message), "credential")
    }))

  it.scoped("that is no key is refused without showing what the file holds", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      const file = join(dataDir, "sealing.key")
      for (const content of ["", "hunter2\n", `${aKey}${aKey}`]) {
        writeFileSync(file, content, { mode: 0o600 })
        const error = yield* Effect.flip(on(dataDir, Effect.void))
        assert.strictEqual(error._tag, "KeyUnusable")
        assert.include(String(error.message), "43 characters")
        assert.notInclude(String(error.message), "hunter2")
      }
    }))
})
