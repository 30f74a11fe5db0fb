import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Logger, LogLevel, TestClock, TestContext } from "effect"
import type { JsonObject } from "../../src/domain/JsonRpc.ts"
import type { Grant } from "../../src/services/Grants.ts"
import type { ModernCall } from "../../src/services/ModernCalls.ts"
import { gatherQuestions } from "../../src/services/Schedules.ts"
import type { FakeChild } from "../fakes/FakeChildren.ts"
import { FakeChildren } from "../fakes/FakeChildren.ts"
import { fakeGrant } from "../fakes/FakeGrants.ts"
import { FakeTokens } from "../fakes/FakeUpstreamTokens.ts"
import { accept, answer, answersAt, call, cancelledAt, form, got, question, roundOf, testInteractive, toolCall } from "../fakes/TestModern.ts"
import { responseTo } from "../fakes/TestSessions.ts"

const [anna, annaAgain, ben] = [fakeGrant("1"), fakeGrant("1", "client", 2), fakeGrant("2")]
const grants = [anna, annaAgain, ben]
const can = { capabilities: form }

describe("a rotation while a round is open", () => {
  it.effect("leaves the round to the old child, and gives new calls the next one", () =>
    Effect.gen(function*() {
      const tokens = yield* FakeTokens
      tokens.expiresAt = 10 * 60_000
      tokens.staleAt = 5 * 60_000
      const play = yield* FakeChildren
      play.answers = false
      yield* TestClock.adjust("2 minutes")
      const first = yield* call(anna, toolCall(1, can))
      const old = play.children.at(-1)
      old?.emit(question("q"))
      const { requestState } = yield* roundOf(first)
      yield* TestClock.adjust("170 seconds")
      tokens.serial++
      tokens.expiresAt = tokens.staleAt = 100_000 * 60_000
      yield* TestClock.adjust("45 seconds")
      const next = play.children.at(-1)
      assert.deepStrictEqual([old?.alive, old?.token, next?.token], [true, "token-1", "token-1-2"])
      const retrying = yield* call(anna, toolCall(1, { ...can, requestState, inputResponses: { elicitation_1: accept() } }))
      assert.deepStrictEqual([answersAt(old), answersAt(next)], [[["q", accept()]], []])
      answer(old, got(old)[0])
      assert.property(yield* responseTo(retrying), "result")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([old?.alive, next?.alive], [false, true])
      yield* call(anna, toolCall(2, can))
      assert.strictEqual(got(next).length, 1)
    }).pipe(Effect.provide(testInteractive())))
})

/** One call as its client and its child know it. */
interface Talk {
  readonly n: number
  readonly grant: Grant
  readonly child: FakeChild
  waiting: ModernCall | undefined
  state: string | undefined
  /** Questions in the round that the client has, or is just to get. */
  asked: number
  answered: number
  isOver: boolean
}

type Step =
  | { readonly what: "call"; readonly grant: number }
  | { readonly what: "ask" | "answer" | "finish" | "steal" | "go" | "take back"; readonly talk: number; readonly by: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ what: fc.constant("call" as const), grant: fc.constantFrom(0, 0, 0, 1, 2) }),
  fc.record({ what: fc.constantFrom("ask" as const, "ask" as const, "answer" as const, "steal" as const, "steal" as const, "finish" as const, "go" as const, "take back" as const), talk: fc.nat(3), by: fc.nat(3) })
)

/** Everything is asked under the same id, and answered by content that names the call. */
const run = (steps: ReadonlyArray<Step>) =>
  Effect.gen(function*() {
    const play = yield* FakeChildren
    play.answers = false
    const talks: Array<Talk> = []
    const expected = new Map<FakeChild, Array<unknown>>()
    const retryOf = (talk: Talk, state: string | undefined, of: Talk = talk) =>
      toolCall(talk.n, { ...can, requestState: state, inputResponses: { elicitation_1: accept({ of: of.n }) } })
    const isWrong = (grant: Grant, request: ReturnType<typeof toolCall>) => Effect.map(Effect.either(call(grant, request)), ({ _tag }) => assert.strictEqual(_tag, "Left"))

    for (const each of steps) {
      if (each.what === "call") {
        const grant = grants[each.grant] ?? anna
        const n = talks.length
        const waiting = yield* call(grant, toolCall(n, can))
        const holders = play.children.filter((child) => got(child).some(({ params }) => ((params as JsonObject)["arguments"] as JsonObject)["n"] === n))
        assert.strictEqual(holders.length, 1)
        const [child] = holders
        if (child === undefined) continue
        assert.isFalse(talks.some((other) => other.child === child && !other.isOver), "no child has two calls")
        assert.isFalse(talks.some((other) => other.child === child && other.grant !== grant), "no child has two grants")
        talks.push({ n, grant, child, waiting, state: undefined, asked: 0, answered: 0, isOver: false })
        continue
      }
      const talk = talks[each.talk]
      if (talk === undefined || talk.isOver) continue
      if (each.what === "ask" && talk.waiting !== undefined && talk.asked === 0) {
        talk.child.emit(question("q"))
        const { id, keys, requestState, resultType } = yield* roundOf(talk.waiting)
        assert.deepStrictEqual([id, resultType, keys], [1, "input_required", ["elicitation_1"]])
        Object.assign(talk, { waiting: undefined, state: requestState, asked: 1 })
      } else if (each.what === "answer" && talk.state !== undefined) {
        const used = talk.state
        talk.waiting = yield* call(talk.grant, retryOf(talk, used))
        if (talk.asked === 1) expected.set(talk.child, [...expected.get(talk.child) ?? [], accept({ of: talk.n })])
        Object.assign(talk, { state: undefined, asked: 0 })
        yield* isWrong(talk.grant, retryOf(talk, used))
      } else if (each.what === "steal" && talk.state !== undefined) {
        const thief = talks[each.by]
        if (thief !== undefined && thief !== talk) yield* isWrong(thief.grant, retryOf(thief, talk.state, thief))
      } else if (each.what === "take back" && talk.state !== undefined) {
        talk.child.emit({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: "q" } })
        yield* TestClock.adjust(gatherQuestions)
        talk.asked = 0
      } else if (each.what === "go" && talk.waiting !== undefined) {
        const before = cancelledAt(talk.child).length
        yield* talk.waiting.cancel
        assert.strictEqual(cancelledAt(talk.child).length, before + 1)
        talk.isOver = true
        yield* TestClock.adjust(0)
      } else if (each.what === "finish" && talk.waiting !== undefined) {
        answer(talk.child, got(talk.child).at(-1), { content: [], of: talk.n })
        const { result } = yield* responseTo(talk.waiting)
        assert.deepInclude(result, { resultType: "complete", of: talk.n })
        talk.isOver = true
      }
      for (const child of play.children) assert.deepStrictEqual(answersAt(child).map(([, result]) => result), expected.get(child) ?? [])
    }
  })

describe("calls with questions of three grants", () => {
  it("share no child, and no answer, state or result reaches another call, in whatever order things come", () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 30, size: "max" }), (steps) =>
        Effect.runPromise(run(steps).pipe(Effect.provide(testInteractive()), Logger.withMinimumLogLevel(LogLevel.None), Effect.provide(TestContext.TestContext)))),
      { numRuns: 40 }
    ))
})
