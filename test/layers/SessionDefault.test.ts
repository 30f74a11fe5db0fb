import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted, TestClock } from "effect"
import { Sessions } from "../../src/services/Sessions.ts"
import { FakeChildren, living } from "../fakes/FakeChildren.ts"
import { fakeGrant } from "../fakes/FakeGrants.ts"
import { fateOf, open, request, responseTo, testSessions, use } from "../fakes/TestSessions.ts"

const anna = fakeGrant("1")
const annaAgain = fakeGrant("1", "client", 2)

/** A request without an id: its answer, and the id where there is one in it. */
const ask = (grant = anna, id: string | number = 1) =>
  Effect.gen(function*() {
    const { call, opened } = yield* (yield* Sessions).callDefault(grant, "2025-03-26", request("tools/list", id), { isStreamed: true })
    return { answer: yield* responseTo(call), opened: opened === undefined ? undefined : Redacted.value(opened) }
  })
const heard = Effect.map(FakeChildren, ({ children }) => children.map(({ received }) => received.filter(({ method }) => method === "tools/list").length))

describe("requests without a session id", () => {
  it.effect("go to the grant's newest session whose id nobody has sent back, and its older ones are parked", () =>
    Effect.gen(function*() {
      const older = yield* open(anna)
      const newest = yield* open(anna)
      const others = yield* open(annaAgain)
      assert.deepStrictEqual(yield* ask(), { answer: { jsonrpc: "2.0", id: 1, result: { method: "tools/list", params: null } }, opened: undefined })
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* heard, [0, 1, 0])
      assert.deepStrictEqual(yield* Effect.forEach([older, newest, others], fateOf), ["parked", "live", "live"])
    }).pipe(Effect.provide(testSessions())))

  it.effect("do not park an older one that has a call in flight", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      yield* open(anna)
      yield* (yield* Sessions).callDefault(anna, "2025-03-26", request("tools/call", 1), { isStreamed: true })
      play.answers = true
      yield* open(anna)
      yield* ask()
      assert.strictEqual(living(play), 2)
    }).pipe(Effect.provide(testSessions())))

  it.effect("go to a session that is parked, too, which is revived", () =>
    Effect.gen(function*() {
      const session = yield* open(anna)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* fateOf(session), "parked")
      assert.isUndefined((yield* ask()).opened)
      assert.deepStrictEqual(yield* heard, [0, 1])
      assert.strictEqual(yield* fateOf(session), "live")
    }).pipe(Effect.provide(testSessions())))

  it.effect("do not go to one whose id was sent back; the broker then initialises one itself and names it once", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      yield* use(yield* open(anna))
      const first = yield* ask()
      assert.match(first.opened ?? "", /^[0-9a-f]{48}$/)
      assert.deepInclude(play.children[1]?.received[0]?.params, { protocolVersion: "2025-03-26", capabilities: {} })
      assert.strictEqual(play.children[1]?.received[1]?.method, "notifications/initialized")
      assert.isUndefined((yield* ask()).opened)
      assert.deepStrictEqual(yield* heard, [1, 2])
      assert.isDefined((yield* ask(annaAgain)).opened, "grants do not share one")
    }).pipe(Effect.provide(testSessions())))

  it.effect("outlive the child of their session: a crash and idleness cost nothing but a start", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      yield* ask()
      play.children[0]?.crash()
      assert.isUndefined((yield* ask()).opened)
      yield* TestClock.adjust("15 minutes")
      assert.strictEqual(living(play), 0)
      assert.isUndefined((yield* ask()).opened)
      assert.deepStrictEqual(yield* heard, [1, 1, 1])
    }).pipe(Effect.provide(testSessions())))

  it.effect("share one start, and one of them leaving does not end it for the others", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.mode = "silent"
      const waiting = yield* Effect.forEach([1, 2, 3], (id) => Effect.fork(ask(anna, id)))
      yield* TestClock.adjust(0)
      assert.strictEqual(play.children.length, 1)
      yield* Fiber.interrupt(waiting[0] as (typeof waiting)[number])
      const child = play.children[0]
      child?.emit({ jsonrpc: "2.0", id: child.received[0]?.id, result: { protocolVersion: "2025-03-26", capabilities: {}, serverInfo: { name: "f", version: "1" } } })
      const answers = yield* Effect.forEach(waiting.slice(1), Fiber.join)
      assert.deepStrictEqual(answers.map(({ answer }) => answer.id), [2, 3])
      assert.strictEqual(play.children.length, 1)
    }).pipe(Effect.provide(testSessions())))

  it.effect("that are notifications go to the default session where there is one, and start nothing", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const sessions = yield* Sessions
      const notify = sessions.notifyDefault(anna, { _tag: "Notification", method: "notifications/roots/list_changed", params: undefined })
      yield* notify
      assert.strictEqual(play.children.length, 0)
      yield* open(anna)
      yield* notify
      assert.strictEqual(play.children[0]?.received.at(-1)?.method, "notifications/roots/list_changed")
    }).pipe(Effect.provide(testSessions())))
})
