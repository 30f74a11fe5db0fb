import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, TestClock } from "effect"
import { ClientKey, GrantId, SessionKey, UserId } from "../../src/domain/Ids.ts"
import { SessionRowsLive } from "../../src/layers/SessionRowsLive.ts"
import { SqliteMemory } from "../../src/layers/SqliteLive.ts"
import { SessionRows } from "../../src/services/SessionRows.ts"

const key = SessionKey.make("k")
const row = {
  key,
  grantId: GrantId.make("g"),
  userId: UserId.make("7"),
  clientKey: ClientKey.make("c"),
  openedBy: "client" as const,
  initializeParams: "{\"big\":1}",
  initializeResult: "{}"
}
const Store = Layer.provideMerge(SessionRowsLive, SqliteMemory)

describe("the rows of sessions", () => {
  it.effect("keep what the client said while the session lives, and its id for 30 days after", () =>
    Effect.gen(function*() {
      const rows = yield* SessionRows
      const sql = yield* SqlClient.SqlClient
      const params = Effect.map(sql<{ readonly initialize_params: string }>`select initialize_params from sessions`, ([found]) => found?.initialize_params)
      yield* rows.insert(row)
      assert.strictEqual(yield* params, row.initializeParams)
      assert.strictEqual(Option.getOrThrow(yield* rows.find(key)).state, "live")
      yield* rows.end(key, "idle")
      assert.strictEqual(yield* params, "{}")
      const age = (days: number) => Effect.zipRight(sql`update sessions set ended_at = ${-days * 24 * 3_600_000}`, TestClock.adjust("2 minutes"))
      yield* age(29)
      assert.strictEqual(Option.getOrThrow(yield* rows.find(key)).state, "ended")
      yield* age(30)
      assert.isTrue(Option.isNone(yield* rows.find(key)))
    }).pipe(Effect.provide(Store)))

  it.effect("that a killed daemon left live are ended at the next start: their children died with it", () =>
    Effect.gen(function*() {
      yield* Effect.provide(Effect.flatMap(SessionRows, (rows) => rows.insert(row)), SessionRowsLive)
      const found = yield* Effect.provide(Effect.flatMap(SessionRows, (rows) => rows.find(key)), SessionRowsLive)
      assert.strictEqual(Option.getOrThrow(found).state, "ended")
    }).pipe(Effect.provide(SqliteMemory)))

  it.effect("remember the first reason and the first claim only", () =>
    Effect.gen(function*() {
      const rows = yield* SessionRows
      const sql = yield* SqlClient.SqlClient
      yield* rows.insert(row)
      yield* rows.claim(key)
      yield* TestClock.adjust("1 second")
      yield* rows.claim(key)
      yield* rows.end(key, "closed")
      yield* rows.end(key, "idle")
      assert.deepStrictEqual(yield* sql`select claimed_at, end_reason from sessions`, [{ claimed_at: 0, end_reason: "closed" }])
    }).pipe(Effect.provide(Store)))
})
