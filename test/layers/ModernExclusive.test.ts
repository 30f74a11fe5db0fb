import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { ModernCalls } from "../../src/services/ModernCalls.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { FakeChildren, living } from "../fakes/FakeChildren.ts"
import { FakeGrants, fakeGrant } from "../fakes/FakeGrants.ts"
import { accept, answer, answersAt, ask, call, cancelledAt, envelope, filter, form, got, kinds, question, roundOf, rowCount, testInteractive, toolCall } from "../fakes/TestModern.ts"
import { messagesOf, responseTo } from "../fakes/TestSessions.ts"

const [anna, annaAgain] = [fakeGrant("1"), fakeGrant("1", "client", 2)]
const settled = TestClock.adjust(0)
/** Children that a call has had to itself, oldest first. */
const exclusive = Effect.map(FakeChildren, ({ children }) => children.filter((child) => got(child, "initialize").some(({ params }) => "sampling" in (params as { readonly capabilities: object }).capabilities)))

describe("a child that may ask", () => {
  it.effect("has one call at a time; two are kept of those that have none, and are used again", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const calls = yield* Effect.forEach([1, 2, 3, 4], (n) => call(anna, toolCall(n)), { concurrency: "unbounded" })
      const first = yield* exclusive
      assert.deepStrictEqual(first.map((child) => got(child).length), [1, 1, 1, 1])
      for (const child of first) answer(child, got(child)[0])
      yield* Effect.forEach(calls, responseTo)
      yield* settled
      assert.deepStrictEqual(yield* kinds, ["exclusive", "exclusive", "modern"])
      play.answers = true
      yield* ask(anna, toolCall(5))
      yield* ask(annaAgain, toolCall(6))
      const all = yield* exclusive
      assert.deepStrictEqual([all.length, all.at(-1)?.received.filter(({ method }) => method === "tools/call").length], [5, 1])
      assert.strictEqual(yield* rowCount, 0)
    }).pipe(Effect.provide(testInteractive())))

  it.effect("serves only what may ask; all else goes to the one that is told of no capabilities", () =>
    Effect.gen(function*() {
      yield* ask(anna, envelope("resources/list"))
      assert.deepStrictEqual(yield* kinds, ["modern"])
      yield* ask(anna, envelope("prompts/get", { params: { name: "p" } }))
      yield* ask(anna, envelope("resources/read", { params: { uri: "x:y" } }))
      assert.deepStrictEqual([yield* kinds, (yield* exclusive).length], [["exclusive", "modern"], 1])
    }).pipe(Effect.provide(testInteractive())))

  it.effect("is not used again once a call was given up that it may be at still: it could ask the next one's client", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const gone = yield* call(anna, toolCall(1))
      yield* gone.cancel
      const [first] = yield* exclusive
      assert.deepStrictEqual(cancelledAt(first), [got(first)[0]?.id])
      const late = yield* call(anna, toolCall(2))
      const second = (yield* exclusive)[1]
      yield* TestClock.adjust("5 minutes")
      assert.property(yield* responseTo(late), "error")
      yield* settled
      assert.deepStrictEqual([first?.alive, second?.alive], [false, false])
      assert.notInclude(yield* kinds, "exclusive")
    }).pipe(Effect.provide(testInteractive())))

  it.effect("may ask what nests too deep to be passed on: it hears so, and its call goes on", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const calling = yield* call(anna, toolCall(1, { capabilities: form }))
      const [child] = yield* exclusive
      const deep = `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`
      child?.emit(`{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"?","requestedSchema":${deep}}}`)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([answersAt(child), cancelledAt(child)], [[["q", -32603]], []])
      answer(child, got(child)[0])
      assert.deepInclude((yield* responseTo(calling))["result"], { resultType: "complete" })
    }).pipe(Effect.provide(testInteractive())))

  it.effect("hears that nobody answers what it has asked when it answers the call first, and is used again", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      for (const [n, isRound] of [[1, false], [2, true]] as const) {
        const calling = yield* call(anna, toolCall(n, { capabilities: form }))
        const [child, ...others] = yield* exclusive
        assert.deepStrictEqual(others, [])
        child?.emit(question(n))
        if (isRound) yield* roundOf(calling)
        answer(child, got(child).at(-1))
        yield* TestClock.adjust("1 second")
        if (!isRound) assert.deepInclude((yield* responseTo(calling))["result"], { resultType: "complete" })
        assert.deepStrictEqual(answersAt(child).at(-1), [n, -32603])
      }
      yield* call(anna, toolCall(3))
      assert.deepStrictEqual((yield* exclusive).map((child) => got(child).length), [3])
    }).pipe(Effect.provide(testInteractive())))

  it.effect("and comes up for calls that have been given up meanwhile is one of two at most that are kept", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.mode = "silent"
      const prompt = envelope("prompts/get", { params: { name: "p" } })
      const asking = yield* Effect.forEach([1, 2, 3, 4], () => Effect.fork(call(anna, prompt)))
      yield* settled
      yield* Fiber.interruptAll(asking)
      assert.strictEqual(play.children.length, 4)
      for (const child of play.children) child.comeUp()
      yield* settled
      assert.deepStrictEqual([yield* kinds, living(play)], [["exclusive", "exclusive"], 2])
      assert.property(yield* ask(anna, prompt), "result")
      assert.strictEqual(play.children.length, 4)
    }).pipe(Effect.provide(testInteractive())))

  it.effect("goes with its grant, whose open round is over", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const calling = yield* call(anna, toolCall(1, { capabilities: form }))
      const [child] = yield* exclusive
      child?.emit(question("q"))
      const { keys, requestState } = yield* roundOf(calling)
      yield* (yield* FakeGrants).revoke(anna)
      yield* settled
      assert.deepStrictEqual([living(play), yield* (yield* Sessions).size], [0, 0])
      const retried = yield* ask(anna, toolCall(1, { capabilities: form, requestState, inputResponses: { [keys[0] ?? ""]: accept() } }))
      assert.property(retried, "error")
      assert.deepStrictEqual(answersAt(child), [["q", -32603]], "it hears that nobody will answer")
    }).pipe(Effect.provide(testInteractive())))

  it.effect("with all slots at work in open rounds there is none for others", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const calling = yield* call(anna, toolCall(1, { capabilities: form }))
      ;(yield* exclusive)[0]?.emit(question("q"))
      yield* roundOf(calling)
      assert.strictEqual((yield* Effect.flip(call(annaAgain, toolCall(1))))._tag, "SessionsFull")
    }).pipe(Effect.provide(testInteractive({ maxSessionsPerUser: 1 }))))
})

describe("a stateful program", () => {
  it.scoped("keeps its shared child for a listen stream, and none that has a call to itself", () =>
    Effect.gen(function*() {
      yield* (yield* ModernCalls).listen(anna, 1, filter())
      yield* ask(anna, toolCall(1))
      assert.deepStrictEqual(yield* kinds, ["exclusive", "modern"])
      yield* TestClock.adjust("16 minutes")
      assert.deepStrictEqual(yield* kinds, ["modern"])
      yield* TestClock.adjust("4 hours")
      assert.deepStrictEqual(yield* kinds, [])
    }).pipe(Effect.provide(testInteractive({ childStateful: true }))))
})

describe("log messages of a child that has one call", () => {
  it.effect("reach the request that asks for them, from its level on; progress has the token of the request", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      play.server = { ...play.server, capabilities: { tools: {}, logging: {} } }
      const quiet = yield* call(anna, toolCall(1))
      const loud = yield* call(anna, toolCall(2, { logLevel: "warning", params: { _meta: { progressToken: 5 } } }))
      const children = yield* exclusive
      assert.deepStrictEqual(children.map((child) => got(child, "logging/setLevel").map(({ params }) => params)), [[{ level: "debug" }], [{ level: "debug" }]])
      for (const child of children) {
        const [line] = got(child)
        for (const level of ["info", "warning", "error"]) child.emit({ jsonrpc: "2.0", method: "notifications/message", params: { level, data: level } })
        child.emit({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: line?.id, progress: 1 } })
        answer(child, line)
      }
      assert.deepStrictEqual((yield* messagesOf(quiet)).map(({ method }) => method), [undefined])
      assert.deepStrictEqual((yield* messagesOf(loud)).map(({ params }) => params), [{ level: "warning", data: "warning" }, { level: "error", data: "error" }, { progressToken: 5, progress: 1 }, undefined])
    }).pipe(Effect.provide(testInteractive())))

  it.effect("of one with several go nowhere: nobody knows whose they are", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const calling = yield* call(anna, toolCall(1, { logLevel: "debug" }))
      play.children[0]?.emit({ jsonrpc: "2.0", method: "notifications/message", params: { level: "error", data: "x" } })
      answer(play.children[0], got(play.children[0])[0])
      assert.strictEqual((yield* messagesOf(calling)).length, 1)
    }).pipe(Effect.provide(testInteractive({ childInteractive: false }))))
})
