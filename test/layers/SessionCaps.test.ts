import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { Sessions } from "../../src/services/Sessions.ts"
import { FakeChildren, living } from "../fakes/FakeChildren.ts"
import { fakeGrant } from "../fakes/FakeGrants.ts"
import { fateOf, open, request, testSessions, use } from "../fakes/TestSessions.ts"

const [anna, ben, cleo] = [fakeGrant("1"), fakeGrant("2"), fakeGrant("3")]
const fates = Effect.forEach(fateOf)
const later = TestClock.adjust("1 second")
/** A session with a call that is not answered. */
const busy = (grant: typeof anna) =>
  Effect.gen(function*() {
    const session = yield* open(grant)
    yield* session.call(request("tools/call", 1))
    yield* later
    return session
  })
const idle = (grant: typeof anna) => Effect.zipLeft(open(grant), later)

describe("at a user's cap", () => {
  it.effect("the user's least recently used idle session is parked, and comes back in the place of another", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const [first, second] = [yield* idle(anna), yield* idle(anna)]
      yield* use(first)
      yield* later
      const third = yield* idle(anna)
      assert.deepStrictEqual(yield* fates([first, second, third]), ["live", "parked", "live"])
      yield* use(second)
      assert.deepStrictEqual(yield* fates([first, second, third]), ["parked", "live", "live"])
      assert.strictEqual(yield* sessions.size, 2)
      assert.strictEqual(living(yield* FakeChildren), 2)
    }).pipe(Effect.provide(testSessions({ maxSessionsPerUser: 2 }))))

  it.effect("with all at work: 503, and the seconds until the first deadline; another user is not asked", () =>
    Effect.gen(function*() {
      ;(yield* FakeChildren).answers = false
      const his = yield* idle(ben)
      yield* busy(anna)
      yield* TestClock.adjust("270 seconds")
      yield* busy(anna)
      const full = yield* Effect.flip(open(anna))
      assert.deepInclude(full, { _tag: "SessionsFull", cap: "user", retryAfter: 28 })
      assert.strictEqual(yield* fateOf(his), "parked", "only for having been idle for a minute")
    }).pipe(Effect.provide(testSessions({ maxSessionsPerUser: 2 }))))
})

describe("at the broker's own cap", () => {
  it.effect("the user who holds most gives a slot, and nobody who holds as few as the newcomer", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const his = yield* idle(ben)
      const hers = [yield* idle(anna), yield* idle(anna)]
      const new1 = yield* idle(cleo)
      assert.deepStrictEqual(yield* fates([his, ...hers, new1]), ["live", "parked", "live", "live"])
      const new2 = yield* idle(cleo)
      assert.deepStrictEqual(yield* fates([his, ...hers, new1, new2]), ["live", "parked", "live", "parked", "live"])
      play.answers = false
      yield* new2.call(request("tools/call", 1))
      assert.deepInclude(yield* Effect.flip(open(cleo)), { _tag: "SessionsFull", cap: "total" })
      assert.deepStrictEqual(yield* fates([his, ...hers]), ["live", "parked", "live"], "cleo holds as many as each of them")
    }).pipe(Effect.provide(testSessions({ maxSessions: 3 }))))

  it.effect("one user with everything at work cannot take the slot of another, who can take none of those", () =>
    Effect.gen(function*() {
      ;(yield* FakeChildren).answers = false
      const his = yield* idle(ben)
      const hers = yield* Effect.forEach([1, 2], () => busy(anna))
      assert.deepInclude(yield* Effect.flip(open(anna)), { cap: "total" })
      assert.deepInclude(yield* Effect.flip(Effect.zipRight(his.call(request("tools/call", 1)), open(cleo))), { cap: "total" })
      assert.deepStrictEqual(yield* fates([his, ...hers]), ["live", "live", "live"])
    }).pipe(Effect.provide(testSessions({ maxSessions: 3 }))))

  it.effect("stateful sessions end where others are parked", () =>
    Effect.gen(function*() {
      const [first, second] = [yield* idle(anna), yield* idle(anna)]
      assert.deepStrictEqual(yield* fates([first, second]), ["evicted", "live"])
    }).pipe(Effect.provide(testSessions({ maxSessions: 1, childStateful: true }))))

  it.effect("two sessions that share one slot take turns, and no call of theirs is lost", () =>
    Effect.gen(function*() {
      const [first, second] = [yield* idle(anna), yield* idle(ben)]
      for (let turn = 0; turn < 5; turn++) {
        assert.strictEqual((yield* use(first)).id, 1)
        yield* later
        assert.strictEqual((yield* use(second)).id, 1)
        yield* later
      }
      assert.strictEqual(living(yield* FakeChildren), 1)
    }).pipe(Effect.provide(testSessions({ maxSessions: 1 }))))
})

describe("the starts of one user", () => {
  it.effect("are limited within a minute, revivals too; other users have their own", () =>
    Effect.gen(function*() {
      const first = yield* idle(anna)
      yield* idle(anna)
      const throttled = yield* Effect.flip(open(anna))
      assert.deepInclude(throttled, { _tag: "StartsThrottled", limit: 2, retryAfter: 58 })
      yield* open(ben)
      assert.strictEqual(yield* fateOf(first), "live", "nobody was parked for a start that is refused")
      yield* TestClock.adjust("58 seconds")
      yield* open(anna)
    }).pipe(Effect.provide(testSessions({ maxStartsPerMinute: 2, maxSessionsPerUser: 2 }))))
})
