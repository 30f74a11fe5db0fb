import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { GrantId } from "../../src/domain/Ids.ts"
import { answersTo, askedInCall, asking, eventsOf, playedGeneration } from "../fakes/PlayedGeneration.ts"

const answerTo = (id: number) => ({ jsonrpc: "2.0", id, result: {} })
const cancelOf = (id: unknown, reason: string) => ({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id, reason } })
const unanswered = "The client did not answer in time."

describe("a request that is not answered", () => {
  it.scoped("ends at its deadline: the child gets an error, and the client hears it where it was asked", () =>
    Effect.gen(function*() {
      const { call, generation, id, session } = yield* askedInCall(7)
      const [ofCall, ofAsk] = session.fuses
      assert.strictEqual(ofCall?.extended, 1, "the call waits for a person")
      yield* ofAsk?.fire ?? Effect.dieMessage("no deadline")
      assert.deepStrictEqual(answersTo({ session }), [{ jsonrpc: "2.0", id: 7, error: { code: -32603, message: unanswered } }])
      assert.deepStrictEqual(yield* eventsOf(call), [cancelOf(id, unanswered)])
      assert.deepStrictEqual([session.open, session.published, ofCall?.extended], [0, [], 2], "the call may say what it makes of it")
      yield* ofAsk?.fire ?? Effect.void
      assert.isFalse(yield* generation.asks.answer(id, { result: {} }))
      assert.lengthOf(answersTo({ session }), 1)
    }))

  it.scoped("and has been asked on the session's stream, or waits for one, ends likewise, and may have kept any call", () =>
    Effect.gen(function*() {
      const played = yield* playedGeneration()
      const { session } = played
      yield* played.say(asking(1))
      yield* session.fuses[0]?.fire ?? Effect.void
      assert.deepStrictEqual(answersTo(played).map(({ id }) => id), [1])
      yield* played.openStream
      assert.deepStrictEqual(session.published, [], "what was never asked is not taken back")
      yield* Effect.forEach(["a", "b"], (id) => played.call(id))
      yield* played.say(asking(2))
      assert.deepStrictEqual(session.fuses.map(({ extended }) => extended), [0, 1, 1, 0])
      yield* session.fuses[3]?.fire ?? Effect.void
      assert.deepStrictEqual(session.published[1], cancelOf(session.published[0]?.id, unanswered))
      assert.strictEqual(session.open, 0)
    }))

  it.scoped("is answered or given up, never both: whoever is first", () =>
    Effect.gen(function*() {
      const { call, generation, id, session } = yield* askedInCall(7)
      yield* generation.asks.answer(id, { result: 1 })
      yield* session.fuses[1]?.fire ?? Effect.void
      yield* generation.asks.refuseUnrelated("late")
      assert.deepStrictEqual(answersTo({ session }), [{ jsonrpc: "2.0", id: 7, result: 1 }])
      assert.deepStrictEqual([yield* eventsOf(call), session.open], [[], 0])
    }))

  it.scoped("goes to a client that does not read is refused at once, on its call's stream and on the session's own", () =>
    Effect.gen(function*() {
      const played = yield* playedGeneration()
      const { session } = played
      const call = yield* played.call("c")
      // Room for what would take it back, and none for the request.
      assert.isTrue(call.interim(JSON.stringify("x".repeat(1024 * 1024 - 400))))
      yield* played.say({ ...asking(1), params: { message: "?".repeat(400) } })
      yield* played.say(answerTo(1))
      assert.strictEqual((yield* eventsOf(call)).length, 2, "nothing is taken back that never went out")
      yield* played.openStream
      session.isRead = false
      yield* played.say(asking(2))
      assert.deepStrictEqual(answersTo(played), [1, 2].map((id) => ({ jsonrpc: "2.0", id, error: { code: -32603, message: "The client does not read what it is sent." } })))
      assert.deepStrictEqual([session.open, session.published], [0, []])
      session.isRead = true
      yield* played.say(asking(2))
      assert.deepStrictEqual([session.open, session.published.length], [1, 1], "one that reads again is asked again")
    }))

  it.scoped("may be taken back by the child, under its own id; the client hears it under ours, and with the reason", () =>
    Effect.gen(function*() {
      const { call, generation, id, say, session } = yield* askedInCall(7)
      for (const requestId of ["7", 8, id, null, undefined]) yield* say({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId } })
      assert.deepStrictEqual(yield* eventsOf(call), [])
      yield* say({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7, reason: "changed my mind" } })
      assert.deepStrictEqual(yield* eventsOf(call), [cancelOf(id, "changed my mind")])
      assert.isFalse(yield* generation.asks.answer(id, { result: {} }))
      assert.deepStrictEqual([answersTo({ session }), session.open, session.fuses[1]?.stopped], [[], 0, 1], "no answer is expected")
    }))

  it.scoped("is told as taken back on the session's stream once its call has ended", () =>
    Effect.gen(function*() {
      const { id, openStream, say, session } = yield* askedInCall(7)
      yield* say(answerTo(1))
      yield* openStream
      yield* say({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7 } })
      assert.deepStrictEqual(session.published, [cancelOf(id, "The server asks no longer.")])
    }))

  it.scoped("is taken back when the child is gone, before its call is answered; and nothing comes after", () =>
    Effect.gen(function*() {
      const { call, die, generation, id, session } = yield* askedInCall(7)
      yield* die
      const [told, last] = yield* eventsOf(call)
      assert.deepStrictEqual(told, cancelOf(id, "The Forgejo tool process ended."))
      assert.deepInclude(last, { id: "c" })
      assert.isFalse(yield* generation.asks.answer(id, { result: {} }))
      assert.deepStrictEqual([session.open, session.fuses.map(({ stopped }) => stopped)], [0, [1, 1]])
    }))

  it.effect("is taken back when the generation closes, and what the child asks afterwards is nothing", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { call, id, say, session } = yield* Scope.extend(askedInCall(7), scope)
      yield* Scope.close(scope, Exit.void)
      yield* say(asking(8))
      assert.deepStrictEqual((yield* eventsOf(call)).map(({ params }) => params), [cancelOf(id, "The session ended.").params, undefined])
      assert.strictEqual(session.open, 0)
    }))

  it.scoped("is taken back when the session gives its calls up, on their streams; the child may go on asking, and nobody hears it", () =>
    Effect.gen(function*() {
      const { call, generation, id, openStream, say, session } = yield* askedInCall(7)
      yield* generation.giveUp("over", GrantId.make("another"))
      assert.deepStrictEqual(yield* eventsOf(call), [], "the calls of one grant are not all")
      yield* generation.giveUp("over")
      const [told, last] = yield* eventsOf(call)
      assert.deepStrictEqual([told, last?.id], [cancelOf(id, "The session ended."), "c"])
      yield* openStream
      yield* say(asking(8))
      assert.deepStrictEqual([session.published, session.open], [[], 0])
    }))

  it.scoped("is refused at the switch to another child where it belongs to no call, and stays where it belongs to one", () =>
    Effect.gen(function*() {
      const played = yield* playedGeneration()
      const { generation, session } = played
      const call = yield* played.call("c")
      yield* played.say(asking("call's"), answerTo(99))
      const [mine] = yield* eventsOf(call)
      yield* played.call("d")
      yield* played.openStream
      yield* played.say(asking("nobody's"))
      yield* generation.asks.refuseUnrelated("replaced")
      assert.deepStrictEqual(session.published.at(-1), cancelOf(session.published[0]?.id, "replaced"))
      assert.deepStrictEqual(answersTo(played), [{ jsonrpc: "2.0", id: "nobody's", error: { code: -32603, message: "replaced" } }])
      assert.strictEqual(session.open, 1)
      assert.isTrue(yield* generation.asks.answer(String(mine?.id), { result: {} }))
    }))
})
