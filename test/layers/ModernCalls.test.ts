import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { Sessions } from "../../src/services/Sessions.ts"
import { FakeChildren, living } from "../fakes/FakeChildren.ts"
import { FakeGrants, fakeGrant } from "../fakes/FakeGrants.ts"
import { FakeTokens } from "../fakes/FakeUpstreamTokens.ts"
import { answer, ask, call, cancelledAt, envelope, got, kinds, rowCount, testModern, toolCall } from "../fakes/TestModern.ts"
import { messagesOf, open, request, responseTo, use } from "../fakes/TestSessions.ts"

const [anna, annaAgain, ben] = [fakeGrant("1"), fakeGrant("1", "client", 2), fakeGrant("2")]
const settled = TestClock.adjust(0)
const list = envelope("tools/list")

describe("the child of a grant", () => {
  it.effect("serves many requests at once, is told of no capabilities, and is shared with nobody", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      yield* Effect.forEach([1, 2, 3, 4], (id) => ask(anna, envelope("tools/list", { id })), { concurrency: "unbounded" })
      yield* ask(annaAgain, list)
      yield* ask(ben, list)
      assert.deepStrictEqual(play.children.map(({ token }) => token), ["token-1", "token-1", "token-2"])
      const [told] = got(play.children[0], "initialize")
      assert.deepInclude(told?.params, { protocolVersion: "2025-11-25", capabilities: {} })
      assert.strictEqual(got(play.children[0], "notifications/initialized").length, 1)
      assert.deepStrictEqual(play.children.map((child) => got(child, "tools/list").length), [4, 1, 1])
      assert.deepStrictEqual(yield* kinds, ["modern", "modern", "modern"])
      assert.strictEqual(yield* rowCount, 0)
    }).pipe(Effect.provide(testModern())))

  it.effect("gets ids and progress tokens of ours; equal ones of two callers stay apart", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const params = { _meta: { progressToken: "p", traceparent: "t" } }
      const [first, second] = [yield* call(anna, toolCall(1, { id: "x", params })), yield* call(anna, toolCall(2, { id: "x", params }))]
      const [child] = play.children
      const [a, b] = got(child)
      const tokens = [a, b].map((line) => (line?.params as typeof params)._meta)
      assert.notStrictEqual(a?.id, b?.id)
      assert.notStrictEqual(tokens[0]?.progressToken, tokens[1]?.progressToken)
      assert.strictEqual(tokens[0]?.traceparent, "t")
      child?.emit({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: tokens[1]?.progressToken, progress: 1 } })
      answer(child, b, { content: [], nonce: 2 })
      answer(child, a, { content: [], nonce: 1 })
      const [heard, heardToo] = [yield* messagesOf(first), yield* messagesOf(second)]
      assert.deepStrictEqual(heard.map(({ id, result }) => [id, (result as { nonce: number }).nonce]), [["x", 1]])
      assert.deepStrictEqual(heardToo.map(({ id, params }) => [id, params]), [[undefined, { progressToken: "p", progress: 1 }], ["x", undefined]])
      assert.deepInclude(heard[0]?.["result"], { resultType: "complete", _meta: { "io.modelcontextprotocol/serverInfo": { name: "fake", version: "1" } } })
    }).pipe(Effect.provide(testModern())))

  it.effect("hears of a request whose client has gone, and of that one only; of none that has its answer", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const calls = yield* Effect.forEach([1, 2, 3], (n) => call(anna, toolCall(n)))
      const [child] = play.children
      const [a, b, c] = got(child)
      yield* calls[1]?.cancel ?? Effect.void
      yield* calls[1]?.cancel ?? Effect.void
      assert.deepStrictEqual(cancelledAt(child), [b?.id])
      answer(child, a)
      answer(child, c)
      yield* settled
      for (const at of [0, 2]) {
        yield* calls[at]?.cancel ?? Effect.void
        assert.property(calls[at] === undefined ? {} : yield* responseTo(calls[at]), "result")
      }
      assert.deepStrictEqual(cancelledAt(child), [b?.id])
    }).pipe(Effect.provide(testModern())))

  it.effect("is not waited for by a client that goes while it comes up, and is there for the next one", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.mode = "silent"
      const asking = yield* Effect.fork(call(anna, list))
      yield* settled
      yield* Fiber.interrupt(asking)
      const [child] = play.children
      child?.comeUp()
      assert.property(yield* ask(anna, list), "result")
      assert.deepStrictEqual([play.children.length, got(child, "tools/list").length], [1, 1])
    }).pipe(Effect.provide(testModern())))

  it.effect("is told of a client that goes while the child is being written to", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      yield* ask(anna, toolCall(0))
      play.answers = false
      const latch = yield* Effect.makeLatch(false)
      play.pipe = latch.await
      const asking = yield* Effect.fork(call(anna, toolCall(1)))
      yield* settled
      yield* Fiber.interruptFork(asking)
      yield* settled
      yield* latch.open
      yield* Fiber.await(asking)
      const [child] = play.children
      assert.deepStrictEqual(cancelledAt(child), [got(child)[1]?.id])
    }).pipe(Effect.provide(testModern())))

  it.effect("that ended between requests is followed by another; what was in flight gets an error", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      yield* ask(anna, list)
      play.answers = false
      const lost = yield* call(anna, toolCall(1, { id: "lost" }))
      play.children[0]?.crash()
      const told = yield* responseTo(lost)
      assert.deepInclude(told, { id: "lost" })
      assert.deepInclude(told["error"], { code: -32603 })
      play.answers = true
      yield* Effect.repeatN(Effect.zipRight(Effect.tap(ask(anna, list), (answer) => assert.property(answer, "result")), Effect.sync(() => play.children.at(-1)?.crash())), 4)
      assert.strictEqual(yield* rowCount, 0)
    }).pipe(Effect.provide(testModern())))

  it.effect("goes when it is idle, and its slot with it", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      yield* ask(anna, list)
      yield* TestClock.adjust("14 minutes")
      assert.strictEqual(living(play), 1)
      yield* TestClock.adjust("61 seconds")
      assert.deepStrictEqual([living(play), yield* sessions.size], [0, 0])
      assert.property(yield* ask(anna, list), "result")
    }).pipe(Effect.provide(testModern())))

  it.effect("is not awaited longer than a call may take", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const slow = yield* call(anna, toolCall(1))
      yield* TestClock.adjust("5 minutes")
      assert.property(yield* responseTo(slow), "error")
      assert.deepStrictEqual(cancelledAt(play.children[0]), [got(play.children[0])[0]?.id])
    }).pipe(Effect.provide(testModern())))
})

describe("slots", () => {
  it.effect("one is taken by the child; with all at work the next grant gets none", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      yield* call(anna, toolCall(1))
      assert.deepInclude(yield* Effect.flip(call(annaAgain, toolCall(1))), { _tag: "SessionsFull", cap: "user" })
      play.answers = true
      yield* ask(ben, list)
      assert.deepStrictEqual(play.children.map(({ alive }) => alive), [true, true])
    }).pipe(Effect.provide(testModern({ maxSessionsPerUser: 1 }))))

  it.effect("an idle child gives its own to another, of either era, and takes one back; nobody pays for it twice", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      yield* ask(anna, list)
      yield* TestClock.adjust("1 second")
      const session = yield* open(ben)
      assert.deepStrictEqual(yield* kinds, ["client"])
      yield* TestClock.adjust("1 second")
      yield* ask(anna, list)
      assert.deepStrictEqual(yield* kinds, ["modern"])
      yield* TestClock.adjust("1 second")
      yield* use(session)
      assert.deepStrictEqual([yield* kinds, living(play), play.children.length], [["client"], 1, 4])
    }).pipe(Effect.provide(testModern({ maxSessions: 1 }))))

  it.effect("a call that comes in the moment of a crash costs one start more, and not two", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      yield* ask(anna, list)
      play.children[0]?.crash()
      // Two starts are what the user has in this minute: a third would be refused.
      assert.property(yield* ask(anna, list), "result")
      assert.strictEqual(play.children.length, 2)
    }).pipe(Effect.provide(testModern({ maxStartsPerMinute: 2 }))))
})

describe("calls of one grant", () => {
  it.effect("are as many at once as a session may have; one more is refused, and another grant has its own", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.results.clear()
      play.answers = false
      const list = (id: number) => call(anna, envelope("resources/list", { id }))
      yield* list(1)
      const second = yield* list(2)
      assert.deepInclude(yield* Effect.flip(list(3)), { _tag: "SessionBusy", limit: 2 })
      yield* call(annaAgain, envelope("resources/list"))
      yield* second.cancel
      yield* list(4)
    }).pipe(Effect.provide(testModern({ maxCallsPerSession: 2 }))))
})

describe("beside the sessions of the other era", () => {
  it.effect("a request without a session id finds none of these children", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      yield* ask(anna, list)
      const { opened } = yield* sessions.callDefault(anna, "2025-03-26", request("tools/list", 1), { isStreamed: true })
      assert.isDefined(opened)
      assert.deepStrictEqual([play.children.length, yield* kinds], [2, ["broker", "modern"]])
      yield* open(anna)
      yield* sessions.callDefault(anna, "2025-03-26", request("tools/list", 1), { isStreamed: true })
      yield* settled
      assert.isTrue(play.children[0]?.alive, "what a client's own session supersedes are sessions")
      assert.isFalse(yield* sessions.respondDefault(anna, { _tag: "Response", id: "x", body: { result: {} } }))
    }).pipe(Effect.provide(testModern())))
})

describe("a rotation", () => {
  it.effect("replaces the child under a call, which finishes on the old one", () =>
    Effect.gen(function*() {
      const tokens = yield* FakeTokens
      tokens.expiresAt = 10 * 60_000
      tokens.staleAt = 5 * 60_000
      const play = yield* FakeChildren
      yield* TestClock.adjust("1 minute")
      play.answers = false
      const calling = yield* call(anna, toolCall(1))
      yield* TestClock.adjust("230 seconds")
      tokens.serial++
      tokens.expiresAt = tokens.staleAt = 100_000 * 60_000
      yield* TestClock.adjust("45 seconds")
      assert.deepStrictEqual(play.children.map(({ alive, token }) => [alive, token]), [[true, "token-1"], [true, "token-1-2"]])
      const next = yield* call(anna, toolCall(2))
      answer(play.children[1], got(play.children[1])[0])
      assert.property(yield* responseTo(next), "result")
      answer(play.children[0], got(play.children[0])[0])
      assert.property(yield* responseTo(calling), "result")
      yield* settled
      assert.deepStrictEqual(play.children.map(({ alive }) => alive), [false, true])
    }).pipe(Effect.provide(testModern())))
})

describe("the end of a grant", () => {
  it.effect("gives its calls up and stops its child at once, and no other", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const [mine, other] = [yield* call(anna, toolCall(1)), yield* call(annaAgain, toolCall(1))]
      yield* (yield* FakeGrants).revoke(anna)
      assert.property(yield* responseTo(mine), "error")
      yield* settled
      assert.deepStrictEqual(play.children.map(({ alive, killed }) => [alive, killed]), [[false, true], [true, false]])
      answer(play.children[1], got(play.children[1])[0])
      assert.property(yield* responseTo(other), "result")
    }).pipe(Effect.provide(testModern())))

  it.effect("reaches a request whose child just comes up, and starts no other for it", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.mode = "silent"
      const asking = yield* Effect.fork(Effect.flip(call(anna, list)))
      yield* settled
      yield* (yield* FakeGrants).revoke(anna)
      assert.strictEqual((yield* Fiber.join(asking))._tag, "GrantOver")
      yield* settled
      assert.deepStrictEqual([play.children.length, living(play)], [1, 0])
    }).pipe(Effect.provide(testModern())))
})

describe("when the daemon stops", () => {
  it.effect("calls get an answer, the child goes, and nobody gets another one", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const calling = yield* call(anna, toolCall(1))
      yield* (yield* Sessions).parkAll
      assert.property(yield* responseTo(calling), "error")
      yield* settled
      assert.strictEqual(living(play), 0)
      for (const grant of [anna, ben]) assert.strictEqual((yield* Effect.flip(call(grant, list)))._tag, "Restarting")
    }).pipe(Effect.provide(testModern())))
})
