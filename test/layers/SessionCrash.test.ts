import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { FakeChildren, living } from "../fakes/FakeChildren.ts"
import { fakeGrant } from "../fakes/FakeGrants.ts"
import { FakeTokens } from "../fakes/FakeUpstreamTokens.ts"
import { open, request, responseTo, testSessions } from "../fakes/TestSessions.ts"

/** Its child crashes while an older one has a call to finish, and that one takes its time to stop: so does the session to leave. */
const crashesSlowly = Effect.gen(function*() {
  const play = yield* FakeChildren
  const tokens = yield* FakeTokens
  play.answers = false
  const session = yield* open(fakeGrant("1"))
  yield* session.call(request("tools/call", "slow"))
  const refused = yield* session.call(request("tools/call", "refused"))
  tokens.suspect = "renewed"
  play.children[0]?.emit({ jsonrpc: "2.0", id: play.children[0]?.received.at(-1)?.id, error: { code: -32603, message: "401" } })
  yield* responseTo(refused)
  yield* TestClock.adjust(0)
  assert.strictEqual(living(play), 2)
  Object.assign(play, { answers: true, stopTakes: 2000 })
  // Nobody moves the clock when the test is over.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      play.stopTakes = 0
      for (const child of play.children) child.crash()
    }))
  play.children[1]?.crash()
  return session
})

/** Mutations that these were seen to find: such a call does not count; its client leaves, and it still counts. */
describe("a call that comes in the moment of a crash, and waits for the next child", () => {
  it.effect("counts as it waits: one too many is refused, and those that wait are not", () =>
    Effect.gen(function*() {
      const session = yield* crashesSlowly
      const list = (id: number) => Effect.fork(Effect.flatMap(session.call(request("tools/list", id)), responseTo))
      const first = yield* list(1)
      yield* TestClock.adjust(0)
      const second = yield* list(2)
      const third = yield* Effect.fork(Effect.flip(session.call(request("tools/list", 3))))
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* Fiber.poll(third))._tag, "Some", "one too many does not wait")
      assert.strictEqual((yield* Fiber.join(third))._tag, "SessionBusy")
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual([(yield* Fiber.join(first)).id, (yield* Fiber.join(second)).id], [1, 2])
    }).pipe(Effect.scoped, Effect.provide(testSessions({ maxCallsPerSession: 2 }))))

  it.effect("does not count any more when its client has left", () =>
    Effect.gen(function*() {
      const session = yield* crashesSlowly
      const left = yield* Effect.fork(session.call(request("tools/list", 1)))
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(left)
      const waiting = yield* Effect.forEach([2, 3], (id) => Effect.fork(Effect.flatMap(session.call(request("tools/list", id)), responseTo)))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual((yield* Effect.forEach(waiting, Fiber.join)).map(({ id }) => id), [2, 3])
    }).pipe(Effect.scoped, Effect.provide(testSessions({ maxCallsPerSession: 2 }))))
})
