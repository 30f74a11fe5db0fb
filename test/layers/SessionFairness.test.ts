import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Redacted, Scope, TestClock } from "effect"
import { Sessions } from "../../src/services/Sessions.ts"
import { FakeChildren, living } from "../fakes/FakeChildren.ts"
import { fakeGrant, FakeGrants } from "../fakes/FakeGrants.ts"
import { FakeTokens } from "../fakes/FakeUpstreamTokens.ts"
import { fateOf, open, request, responseTo, testSessions, use } from "../fakes/TestSessions.ts"

const [anna, ben] = [fakeGrant("1"), fakeGrant("2")]
const annaAgain = fakeGrant("1", "client", 2)

describe("what one user or grant can do to others", () => {
  it.effect("half of the starts at most are one user's, so that another's child comes up", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.mode = "silent"
      yield* Effect.forEach([1, 2, 3, 4, 5, 6], () => Effect.fork(Effect.exit(open(anna))))
      yield* TestClock.adjust(0)
      assert.strictEqual(living(play), 2)
      play.mode = "up"
      assert.strictEqual((yield* use(yield* open(ben))).id, 1)
    }).pipe(Effect.provide(testSessions({ maxStarts: 4 }))))

  it.effect("each of a user's sessions comes back after a restart, as many as the user may have, without being throttled", () =>
    Effect.gen(function*() {
      const all = yield* Effect.forEach([1, 2, 3, 4], () => Effect.zipLeft(open(anna), TestClock.adjust("61 seconds")))
      assert.deepStrictEqual(yield* Effect.forEach(all, fateOf), ["parked", "parked", "parked", "parked"])
      for (const session of all) assert.strictEqual((yield* use(session)).id, 1)
      assert.strictEqual((yield* Effect.flip(open(anna)))._tag, "StartsThrottled")
    }).pipe(Effect.provide(testSessions({ maxStartsPerMinute: 1, maxSessionsPerUser: 4 }))))

  it.effect("a session has two children at most, however often its user's token changes while calls are open", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const tokens = yield* FakeTokens
      play.answers = false
      const session = yield* open(anna)
      const newest = () => play.children.findLast(({ alive }) => alive)
      for (let n = 0; n < 5; n++) {
        yield* session.call(request("tools/call", `slow ${n}`))
        const refused = yield* session.call(request("tools/call", "refused"))
        tokens.serial++
        const child = newest()
        child?.emit({ jsonrpc: "2.0", id: child.received.at(-1)?.id, error: { code: -32603, message: "no" } })
        yield* responseTo(refused)
        yield* TestClock.adjust("1 second")
        assert.isAtMost(living(play), 2)
      }
    }).pipe(Effect.provide(testSessions())))

  it.effect("the end of a grant ends what it listens to and calls in sessions that other grants have opened, and nothing else there", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const sessions = yield* Sessions
      play.answers = false
      const session = yield* open(anna)
      const scope = yield* Scope.make()
      const stream = yield* Scope.extend(sessions.stream(annaAgain, session.id), scope)
      const hers = yield* session.call(request("tools/call", "opened it"))
      const other = yield* sessions.call(annaAgain, session.id, request("tools/call", "came later"), { isStreamed: true })
      yield* (yield* FakeGrants).revoke(annaAgain)
      yield* TestClock.adjust(0)
      assert.isTrue((yield* stream.take).some(({ final }) => final))
      assert.match(JSON.stringify(yield* responseTo(other)), /The sign-in with which this was called is over/)
      const first = play.children[0]?.received.find(({ method }) => method === "tools/call")
      play.children[0]?.emit({ jsonrpc: "2.0", id: first?.id, result: {} })
      assert.deepStrictEqual((yield* responseTo(hers)).result, {})
      assert.strictEqual(yield* fateOf(session), "live")
      yield* Scope.close(scope, Exit.void)
    }).pipe(Effect.provide(testSessions())))

  it.effect("requests without an id get a session of the broker's where those that are left are not to be had", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      yield* Effect.forEach([1, 2, 3], () => open(anna))
      yield* TestClock.adjust("61 seconds")
      play.server = { ...play.server, name: "another" }
      const { call, opened } = yield* (yield* Sessions).callDefault(anna, "2025-03-26", request("tools/list", 1), { isStreamed: true })
      assert.strictEqual((yield* responseTo(call)).id, 1)
      assert.match(opened === undefined ? "" : Redacted.value(opened), /^[0-9a-f]{48}$/)
    }).pipe(Effect.provide(testSessions())))

  it.effect("those who wait for a child hear at once that the daemon stops, and so do calls in flight", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const sessions = yield* Sessions
      play.answers = false
      play.stopTakes = 5000
      const session = yield* open(anna)
      const call = yield* session.call(request("tools/call", 1))
      play.mode = "silent"
      const opening = yield* Effect.fork(Effect.flip(open(ben)))
      yield* TestClock.adjust(0)
      yield* sessions.parkAll
      yield* TestClock.adjust(0)
      const told = yield* Fiber.poll(opening)
      assert.isTrue(Option.isSome(told))
      assert.strictEqual((yield* Fiber.join(opening))._tag, "Restarting")
      assert.match(JSON.stringify(yield* responseTo(call)), /The session ended before the call was answered/)
      yield* TestClock.adjust("5 seconds")
    }).pipe(Effect.provide(testSessions())))

  it.effect("a session that is leaving has as many callers waiting as it may have calls", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* open(anna)
      yield* use(session)
      play.stopTakes = 5000
      yield* TestClock.adjust("15 minutes")
      assert.strictEqual(living(play), 1, "still stopping")
      const waiting = yield* Effect.forEach([1, 2], (id) => Effect.fork(Effect.flatMap(session.call(request("tools/list", id)), responseTo)))
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* Effect.flip(session.call(request("tools/list", 3))))._tag, "SessionBusy")
      yield* Fiber.interrupt(waiting[0] as (typeof waiting)[number])
      const third = yield* Effect.fork(Effect.flatMap(session.call(request("tools/list", 3)), responseTo))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(waiting[1] as (typeof waiting)[number])).id, 2)
      assert.strictEqual((yield* Fiber.join(third)).id, 3)
      play.stopTakes = 0
    }).pipe(Effect.provide(testSessions({ maxCallsPerSession: 2 }))))
})
