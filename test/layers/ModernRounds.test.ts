import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, TestClock } from "effect"
import type { FakeChild } from "../fakes/FakeChildren.ts"
import { FakeChildren } from "../fakes/FakeChildren.ts"
import { fakeGrant } from "../fakes/FakeGrants.ts"
import type { Parts } from "../fakes/TestModern.ts"
import { accept, answer, answersAt, ask, bothEras, call, cancelledAt, envelope, form, got, kinds, question, roundOf, testInteractive, toolCall } from "../fakes/TestModern.ts"
import { messagesOf, responseTo, sessionsWorld } from "../fakes/TestSessions.ts"

const [anna, annaAgain, ben] = [fakeGrant("1"), fakeGrant("1", "client", 2), fakeGrant("2")]
const settled = TestClock.adjust(0)
const can = { capabilities: form }

/** A call whose child has asked one question, `q`, and the round that the client has got. */
const asked = (parts: Parts = {}) =>
  Effect.gen(function*() {
    const play = yield* FakeChildren
    play.answers = false
    const calling = yield* call(anna, toolCall(1, { ...can, ...parts }))
    const child = play.children.at(-1)
    child?.emit(question("q"))
    const round = yield* roundOf(calling)
    const retry = (more: Parts = {}) => toolCall(1, { ...can, id: 2, requestState: round.requestState, inputResponses: { [round.keys[0] ?? ""]: accept({ a: 1 }) }, ...more })
    return { child, round, retry, answerCall: (result = { content: [] }) => answer(child, got(child)[0], result) }
  })
const codeOf = ({ error }: Record<string, unknown>) => (error as { readonly code: number } | undefined)?.code
const refusalOf = (grant: typeof anna, asked: ReturnType<typeof envelope>) => Effect.map(Effect.flip(call(grant, asked)), (error) => error._tag === "ModernRefusal" ? error.refused.code : error._tag)
const isOpen = (child: FakeChild | undefined) => {
  assert.deepStrictEqual([answersAt(child), cancelledAt(child)], [[], []])
}

describe("questions of a child", () => {
  it.effect("that come together make one round; its answers reach the child, and the retry gets the result", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const calling = yield* call(anna, toolCall(1, { ...can, id: "first" }))
      const child = play.children.at(-1)
      child?.emit(question("a", "one?"))
      yield* TestClock.adjust("10 millis")
      child?.emit(question("b", "two?"))
      const { id, inputRequests, keys, requestState, resultType } = yield* roundOf(calling)
      assert.deepStrictEqual([id, resultType, keys], ["first", "input_required", ["elicitation_1", "elicitation_2"]])
      assert.deepStrictEqual(inputRequests["elicitation_1"], { method: "elicitation/create", params: question("a", "one?").params })
      const retrying = yield* call(anna, toolCall(1, { ...can, id: "second", requestState, inputResponses: { elicitation_1: accept({ n: 1 }), elicitation_2: { action: "decline" } } }))
      assert.deepStrictEqual(answersAt(child), [["a", accept({ n: 1 })], ["b", { action: "decline" }]])
      answer(child, got(child)[0], { content: [], nonce: 7 })
      assert.deepInclude(yield* responseTo(retrying), { id: "second" })
      assert.strictEqual(got(child).length, 1, "the child has got one call")
    }).pipe(Effect.provide(testInteractive())))

  it.effect("that come later make a round of their own, with a state of its own", () =>
    Effect.gen(function*() {
      const { answerCall, child, retry, round } = yield* asked()
      const second = yield* call(anna, retry())
      child?.emit(question("r"))
      const next = yield* roundOf(second)
      assert.notStrictEqual(next.requestState, round.requestState)
      const last = yield* call(anna, retry({ id: 3, requestState: next.requestState }))
      answerCall()
      assert.deepInclude(yield* responseTo(last), { id: 3 })
    }).pipe(Effect.provide(testInteractive())))

  it.effect("without a proper answer are asked again, with a new state", () =>
    Effect.gen(function*() {
      const { child, retry, round } = yield* asked()
      let state = round.requestState
      for (const inputResponses of [undefined, {}, { other: accept() }, { elicitation_1: { action: "perhaps" } }, { elicitation_1: null }]) {
        const again = yield* roundOf(yield* call(anna, retry({ requestState: state, inputResponses })))
        assert.deepStrictEqual(again.keys, round.keys)
        assert.notStrictEqual(again.requestState, state)
        state = again.requestState
      }
      isOpen(child)
      yield* call(anna, retry({ requestState: state }))
      assert.deepStrictEqual(answersAt(child), [["q", accept({ a: 1 })]])
    }).pipe(Effect.provide(testInteractive())))

  it.effect("are answered at once where the request brought the answer along, by its key", () =>
    Effect.gen(function*() {
      const { child, round } = yield* asked({ inputResponses: { elicitation_2: accept({ b: 2 }) } })
      assert.deepStrictEqual(round.keys, ["elicitation_1"])
      child?.emit(question("second"))
      yield* settled
      assert.deepStrictEqual(answersAt(child), [["second", accept({ b: 2 })]])
    }).pipe(Effect.provide(testInteractive())))

  it.effect("for what the request has not declared are refused, and the client is told by the child's own error", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const calling = yield* call(anna, toolCall(1))
      const child = play.children.at(-1)
      child?.emit(question("q"))
      yield* settled
      const [sent] = (child?.received ?? []).filter(({ error }) => error !== undefined)
      assert.deepInclude(sent?.error, { code: -32021, data: { requiredCapabilities: { elicitation: {} } } })
      child?.emit({ jsonrpc: "2.0", id: got(child)[0]?.id, error: sent?.error })
      assert.strictEqual(codeOf(yield* responseTo(calling)), -32021)
      assert.strictEqual(calling.status(), 400)
    }).pipe(Effect.provide(testInteractive())))

  it.effect("that are open and that a retry has not declared are refused: no question goes to a client that did not say it takes it", () =>
    Effect.gen(function*() {
      const { answerCall, child, retry } = yield* asked()
      const retrying = yield* call(anna, retry({ capabilities: { sampling: {} }, inputResponses: {} }))
      assert.deepStrictEqual(answersAt(child), [["q", -32021]])
      yield* TestClock.adjust("1 second")
      answerCall()
      const messages = yield* messagesOf(retrying)
      assert.deepStrictEqual(messages.map(({ id, result }) => [id, (result as { readonly resultType: string }).resultType]), [[2, "complete"]])
    }).pipe(Effect.provide(testInteractive())))

  it.effect("that the child takes back are not asked; of an open round the retry waits for the result", () =>
    Effect.gen(function*() {
      const { answerCall, child, retry, round } = yield* asked()
      const takeBack = (requestId: string) => child?.emit({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId } })
      takeBack("q")
      yield* settled
      const retrying = yield* call(anna, retry())
      child?.emit(question("r"))
      takeBack("r")
      yield* TestClock.adjust("1 second")
      answerCall()
      assert.deepStrictEqual([(yield* messagesOf(retrying)).length, answersAt(child), round.keys.length], [1, [], 1])
    }).pipe(Effect.provide(testInteractive())))
})

describe("a state", () => {
  it.effect("is good for one retry", () =>
    Effect.gen(function*() {
      const { answerCall, child, retry } = yield* asked()
      const both = yield* Effect.forEach([1, 2], (id) => Effect.either(call(anna, retry({ id }))), { concurrency: "unbounded" })
      assert.deepStrictEqual(both.map(({ _tag }) => _tag).sort(), ["Left", "Right"])
      assert.strictEqual(yield* refusalOf(anna, retry()), -32602)
      assert.deepStrictEqual(answersAt(child), [["q", accept({ a: 1 })]])
      const [taken] = both.flatMap((one) => one._tag === "Right" ? [one.right] : [])
      answerCall()
      assert.property(taken === undefined ? {} : yield* responseTo(taken), "result")
    }).pipe(Effect.provide(testInteractive())))

  it.effect("fits no other grant, method or parameters, and none that was changed; the call is as it was", () =>
    Effect.gen(function*() {
      const { answerCall, child, retry, round } = yield* asked()
      const state = round.requestState ?? ""
      const { inputResponses } = retry()
      const wrong: ReadonlyArray<readonly [typeof anna, ReturnType<typeof envelope>]> = [
        [annaAgain, retry()],
        [ben, retry()],
        [anna, toolCall(2, { ...can, requestState: state, inputResponses })],
        [anna, envelope("prompts/get", { ...can, params: { name: "work", arguments: { n: 1 } }, requestState: state, inputResponses })],
        [anna, envelope("tools/list", { requestState: state })],
        ...["", "x", state.slice(1), `${state}A`, `${state[0] === "A" ? "B" : "A"}${state.slice(1)}`, null, 7, {}].map((requestState) => [anna, retry({ requestState })] as const)
      ]
      for (const [grant, request] of wrong) assert.strictEqual(yield* refusalOf(grant, request), -32602)
      // Nor with answers that are none.
      for (const inputResponses of [null, [], "x"]) assert.strictEqual(yield* refusalOf(anna, retry({ inputResponses })), -32602)
      isOpen(child)
      const right = yield* call(anna, retry())
      answerCall()
      assert.property(yield* responseTo(right), "result")
    }).pipe(Effect.provide(testInteractive())))

  it.effect("that nobody comes back with expires: the child is told, and its slot is free", () =>
    Effect.gen(function*() {
      const { child, retry } = yield* asked()
      yield* TestClock.adjust("299 seconds")
      isOpen(child)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(cancelledAt(child), [got(child)[0]?.id])
      assert.strictEqual(yield* refusalOf(anna, retry()), -32602)
      yield* settled
      assert.notInclude(yield* kinds, "exclusive")
    }).pipe(Effect.provide(testInteractive())))

  it.effect("outlives its call, which may take only so long whoever answers: the child is told, and the retry hears why", () =>
    Effect.gen(function*() {
      const { child, retry } = yield* asked()
      yield* TestClock.adjust("4 minutes")
      const second = yield* call(anna, retry())
      child?.emit(question("r"))
      const { requestState } = yield* roundOf(second)
      yield* TestClock.adjust("3 minutes")
      assert.deepStrictEqual(cancelledAt(child), [got(child)[0]?.id])
      assert.strictEqual(codeOf(yield* ask(anna, retry({ requestState }))), -32603)
      assert.deepStrictEqual(answersAt(child), [["q", accept({ a: 1 })], ["r", -32603]])
    }).pipe(Effect.provide(testInteractive({ callTimeoutMax: Duration.minutes(6) }))))

  it.effect("means nothing to the next run of the broker", () =>
    Effect.gen(function*() {
      ;(yield* FakeChildren).results.set("tools/list", () => ({ tools: [] }))
      const { retry } = yield* Effect.provide(asked(), bothEras)
      assert.strictEqual(yield* Effect.provide(refusalOf(anna, retry()), bothEras), -32602)
    }).pipe(Effect.provide(sessionsWorld({ childPreset: "custom", childInteractive: true }))))

  it.effect("leads to the result that has come meanwhile, or to the error", () =>
    Effect.gen(function*() {
      const { answerCall, retry } = yield* asked()
      answerCall()
      yield* settled
      assert.property(yield* ask(anna, retry()), "result")
      const other = yield* asked()
      other.child?.crash()
      yield* settled
      assert.strictEqual(codeOf(yield* ask(anna, other.retry())), -32603)
    }).pipe(Effect.provide(testInteractive())))
})

describe("a client that goes", () => {
  it.effect("while questions are gathered has cancelled; with the round in its hands it has not", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const gone = yield* call(anna, toolCall(1, can))
      play.children.at(-1)?.emit(question("q"))
      yield* settled
      yield* gone.cancel
      assert.strictEqual(cancelledAt(play.children.at(-1)).length, 1)
      yield* TestClock.adjust("1 second")
      const kept = yield* call(anna, toolCall(2, can))
      const child = play.children.at(-1)
      child?.emit(question("q"))
      yield* roundOf(kept)
      yield* kept.cancel
      isOpen(child)
    }).pipe(Effect.provide(testInteractive())))

  it.effect("with its retry has cancelled; the request before it cannot any more", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const first = yield* call(anna, toolCall(1, can))
      const child = play.children.at(-1)
      child?.emit(question("q"))
      const { requestState } = yield* roundOf(first)
      const second = yield* call(anna, toolCall(1, { ...can, requestState, inputResponses: { elicitation_1: accept() } }))
      yield* first.cancel
      assert.deepStrictEqual(cancelledAt(child), [])
      yield* second.cancel
      assert.strictEqual(cancelledAt(child).length, 1)
    }).pipe(Effect.provide(testInteractive())))
})

describe("progress", () => {
  it.effect("has the token of the request that waits", () =>
    Effect.gen(function*() {
      const { answerCall, child, retry } = yield* asked({ params: { _meta: { progressToken: "one" } } })
      const progress = (n: number) => child?.emit({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: got(child)[0]?.id, progress: n } })
      progress(1)
      yield* settled
      const retrying = yield* call(anna, retry({ params: { _meta: { progressToken: "two" } } }))
      progress(2)
      answerCall()
      assert.deepStrictEqual((yield* messagesOf(retrying)).map(({ params }) => params), [{ progressToken: "two", progress: 2 }, undefined])
    }).pipe(Effect.provide(testInteractive())))
})

describe("a child's error that wants URLs visited (-32042)", () => {
  const visit = { mode: "url", message: "sign in", url: "https://example.org", elicitationId: "e" }
  const failing = (capabilities: Parts["capabilities"]) =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const calling = yield* call(anna, toolCall(1, { capabilities: capabilities ?? {} }))
      const child = play.children.at(-1)
      child?.emit({ jsonrpc: "2.0", id: got(child)[0]?.id, error: { code: -32042, message: "visit", data: { elicitations: [visit] } } })
      return { calling, told: yield* responseTo(calling) }
    })

  it.effect("is a round without a state, for the call is made anew", () =>
    Effect.gen(function*() {
      const { told } = yield* failing({ elicitation: { url: {} } })
      assert.deepInclude(told["result"], {
        resultType: "input_required",
        inputRequests: { elicitation_1: { method: "elicitation/create", params: { mode: "url", message: "sign in", url: "https://example.org" } } }
      })
      assert.notProperty(told["result"], "requestState")
    }).pipe(Effect.provide(testInteractive())))

  it.effect("is -32021 where the request has not declared that", () =>
    Effect.gen(function*() {
      const { calling, told } = yield* failing({ elicitation: {} })
      assert.strictEqual(codeOf(told), -32021)
      assert.strictEqual(calling.status(), 400)
    }).pipe(Effect.provide(testInteractive())))
})
