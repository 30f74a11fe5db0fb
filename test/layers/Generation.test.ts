import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Mailbox, Option, Scope } from "effect"
import { GrantId } from "../../src/domain/Ids.ts"
import type { Request } from "../../src/domain/JsonRpc.ts"
import { CallChannel } from "../../src/layers/CallChannel.ts"
import type { Generation } from "../../src/layers/Generation.ts"
import { makeGeneration } from "../../src/layers/Generation.ts"
import type { Outcome, Settled } from "../../src/layers/InFlightCalls.ts"
import { ChildGone, ChildStalled } from "../../src/services/Children.ts"
import type { Call } from "../../src/services/Sessions.ts"

const gone = new ChildGone({ code: 1, signal: null })

/** A generation, and what stands for its child: the mailbox of its output, what it was sent, and how its pipe takes a line. */
const generationOf = Effect.gen(function*() {
  const lines = yield* Mailbox.make<string, ChildGone>()
  const child = { lines, sent: new Array<unknown>(), unrelated: new Array<string>(), expire: new Array<Effect.Effect<unknown>>(), stopped: 0 }
  const pipe: { send: Effect.Effect<void, ChildGone | ChildStalled> } = { send: Effect.void }
  const generation = yield* makeGeneration({
    child: {
      pid: 0,
      send: (line) => Effect.zipLeft(Effect.suspend(() => pipe.send), Effect.sync(() => child.sent.push(JSON.parse(line)))),
      takeLines: Effect.map(lines.takeAll, ([taken]) => taken),
      kill: Effect.void,
      exited: Effect.never
    },
    deadlines: {
      start: (expired) => {
        child.expire.push(Effect.suspend(expired))
        return { extend: () => {}, stop: () => void child.stopped++ }
      }
    },
    callTimeout: Duration.minutes(1),
    onUnrelated: (line) => child.unrelated.push(line),
    mayAsk: () => true,
    mayWait: true,
    hasStream: () => false,
    publish: (line) => child.unrelated.push(line) > 0,
    opened: Effect.void,
    closed: Effect.void
  })
  return { child, pipe, generation, die: Effect.zipRight(Effect.sync(() => lines.unsafeDone(Exit.fail(gone))), generation.gone) }
})

const request = (changes: Partial<Request> = {}): Request => ({ _tag: "Request", id: "c", method: "tools/call", params: undefined, ...changes })
const nothing = () => Effect.void

/** A call, where the child got it. */
const callOf = (generation: Generation, request: Request, settled: Settled) => {
  const channel = new CallChannel(true)
  return Effect.map(generation.begin(request, settled, channel, GrantId.make("g")), (isMade) => isMade ? Option.some(channel) : Option.none())
}

/** With one call under way. The call's id for the child is 1. */
const calling = (changes: Partial<Request> = {}) =>
  Effect.gen(function*() {
    const made = yield* generationOf
    const outcomes = new Array<Outcome>()
    const call = Option.getOrThrow(yield* callOf(made.generation, request(changes), (outcome) => Effect.sync(() => outcomes.push(outcome))))
    return { ...made, call, outcomes, lines: made.child.lines }
  })

const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`
const answer = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"
const finalOf = (call: Pick<Call, "take">) =>
  Effect.map(Effect.repeat(call.take, { until: (events) => events.some(({ final }) => final) }), (events) => JSON.parse(events.at(-1)?.line ?? "") as unknown)
const errorOf = (call: Pick<Call, "take">) => Effect.map(finalOf(call), (line) => (line as { readonly error?: { readonly message: string } }).error?.message ?? "no error")
/** Lets everybody do what they can do without anything happening. */
const quiet = Effect.repeatN(Effect.yieldNow(), 50)
const isDone = <A, E>(fiber: Fiber.RuntimeFiber<A, E>) => Effect.zipRight(quiet, Effect.map(Fiber.poll(fiber), Option.isSome))

describe("the pump of a child", () => {
  it.scopedLive("gives everybody else a turn in a flood of lines", () =>
    Effect.gen(function*() {
      const { call, lines } = yield* calling()
      let turns = 0
      const count = () => {
        turns++
        next = setImmediate(count)
      }
      let next = setImmediate(count)
      yield* Effect.addFinalizer(() => Effect.sync(() => clearImmediate(next)))
      lines.unsafeOfferAll([...Array.from({ length: 20_000 }, () => "1"), answer])
      yield* call.take
      assert.isAtLeast(turns, 15)
    }))

  it.scopedLive("leaves out progress that nests too deep to be passed on, and goes on", () =>
    Effect.gen(function*() {
      const { call, lines } = yield* calling({ params: { _meta: { progressToken: "p" } } })
      lines.unsafeOfferAll([`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1,"x":${deep}}}`, answer])
      assert.deepStrictEqual((yield* call.take).map(({ line }) => JSON.parse(line) as unknown), [{ jsonrpc: "2.0", id: "c", result: {} }])
    }))

  it.scopedLive("a list of tools that nests too deep is an error at once, not at the deadline", () =>
    Effect.gen(function*() {
      const { call, lines } = yield* calling({ method: "tools/list" })
      lines.unsafeOffer(`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"download_release_attachment"}],"_meta":{"x":${deep}}}}`)
      const [event] = yield* call.take
      assert.match(event?.line ?? "", /^\{"jsonrpc":"2.0","id":"c","error":.*nests too deep/)
    }))
})

describe("what a child says that belongs to no call", () => {
  const changed = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}"
  const logged = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":1}}"
  const progress = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":77,\"progress\":1}}"

  it.scoped("is told apart: lists are nobody's, log messages belong to a call that is under way, progress of nobody is dropped", () =>
    Effect.gen(function*() {
      const { call, child, lines } = yield* calling()
      lines.unsafeOfferAll([changed, logged, progress, answer])
      const events = yield* call.take
      assert.deepStrictEqual(events.map(({ line }) => line), [logged, "{\"jsonrpc\":\"2.0\",\"id\":\"c\",\"result\":{}}"])
      assert.deepStrictEqual(child.unrelated, [changed])
      lines.unsafeOfferAll([logged, progress, answer, "garbage", changed])
      yield* quiet
      assert.deepStrictEqual(child.unrelated, [changed, logged, changed])
    }))
})

describe("how a call comes to its end", () => {
  const ending = (line: string, changes: Partial<Request> = {}) =>
    Effect.gen(function*() {
      const { call, child, lines, outcomes } = yield* calling(changes)
      lines.unsafeOffer(line)
      yield* finalOf(call)
      // What comes after the answer is nothing to anybody.
      lines.unsafeOffer(answer)
      yield* quiet
      assert.strictEqual(child.stopped, 1, "its deadline is over")
      return outcomes
    })

  it.scoped("is granted, refused by an error, or refused by a result that says so", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* ending(answer), ["granted"])
      assert.deepStrictEqual(yield* ending("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"isError\":false}}"), ["granted"])
      assert.deepStrictEqual(yield* ending("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}"), ["granted"])
      assert.deepStrictEqual(yield* ending("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"isError\":true,\"content\":[]}}"), ["refused"])
      assert.deepStrictEqual(yield* ending("{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1,\"message\":\"401\"}}"), ["refused"])
      assert.deepStrictEqual(yield* ending(`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"download_release_attachment"}],"x":${deep}}}`, { method: "tools/list" }), ["given up"])
    }))

  it.scoped("is given up at its deadline, by its client and when the child is gone, and is answered once", () =>
    Effect.gen(function*() {
      const late = yield* calling()
      yield* late.child.expire[0] ?? Effect.die("no deadline")
      assert.match(yield* errorOf(late.call), /^No answer within 1m/)
      assert.deepInclude(late.child.sent, { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1, reason: "timeout" } })

      const cancelled = yield* calling()
      yield* cancelled.generation.notify({ _tag: "Notification", method: "notifications/cancelled", params: { requestId: "c" } })
      assert.strictEqual(yield* errorOf(cancelled.call), "Cancelled by the client.")
      assert.deepInclude(cancelled.child.sent, { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } })

      const lost = yield* calling()
      yield* lost.die
      assert.match(yield* errorOf(lost.call), /^The Forgejo tool process ended before it answered/)

      for (const { lines } of [late, cancelled]) lines.unsafeOffer(answer)
      yield* quiet
      assert.deepStrictEqual([late, cancelled, lost].map(({ outcomes }) => outcomes), [["abandoned"], ["abandoned"], ["given up"]])
    }))

  it.effect("is given up when the generation closes", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { call, outcomes } = yield* Scope.extend(calling(), scope)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* errorOf(call), "The session ended before the call was answered.")
      assert.deepStrictEqual(outcomes, ["given up"])
    }))

  it.scoped("is settled before anybody sees the answer, and seen also where that fails", () =>
    Effect.gen(function*() {
      const { child, generation } = yield* generationOf
      const latch = yield* Effect.makeLatch(false)
      const call = Option.getOrThrow(yield* callOf(generation, request(), () => latch.await))
      child.lines.unsafeOffer(answer)
      const seen = yield* Effect.fork(finalOf(call))
      assert.isFalse(yield* isDone(seen))
      yield* latch.open
      yield* Fiber.join(seen)
      const other = Option.getOrThrow(yield* callOf(generation, request(), () => Effect.die("the store is full")))
      child.lines.unsafeOffer("{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}")
      assert.deepStrictEqual(yield* finalOf(other), { jsonrpc: "2.0", id: "c", result: {} })
    }))

  it.scoped("has no deadline where it is initialize, which cannot be cancelled either, and tasks are taken out of its answer", () =>
    Effect.gen(function*() {
      const { call, child, generation, lines } = yield* calling({ method: "initialize" })
      assert.deepStrictEqual(child.expire, [])
      yield* generation.notify({ _tag: "Notification", method: "notifications/cancelled", params: { requestId: "c" } })
      lines.unsafeOffer("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"capabilities\":{\"tools\":{},\"tasks\":{}}}}")
      assert.deepStrictEqual(yield* finalOf(call), { jsonrpc: "2.0", id: "c", result: { capabilities: { tools: {} } } })
    }))
})

describe("a call that the child never got", () => {
  const beginning = (how: "gone before" | "gone between" | "pipe gone" | "pipe full") =>
    Effect.gen(function*() {
      const { child, die, generation, pipe } = yield* generationOf
      const outcomes = new Array<Outcome>()
      const settled = (outcome: Outcome) => Effect.sync(() => outcomes.push(outcome))
      if (how === "pipe gone") pipe.send = gone
      if (how === "pipe full") pipe.send = new ChildStalled()
      if (how === "gone before") yield* die
      const making = callOf(generation, request(), settled)
      if (how === "gone between") yield* die
      const call = yield* making
      assert.deepStrictEqual(outcomes, ["given up"])
      assert.deepStrictEqual(child.sent, [])
      return call
    })

  it.scoped("may go to another, whenever the child went", () =>
    Effect.gen(function*() {
      for (const how of ["gone before", "gone between", "pipe gone"] as const) assert.isTrue(Option.isNone(yield* beginning(how)), how)
    }))

  it.scoped("is answered where the child lives and does not read", () =>
    Effect.gen(function*() {
      assert.match(yield* errorOf(Option.getOrThrow(yield* beginning("pipe full"))), /does not read its input; the call did not reach it/)
    }))
})

describe("a generation that gets no new calls", () => {
  it.scoped("is drained at once where none is open", () => Effect.flatMap(generationOf, ({ generation }) => generation.drained))

  it.scoped("is drained when the last call is answered, one that was only registered included", () =>
    Effect.gen(function*() {
      const { call, generation, lines } = yield* calling()
      lines.unsafeOffer(answer)
      // While new ones may come, to have none open means nothing.
      yield* finalOf(call)
      const making = callOf(generation, request(), nothing)
      const other = Option.getOrThrow(yield* callOf(generation, request({ id: "d" }), nothing))
      const drained = yield* Effect.fork(generation.drained)
      lines.unsafeOffer("{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}")
      yield* finalOf(other)
      assert.isFalse(yield* isDone(drained))
      yield* making
      assert.isFalse(yield* isDone(drained))
      lines.unsafeOffer("{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}")
      yield* Fiber.join(drained)
    }))

  it.scoped("is drained when its child is gone, and says that it is before its calls are told", () =>
    Effect.gen(function*() {
      const { die, generation } = yield* generationOf
      const known = new Array<boolean>()
      assert.isTrue(Option.isNone(generation.ended()))
      yield* callOf(generation, request(), () => Effect.sync(() => known.push(Option.isSome(generation.ended()))))
      const drained = yield* Effect.fork(generation.drained)
      assert.strictEqual(yield* die, gone)
      yield* Fiber.join(drained)
      assert.deepStrictEqual(known, [true])
    }))
})
