import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { ModernCalls } from "../../src/services/ModernCalls.ts"
import { ServerSnapshot } from "../../src/services/ServerSnapshot.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { FakeChildren } from "../fakes/FakeChildren.ts"
import { fakeGrant } from "../fakes/FakeGrants.ts"
import { ask, bothEras, envelope, testModern } from "../fakes/TestModern.ts"
import { initialize, open, sessionsWorld } from "../fakes/TestSessions.ts"

const anna = fakeGrant("1")
const settled = TestClock.adjust(0)
const list = envelope("tools/list")
const custom = { childPreset: "custom" } as const
const discover = Effect.flatMap(ModernCalls, (calls) => calls.discover(anna))
const snapshots = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.orDie(sql<{ readonly result: string; readonly at: number }>`select initialize_result as result, seen_at as at from server_snapshots`))
const { tools } = { tools: { listChanged: true } }

describe("server/discover", () => {
  it.effect("of a preset needs no child and no slot, and says that it is a guess; once a child was there it is none", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const guess = yield* discover
      assert.deepInclude(guess, { resultType: "complete", supportedVersions: ["2026-07-28"], ttlMs: 0, cacheScope: "private", _meta: {} })
      assert.deepStrictEqual([play.children.length, yield* (yield* Sessions).size], [0, 0])
      yield* ask(anna, list)
      assert.deepInclude(yield* discover, { capabilities: { tools }, ttlMs: 300_000, _meta: { "io.modelcontextprotocol/serverInfo": { name: "fake", version: "1" } } })
    }).pipe(Effect.provide(testModern())))

  it.effect("is learned from children that nobody's parameters have shaped, and from no client's own", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      yield* open(anna)
      assert.deepInclude(yield* discover, { ttlMs: 0 })
      yield* ask(anna, list)
      assert.deepInclude(yield* discover, { ttlMs: 300_000, capabilities: { tools } })
      play.server = { ...play.server, version: "2", capabilities: { prompts: {} } }
      yield* open(fakeGrant("2"), initialize())
      assert.deepInclude(yield* discover, { capabilities: { tools } })
    }).pipe(Effect.provide(testModern())))

  it.effect("of another program has a child say it the first time, and no more", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      for (let n = 0; n < 3; n++) assert.deepInclude(yield* discover, { capabilities: { tools }, ttlMs: 300_000 })
      assert.strictEqual(play.children.length, 1)
    }).pipe(Effect.provide(testModern(custom))))

  it.effect("is answered where no child can be started", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      for (const mode of ["spawn fails", "refuses initialize"] as const) {
        play.mode = mode
        assert.deepInclude(yield* discover, { resultType: "complete", ttlMs: 0 })
      }
      play.mode = "up"
      assert.deepInclude(yield* discover, { ttlMs: 300_000 })
    }).pipe(Effect.provide(testModern(custom))))

  it.effect("waits five seconds at most, and for no child that is there by then", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.mode = "silent"
      const waiting = yield* Effect.fork(discover)
      yield* TestClock.adjust("4999 millis")
      assert.isTrue((yield* Fiber.poll(waiting))._tag === "None")
      yield* TestClock.adjust("1 millis")
      assert.deepInclude(yield* Fiber.join(waiting), { resultType: "complete", ttlMs: 0 })
      play.children[0]?.comeUp()
      yield* settled
      assert.deepInclude(yield* discover, { ttlMs: 300_000 })
      assert.strictEqual(play.children.length, 1)
    }).pipe(Effect.provide(testModern(custom))))
})

describe("what a child's program has said", () => {
  it.effect("is kept for the next run of the broker, and written only where it differs", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const run = Effect.provide(ask(anna, list), bothEras)
      yield* TestClock.adjust("1 second")
      yield* run
      const first = yield* snapshots
      yield* TestClock.adjust("1 minute")
      yield* run
      assert.deepStrictEqual(yield* snapshots, first)
      const count = play.children.length
      assert.deepInclude(yield* Effect.provide(discover, bothEras), { capabilities: { tools }, ttlMs: 300_000 })
      assert.strictEqual(play.children.length, count)
      play.server = { ...play.server, version: "2" }
      yield* run
      const [second, ...others] = yield* snapshots
      assert.deepStrictEqual([others.length, second?.at], [0, 61_000])
      assert.notStrictEqual(second?.result, first[0]?.result)
    }).pipe(Effect.provide(sessionsWorld(custom))))

  it.effect("is of its command line only", () =>
    Effect.gen(function*() {
      yield* (yield* ServerSnapshot).learn({ capabilities: { tools: {} } })
      assert.strictEqual((yield* snapshots).length, 1)
      assert.isFalse((yield* ServerSnapshot).current().isGuess)
    }).pipe(Effect.provide(testModern())))
})

describe("methods", () => {
  it.effect("that the program does not advertise are none, once that is known; those that went with the sessions never are", () =>
    Effect.gen(function*() {
      const calls = yield* ModernCalls
      const asked = ["tools/list", "prompts/list", "completion/complete", "server/discover", "subscriptions/listen", "ping", "initialize", "logging/setLevel", "resources/subscribe", "nope"]
      const advertised = () => asked.filter((method) => calls.isAdvertised(method))
      assert.deepStrictEqual(advertised(), asked.slice(0, 5))
      yield* ask(anna, list)
      assert.deepStrictEqual(advertised(), ["tools/list", "server/discover", "subscriptions/listen"])
    }).pipe(Effect.provide(testModern())))
})
