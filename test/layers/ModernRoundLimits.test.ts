import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, TestClock } from "effect"
import { ModernCallsLive } from "../../src/layers/ModernCallsLive.ts"
import { ServerSnapshotLive } from "../../src/layers/ServerSnapshotLive.ts"
import { SessionCoreLive } from "../../src/layers/SessionCore.ts"
import { SessionRowsLive } from "../../src/layers/SessionRowsLive.ts"
import { Sealing } from "../../src/services/Sealing.ts"
import type { FakeChild } from "../fakes/FakeChildren.ts"
import { FakeChildren } from "../fakes/FakeChildren.ts"
import { fakeGrant } from "../fakes/FakeGrants.ts"
import { fakeSealing } from "../fakes/FakeSealing.ts"
import { accept, answer, answersAt, ask, call, cancelledAt, envelope, form, got, question, roundOf, testInteractive } from "../fakes/TestModern.ts"
import { responseTo, sessionsWorld } from "../fakes/TestSessions.ts"

const [anna, annaAgain] = [fakeGrant("1"), fakeGrant("1", "client", 2)]
const settled = TestClock.adjust(0)

const prompt = (n: number, parts: Parameters<typeof envelope>[1] = {}) =>
  envelope("prompts/get", { id: n, capabilities: form, ...parts, params: { name: "p", arguments: { n: String(n) } } })
/** A prompt whose child has asked, and the client's next request for it. */
const openRound = (n: number, grant = anna) =>
  Effect.gen(function*() {
    const play = yield* FakeChildren
    play.answers = false
    const calling = yield* call(grant, prompt(n))
    const child = play.children.at(-1)
    child?.emit(question("q"))
    const { keys, requestState } = yield* roundOf(calling)
    return { child, retry: prompt(n, { requestState, inputResponses: { [keys[0] ?? ""]: accept() } }) }
  })
const answerPrompt = (child: FakeChild | undefined, result: object) => answer(child, got(child, "prompts/get").at(-1), { ...result })

describe("a result that comes while nobody waits", () => {
  it.effect("is kept for the retry up to 256 KiB; of a longer one there is left that the call has run", () =>
    Effect.gen(function*() {
      for (const [n, length, isKept] of [[1, 250 * 1024, true], [2, 256 * 1024, false]] as const) {
        const { child, retry } = yield* openRound(n)
        answerPrompt(child, { messages: [], text: "x".repeat(length) })
        yield* settled
        const told = yield* ask(anna, retry)
        if (isKept) assert.strictEqual((told["result"] as { readonly text: string }).text.length, length)
        else {
          assert.deepStrictEqual(told, {
            jsonrpc: "2.0",
            id: n,
            error: { code: -32603, message: "Answered before the retry came, and longer than what is kept until then. The call has run." }
          })
        }
      }
    }).pipe(Effect.provide(testInteractive())))

  it.effect("has no bound where the retry has come", () =>
    Effect.gen(function*() {
      const { child, retry } = yield* openRound(1)
      const retrying = yield* call(anna, retry)
      answerPrompt(child, { messages: [], text: "x".repeat(300 * 1024) })
      assert.property(yield* responseTo(retrying), "result")
    }).pipe(Effect.provide(testInteractive())))
})

describe("open rounds", () => {
  it.effect("are 64 of one grant: the oldest is given up for a newer one, and its child is told", () =>
    Effect.gen(function*() {
      const other = yield* openRound(1, annaAgain)
      const all = yield* Effect.forEach(Array.from({ length: 64 }, (_, n) => n + 1), (n) => openRound(n))
      assert.deepStrictEqual(all.flatMap(({ child }) => cancelledAt(child)), [])
      all.push(yield* openRound(65))
      yield* settled
      const [first, second, last] = [all[0], all[1], all.at(-1)]
      assert.deepStrictEqual([cancelledAt(first?.child), answersAt(first?.child)], [[got(first?.child, "prompts/get")[0]?.id], [["q", -32603]]])
      assert.deepStrictEqual([...all.slice(1), other].flatMap(({ child }) => cancelledAt(child)), [])
      const refused = yield* Effect.flip(call(anna, first?.retry ?? prompt(1)))
      assert.strictEqual(refused._tag === "ModernRefusal" ? refused.refused.code : refused._tag, -32602)
      for (const round of [second, last]) {
        const retrying = yield* call(anna, round?.retry ?? prompt(0))
        assert.deepStrictEqual(answersAt(round?.child), [["q", accept()]])
        answerPrompt(round?.child, { messages: [] })
        assert.property(yield* responseTo(retrying), "result")
      }
    }).pipe(Effect.provide(testInteractive({ maxSessionsPerUser: 80, maxStartsPerMinute: 1000 }))))
})

describe("a round that cannot be made", () => {
  /** The first state cannot be sealed. */
  const failingOnce = Layer.map(fakeSealing(), (context) => {
    const real = Context.get(context, Sealing)
    let isBroken = true
    return Context.make(Sealing, {
      ...real,
      seal: (...sealed) =>
        Effect.suspend(() => {
          if (!isBroken) return real.seal(...sealed)
          isBroken = false
          return Effect.dieMessage("no key")
        })
    })
  })
  const world = ModernCallsLive.pipe(
    Layer.provide(SessionCoreLive),
    Layer.provide(Layer.mergeAll(SessionRowsLive, ServerSnapshotLive, failingOnce)),
    Layer.provideMerge(sessionsWorld({ childPreset: "custom", childInteractive: true }))
  )

  it.effect("answers the request with an error and cancels the call at the child; the next round is made", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const calling = yield* call(anna, prompt(1))
      const [child] = play.children
      child?.emit(question("q"))
      yield* TestClock.adjust("20 millis")
      assert.deepStrictEqual(yield* responseTo(calling), {
        jsonrpc: "2.0",
        id: 1,
        error: { code: -32603, message: "The server asks something that cannot be passed on. The call was given up; it may have run." }
      })
      assert.deepStrictEqual([cancelledAt(child), answersAt(child)], [[got(child, "prompts/get")[0]?.id], [["q", -32603]]])
      const next = yield* openRound(2)
      const retrying = yield* call(anna, next.retry)
      answerPrompt(next.child, { messages: [] })
      assert.property(yield* responseTo(retrying), "result")
    }).pipe(Effect.provide(world)))
})
