import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, TestClock } from "effect"
import type { SessionKey } from "../../src/domain/Ids.ts"
import { SessionRowsLive } from "../../src/layers/SessionRowsLive.ts"
import { SessionRows } from "../../src/services/SessionRows.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { FakeChildren, living } from "../fakes/FakeChildren.ts"
import { fakeGrant, FakeGrants } from "../fakes/FakeGrants.ts"
import { FakeTokens } from "../fakes/FakeUpstreamTokens.ts"
import { fateOf, open, request, responseTo, sessionsOverRows, sessionsWorld, testSessions, use } from "../fakes/TestSessions.ts"
import { UpstreamTokens } from "../../src/services/UpstreamTokens.ts"

const anna = fakeGrant("1")
const minutes = (n: number) => n * 60_000
const parked = Effect.gen(function*() {
  const session = yield* open(anna)
  yield* use(session)
  yield* TestClock.adjust("15 minutes")
  assert.strictEqual(yield* fateOf(session), "parked")
  return session
})
const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.match(effect, { onFailure: ({ _tag }) => _tag, onSuccess: () => "ok" })

/*
 * Two things at one moment. Mutations that these were seen to find: placeOf by key instead of by incarnation; notify to the
 * newest child alone; the next child without what was granted meanwhile; a rotation that ends with a defect; a row that
 * stays parked while its session is revived; the table claimed before its row; leaving only after the next child has
 * stopped; no look at the streams when a session settles; streams that attach after the daemon has ended them.
 */
describe("two things at one moment", () => {
  it.effect("waiters of a start that failed do not count down the next incarnation", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const sessions = yield* Sessions
      const session = yield* parked
      play.mode = "silent"
      const waiting = yield* Effect.forEach([1, 2], (id) => Effect.fork(Effect.exit(session.call(request("tools/list", id)))))
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* sessions.size, 1)
      // Arrives the very moment in which the slot is free again.
      const late = yield* Effect.fork(Effect.gen(function*() {
        while ((yield* sessions.size) > 0) yield* Effect.yieldNow()
        return yield* Effect.flatMap(session.call(request("tools/list", 3)), responseTo)
      }))
      yield* Effect.yieldNow()
      play.mode = "up"
      play.children[1]?.crash() // exits before it answers
      const answer = yield* Fiber.join(late)
      assert.strictEqual(answer.id, 3)
      yield* Effect.forEach(waiting, Fiber.join)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(living(play), 0, "an idle session is parked")
    }).pipe(Effect.provide(testSessions())))

  it.effect("cancelled reaches a call that finishes on the old generation", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const tokens = yield* FakeTokens
      play.answers = false
      const session = yield* open(anna)
      yield* session.call(request("tools/call", "slow"))
      const refused = yield* session.call(request("tools/call", "r"))
      tokens.suspect = "renewed"
      const last = play.children[0]?.received.at(-1)
      play.children[0]?.emit({ jsonrpc: "2.0", id: last?.id, error: { code: -32603, message: "401" } })
      yield* responseTo(refused)
      yield* TestClock.adjust(0)
      assert.strictEqual(living(play), 2)
      yield* session.notify("notifications/cancelled", { requestId: "slow" })
      assert.strictEqual(play.children[0]?.received.at(-1)?.method, "notifications/cancelled")
    }).pipe(Effect.provide(testSessions())))

  it.effect("a subscription that is granted while the next child shakes hands is known to it", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const tokens = yield* FakeTokens
      tokens.expiresAt = minutes(60)
      tokens.staleAt = minutes(50)
      const session = yield* open(anna)
      yield* use(session)
      yield* Effect.forEach([12, 12, 12, 12, 1], (n) => Effect.zipRight(use(session), TestClock.adjust(`${n} minutes`)))
      yield* TestClock.adjust("30 seconds")
      yield* use(session)
      tokens.serial++
      tokens.expiresAt = tokens.staleAt = minutes(100_000)
      play.mode = "silent"
      // The next child is tried at a time that is left to chance.
      for (let second = 0; second < 120 && living(play) < 2; second++) yield* TestClock.adjust("1 second")
      assert.strictEqual(living(play), 2)
      yield* Effect.flatMap(session.call(request("resources/subscribe", 9, { uri: "forgejo://a" })), responseTo)
      play.children.at(-1)?.comeUp()
      yield* TestClock.adjust(0)
      assert.strictEqual(living(play), 1)
      assert.isTrue(play.children.at(-1)?.received.some(({ method }) => method === "resources/subscribe"))
    }).pipe(Effect.provide(testSessions())))

  it.effect("an ordinary tool error does not end a stateful session whose user has another token by now", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const tokens = yield* FakeTokens
      const session = yield* open(anna)
      yield* use(session)
      tokens.serial++ // another session's rotation: token-1 serves on at Forgejo for a while
      play.answers = false
      const call = yield* session.call(request("tools/call", 1))
      play.children[0]?.emit({ jsonrpc: "2.0", id: play.children[0]?.received.at(-1)?.id, result: { isError: true, content: [] } })
      yield* responseTo(call)
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* fateOf(session), "live")
    }).pipe(Effect.provide(testSessions({ childStateful: true }))))

  it.effect("one failure of the store in `current` does not end renewing for good", () =>
    Effect.gen(function*() {
      let dies = 0
      const Flaky = Layer.effect(UpstreamTokens, Effect.map(UpstreamTokens, (real) => ({
        ...real,
        current: (userId: Parameters<typeof real.current>[0]) => Effect.suspend(() => dies-- > 0 ? Effect.die("disk full") : real.current(userId))
      })))
      yield* Effect.gen(function*() {
        const play = yield* FakeChildren
        const tokens = yield* FakeTokens
        tokens.expiresAt = minutes(60)
        tokens.staleAt = minutes(50)
        const session = yield* open(anna)
        yield* use(session)
        yield* Effect.forEach([12, 12, 12, 12, 1], (n) => Effect.zipRight(use(session), TestClock.adjust(`${n} minutes`)))
        yield* TestClock.adjust("30 seconds")
        yield* use(session)
        tokens.serial++
        tokens.expiresAt = tokens.staleAt = minutes(100_000)
        dies = 1
        yield* Effect.repeatN(Effect.zipRight(use(session), TestClock.adjust("30 seconds")), 14)
        assert.deepStrictEqual(play.children.map(({ token }) => token), ["token-1", "token-1-2"])
      }).pipe(Effect.provide(sessionsOverRows.pipe(Layer.provideMerge(SessionRowsLive), Layer.provide(Flaky), Layer.provideMerge(sessionsWorld()))))
    }))

  it.effect("a session that is being revived is not the one that is crowded out", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const old = yield* open(anna)
      yield* use(old)
      yield* TestClock.adjust("1 minute")
      const second = yield* open(anna)
      yield* use(second)
      yield* TestClock.adjust("14 minutes") // old is parked
      assert.strictEqual(yield* fateOf(old), "parked")
      play.mode = "silent"
      const call = yield* Effect.fork(tagOf(Effect.flatMap(old.call(request("tools/list")), responseTo)))
      yield* TestClock.adjust(0)
      const reviving = play.children[2]
      play.children[1]?.crash() // second is parked too
      yield* TestClock.adjust(0)
      reviving?.comeUp()
      assert.strictEqual(yield* Fiber.join(call), "ok")
    }).pipe(Effect.provide(testSessions({ maxParked: 1 }))))

  it.effect("a session whose id came back, although its client left at once, is no default session", () =>
    Effect.gen(function*() {
      const rows = yield* SessionRows
      let fails = true
      const Failing = Layer.succeed(SessionRows, { ...rows, claim: (key: SessionKey) => Effect.suspend(() => fails ? (fails = false, Effect.interrupt) : rows.claim(key)) })
      yield* Effect.gen(function*() {
        const sessions = yield* Sessions
        const session = yield* open(anna)
        yield* Effect.exit(session.call(request("tools/list", 1)))
        yield* use(session)
        const { opened } = yield* sessions.callDefault(anna, "2025-03-26", request("tools/list", 2), { isStreamed: true })
        assert.isDefined(opened, "another session")
      }).pipe(Effect.provide(Layer.provide(sessionsOverRows, Failing)))
    }).pipe(Effect.provide(Layer.provideMerge(SessionRowsLive, sessionsWorld()))))
  it.effect("no call is handed to a child whose token has ended, although the next one is slow to stop", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const tokens = yield* FakeTokens
      tokens.expiresAt = minutes(60)
      tokens.staleAt = minutes(59) + 45_000
      const session = yield* open(anna)
      yield* use(session)
      yield* Effect.forEach([12, 12, 12, 12, 11], (n) => Effect.zipRight(use(session), TestClock.adjust(`${n} minutes`)))
      yield* use(session)
      tokens.serial++
      tokens.expiresAt = tokens.staleAt = minutes(100_000)
      play.mode = "silent"
      play.stopTakes = 5000
      yield* TestClock.adjust("55 seconds")
      assert.strictEqual(play.children.length, 2)
      const next = play.children[1]
      if (next !== undefined) next.greeted = true // the fake stops one at once that has not come up; a real one does not
      yield* TestClock.adjust("6 seconds")
      const before = play.children[0]?.received.length
      play.mode = "up"
      const call = yield* Effect.fork(use(session))
      yield* TestClock.adjust("1 second")
      const after = play.children[0]?.received.length
      play.stopTakes = 0
      for (const child of play.children) child.crash()
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(call)
      assert.strictEqual(after, before, "calls that the child with the ended token got")
    }).pipe(Effect.provide(testSessions())))

  it.effect("the stream of a session closes when its grant ends, also while its child is just being stopped", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const sessions = yield* Sessions
      const session = yield* open(anna)
      const stream = yield* sessions.stream(anna, session.id)
      yield* use(session)
      play.stopTakes = 5000
      yield* TestClock.adjust("15 minutes")
      assert.strictEqual(yield* fateOf(session), "parked")
      assert.strictEqual(living(play), 1, "still stopping")
      yield* (yield* FakeGrants).revoke(anna)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* fateOf(session), "grant_ended")
      const taken = yield* Effect.fork(stream.take)
      yield* TestClock.adjust(0)
      assert.isTrue(Option.isSome(yield* Fiber.poll(taken)), "the stream has ended")
    }).pipe(Effect.scoped, Effect.provide(testSessions())))

  it.effect("a stream that is attached after endStreams ends as well", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const session = yield* open(anna)
      yield* sessions.endStreams
      const stream = yield* sessions.stream(anna, session.id)
      const taken = yield* Effect.fork(stream.take)
      yield* TestClock.adjust("20 seconds")
      assert.isTrue(Option.isSome(yield* Fiber.poll(taken)))
    }).pipe(Effect.scoped, Effect.provide(testSessions())))
})
