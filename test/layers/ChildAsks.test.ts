import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import type { Line } from "../fakes/PlayedGeneration.ts"
import { answersTo, askedInCall, asking, eventsOf, playedGeneration, quiet } from "../fakes/PlayedGeneration.ts"

const idOf = (line: Line | undefined): string => {
  assert.isString(line?.id)
  return String(line?.id)
}
const answerTo = (id: number) => ({ jsonrpc: "2.0", id, result: {} })

describe("a request of the child goes to exactly one stream", () => {
  /** Where the question went: to the streams of these calls, or to the session's own. */
  const whereIt = (calls: ReadonlyArray<readonly [method: string, isStreamed: boolean]>, hasStream: boolean) =>
    Effect.gen(function*() {
      const { call, say, session } = yield* playedGeneration()
      session.hasStream = hasStream
      const channels = yield* Effect.forEach(calls, ([method, isStreamed], id) => call(id, { method, isStreamed }))
      yield* say(asking(7))
      const streams = [...yield* Effect.forEach(channels, eventsOf), session.published]
      const found = streams.flatMap((lines, at) => lines.map(() => at === calls.length ? "GET" : at))
      return [...found, ...session.sent.filter(({ method }) => method === undefined).map(() => "refused")]
    })

  it.scoped("that of the only call; of several the session's own, else that of the newest tool call; never of one that reads only JSON", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* whereIt([["resources/read", true]], false), [0])
      assert.deepStrictEqual(yield* whereIt([["tools/call", true]], true), [0])
      assert.deepStrictEqual(yield* whereIt([["tools/call", true], ["tools/call", true]], true), ["GET"])
      assert.deepStrictEqual(yield* whereIt([["tools/call", true], ["tools/call", true], ["tools/list", true]], false), [1])
      assert.deepStrictEqual(yield* whereIt([["tools/call", true], ["tools/call", false]], false), [0])
      assert.deepStrictEqual(yield* whereIt([["tools/call", false]], true), ["GET"])
      assert.deepStrictEqual(yield* whereIt([], true), ["GET"])
      assert.deepStrictEqual(yield* whereIt([], false), [])
      assert.deepStrictEqual(yield* whereIt([["tools/list", true], ["tools/list", true]], false), [])
    }))

  it.scoped("and to none where the client waits for answers and reads nothing but those: the child hears at once", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* whereIt([["tools/call", false], ["tools/call", false]], false), ["refused"])
      const played = yield* playedGeneration()
      const call = yield* played.call("c", { isStreamed: false })
      yield* played.say(asking(7))
      assert.deepStrictEqual(answersTo(played), [{
        jsonrpc: "2.0",
        id: 7,
        error: { code: -32603, message: "The client reads no stream: it can be asked where its POST accepts text/event-stream, or where it has a GET stream open." }
      }])
      assert.strictEqual(played.session.open, 0)
      yield* played.openStream
      assert.deepStrictEqual([played.session.published, yield* eventsOf(call)], [[], []])
    }))

  it.scoped("that comes next, where there is none: in order, and once", () =>
    Effect.gen(function*() {
      for (const next of ["GET", "call"] as const) {
        const played = yield* playedGeneration()
        yield* played.say(asking(1), asking(2), asking(3))
        assert.strictEqual(played.session.open, 3)
        yield* played.say({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 2 } })
        const deaf = yield* played.call("deaf", { isStreamed: false })
        if (next === "GET") yield* played.openStream
        const call = yield* played.call("c")
        yield* played.openStream
        const other = yield* played.call("d")
        const streams = { GET: played.session.published, call: yield* eventsOf(call) }
        assert.deepStrictEqual(streams[next].map(({ params }) => params), [{ n: 1 }, { n: 3 }])
        assert.deepStrictEqual([streams[next === "GET" ? "call" : "GET"], yield* eventsOf(other), yield* eventsOf(deaf)], [[], [], []])
        for (const [at, line] of streams[next].entries()) {
          assert.isTrue(yield* played.generation.asks.answer(idOf(line), { result: at }))
        }
        assert.deepStrictEqual(answersTo(played).map(({ id, result }) => [id, result]), [[1, 0], [3, 1]])
      }
    }))

  it.scoped("once its child serves: before, nobody could answer", () =>
    Effect.gen(function*() {
      const { call, generation, say, session } = yield* playedGeneration({ isServing: false })
      session.hasStream = true
      const first = yield* call("c")
      yield* say(asking(1))
      assert.deepStrictEqual([session.published, yield* eventsOf(first)], [[], []])
      yield* generation.asks.serve
      assert.deepStrictEqual([session.published, (yield* eventsOf(first)).map(({ params }) => params)], [[], [{ n: 1 }]])
    }))

  it.scoped("and a call that has been answered before takes none", () =>
    Effect.gen(function*() {
      const { call, openStream, say, session } = yield* playedGeneration()
      const first = yield* call("c")
      yield* say(answerTo(1), asking(7))
      assert.lengthOf(yield* eventsOf(first), 1)
      yield* openStream
      assert.lengthOf(session.published, 1)
    }))
})

describe("what the client is asked", () => {
  it.scoped("has an id that nobody can guess, a new one each time, and is else as the child wrote it", () =>
    Effect.gen(function*() {
      const { call, say } = yield* playedGeneration()
      const channel = yield* call("c")
      const other = yield* playedGeneration()
      const otherChannel = yield* other.call("c")
      yield* Effect.forEach([say, other.say], (each) => each(asking(1), asking("1"), asking(2)))
      const lines = [...yield* eventsOf(channel), ...yield* eventsOf(otherChannel)]
      const ids = lines.map(idOf)
      for (const id of ids) assert.match(id, /^[0-9a-f]{48}$/)
      assert.strictEqual(new Set(ids).size, 6)
      yield* say("{\"jsonrpc\":\"2.0\", \"id\" : 4,\"method\":\"x/y\",\"params\":{\"big\":123456789012345678901234567890}}")
      const [event] = yield* channel.take
      assert.match(event?.line ?? "", /^\{"jsonrpc":"2.0", "id" : "[0-9a-f]{48}","method":"x\/y","params":\{"big":123456789012345678901234567890\}\}$/)
    }))

  it.scoped("is what it has declared; the rest is refused, and so are an id that is open and more than 64", () =>
    Effect.gen(function*() {
      const played = yield* playedGeneration({ mayAsk: (method) => method !== "roots/list" })
      const call = yield* played.call("c")
      yield* played.say(asking("r", "roots/list", undefined), asking(1), asking(1), asking("1"))
      const errors = answersTo(played).map(({ error, id }) => [id, (error as { readonly code: number }).code, (error as { readonly message: string }).message])
      assert.deepStrictEqual(errors, [
        ["r", -32601, "The client has not declared that it can be asked for \"roots/list\"."],
        [1, -32600, "A request with this id is still open."]
      ])
      assert.lengthOf(yield* eventsOf(call), 2)
      yield* played.say(...Array.from({ length: 63 }, (_, n) => asking(n + 10)))
      assert.strictEqual(played.session.open, 64)
      assert.deepStrictEqual(answersTo(played).slice(2), [{ jsonrpc: "2.0", id: 72, error: { code: -32603, message: "64 requests wait for the client already." } }])
    }))

  it.scoped("is refused at once where it is too long for any stream", () =>
    Effect.gen(function*() {
      const played = yield* playedGeneration()
      const call = yield* played.call("c")
      const long = (id: number, length: number) => ({ ...asking(id), params: { text: "x".repeat(length) } })
      yield* played.say(long(1, 1024 * 1024 - 200), long(2, 1024 * 1024))
      assert.lengthOf(yield* eventsOf(call), 1)
      assert.deepStrictEqual(answersTo(played), [{
        jsonrpc: "2.0",
        id: 2,
        error: { code: -32603, message: "The request is longer than the 1048576 characters that may wait for the client." }
      }])
      assert.strictEqual(played.session.open, 1)
    }))

  it.scoped("is refused where it nests too deep to be written anew, as one with a progress token must be; child, calls and id go on", () =>
    Effect.gen(function*() {
      const played = yield* playedGeneration()
      const { generation, session } = played
      const [first, second] = [yield* played.call("a"), yield* played.call("b")]
      const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`
      yield* played.say(`{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{"_meta":{"progressToken":1},"deep":${deep}}}`)
      assert.deepStrictEqual(answersTo(played), [{ jsonrpc: "2.0", id: 7, error: { code: -32603, message: "The request nests too deep to be passed on." } }])
      assert.deepStrictEqual([session.open, session.published, Option.isNone(generation.ended())], [0, [], true])
      yield* played.say({ jsonrpc: "2.0", id: 1, result: {} }, asking(7))
      assert.deepStrictEqual((yield* eventsOf(first)).map(({ id }) => id), ["a"])
      assert.deepStrictEqual((yield* eventsOf(second)).map(({ method }) => method), ["sampling/createMessage"])
    }))

  it.scoped("can be asked again under an id that has been answered", () =>
    Effect.gen(function*() {
      const { call, generation, id, say, session } = yield* askedInCall(7)
      assert.isTrue(yield* generation.asks.answer(id, { result: {} }))
      yield* say(asking(7))
      assert.lengthOf(yield* eventsOf(call), 1)
      assert.strictEqual(session.open, 1)
    }))
})

describe("an answer", () => {
  it.scoped("reaches the child once, under its own id in its own type, whether result or error", () =>
    Effect.gen(function*() {
      for (const childId of [7, "7", 0, ""]) {
        for (const body of [{ result: { a: [1] } }, { error: { code: -1, message: "user rejected", data: 3 } }]) {
          const { generation, id, session } = yield* askedInCall(childId)
          assert.isTrue(yield* generation.asks.answer(id, body))
          assert.isFalse(yield* generation.asks.answer(id, { result: "again" }))
          assert.deepStrictEqual(answersTo({ session }), [{ jsonrpc: "2.0", id: childId, ...body }])
          assert.strictEqual(session.open, 0)
          assert.deepStrictEqual(session.fuses.map(({ stopped }) => stopped), [0, 1], "its deadline is over, and the call's is not")
        }
      }
    }))

  it.scoped("to what nobody asks goes nowhere: an unknown id, the child's own, and one of the wrong type", () =>
    Effect.gen(function*() {
      const { generation, id, session } = yield* askedInCall(7)
      for (const wrong of [7, "7", 1, `${id} `, "", "__proto__", "constructor"]) assert.isFalse(yield* generation.asks.answer(wrong, { result: {} }), String(wrong))
      assert.deepStrictEqual(answersTo({ session }), [])
      assert.isTrue(yield* generation.asks.answer(id, { result: {} }))
    }))

  it.scoped("comes also when the call has ended on whose stream it was asked", () =>
    Effect.gen(function*() {
      const { generation, id, say, session } = yield* askedInCall(7)
      yield* say(answerTo(1))
      assert.isTrue(yield* generation.asks.answer(id, { result: 1 }))
      assert.deepInclude(answersTo({ session })[0], { id: 7, result: 1 })
    }))

  it.scoped("whose sender hangs up in the middle is whole all the same", () =>
    Effect.gen(function*() {
      const { generation, id, session } = yield* askedInCall(7)
      const latch = yield* Effect.makeLatch(false)
      session.pipe = latch.await
      const answering = yield* Effect.fork(generation.asks.answer(id, { result: {} }))
      yield* quiet
      const hangingUp = yield* Effect.fork(Fiber.interrupt(answering))
      yield* quiet
      yield* latch.open
      yield* Fiber.join(hangingUp)
      assert.deepStrictEqual([answersTo({ session }).length, session.open, session.fuses[1]?.stopped], [1, 0, 1])
    }))
})

describe("progress of what the client does for the child", () => {
  const progress = (progressToken: unknown) => ({ _tag: "Notification" as const, method: "notifications/progress", params: { progressToken, progress: 1, message: "x" } })

  it.scoped("comes under the child's own token, and puts deadlines off; the client never sees that token", () =>
    Effect.gen(function*() {
      for (const token of ["t", 5]) {
        const { generation, id, question, session } = yield* askedInCall(7, "sampling/createMessage", { keep: 1, _meta: { progressToken: token, other: 2 } })
        assert.deepStrictEqual(question?.params, { keep: 1, _meta: { progressToken: id, other: 2 } })
        assert.isTrue(yield* generation.asks.onProgress(progress(id)))
        assert.deepStrictEqual(session.sent.at(-1), { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: token, progress: 1, message: "x" } })
        assert.deepStrictEqual(session.fuses.map(({ extended }) => extended), [2, 1])
      }
    }))

  it.scoped("of nothing, of what wants none, and of what is over, goes nowhere", () =>
    Effect.gen(function*() {
      const plain = yield* askedInCall(7)
      for (const token of [plain.id, 7, "x", undefined]) assert.isFalse(yield* plain.generation.asks.onProgress(progress(token)))
      const over = yield* askedInCall(7, "x", { _meta: { progressToken: 1 } })
      yield* over.generation.asks.answer(over.id, { result: {} })
      assert.isFalse(yield* over.generation.asks.onProgress(progress(over.id)))
      yield* quiet
      for (const { session } of [plain, over]) assert.deepStrictEqual(session.sent.filter(({ method }) => method === "notifications/progress"), [])
    }))
})
