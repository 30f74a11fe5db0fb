import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Either, Fiber, Redacted, TestClock } from "effect"
import { classifyBatch } from "../../src/domain/Batch.ts"
import type { Request } from "../../src/domain/JsonRpc.ts"
import type { Ways } from "../../src/http/McpBatch.ts"
import { answerCalls, dispatchBatch } from "../../src/http/McpBatch.ts"
import type { Failure } from "../../src/http/McpFailures.ts"
import { refuse } from "../../src/http/McpFailures.ts"
import { SessionBusy, SessionEnded, SessionsFull } from "../../src/services/Sessions.ts"

const wire = { publicUrl: "https://broker.example", unknownSessionStatus: 410 } as const
const full = new SessionsFull({ cap: "user", retryAfter: 7 })
const busy = new SessionBusy({ limit: 3 })

/** Sends a batch whose requests fail as their methods say, and whose other messages fail with `others`. */
const send = (values: ReadonlyArray<unknown>, others?: Failure) => {
  const sent: Array<string> = []
  const failures: Readonly<Record<string, Failure>> = { full, busy, ended: new SessionEnded() }
  const other = Effect.suspend(() => others === undefined ? Effect.void : Effect.fail(others))
  const ways: Ways = {
    call: (request: Request) =>
      Effect.suspend(() => {
        sent.push(request.method)
        const failure = failures[request.method]
        const take = Effect.succeed([{ line: `answer to ${request.id}`, final: true }])
        const call = { take, takeSoon: take, stream: () => Effect.dieMessage("a batch has a stream of its own") }
        return failure === undefined ? Effect.succeed({ call, opened: request.id === 1 ? Redacted.make("new") : undefined }) : Effect.fail(failure)
      }),
    notify: () => other,
    respond: () => other,
    refuse: (failure, id) => failure._tag === "McpRefusal" ? failure : refuse(wire, failure, id)
  }
  return Effect.map(
    Effect.either(Effect.flatMap(dispatchBatch(Either.getOrThrow(classifyBatch(values, 10)), ways), ({ calls, opened }) =>
      Effect.map(Effect.forEach(calls, ({ take }) => take), (events) => ({ lines: events.flat().map(({ line }) => line), opened: opened && Redacted.value(opened) })))),
    (outcome) => ({ outcome, sent })
  )
}

const request = (id: number, method: string) => ({ jsonrpc: "2.0", id, method })
const notification = { jsonrpc: "2.0", method: "notifications/x" }
const response = { jsonrpc: "2.0", id: "q", result: {} }
const refused = ({ outcome }: Effect.Effect.Success<ReturnType<typeof send>>) => {
  assert.isTrue(Either.isLeft(outcome))
  return Either.isLeft(outcome) ? { status: outcome.left.status, id: outcome.left.id } : assert.fail()
}
const lines = ({ outcome }: Effect.Effect.Success<ReturnType<typeof send>>) => Either.getOrThrow(outcome).lines

describe("the elements of a batch", () => {
  it.effect("fail all together, with their own status, as long as none has got through", () =>
    Effect.gen(function*() {
      for (const [method, status] of [["full", 503], ["ended", 404]] as const) {
        const made = yield* send([notification, request(1, method), request(2, "fine")])
        assert.deepStrictEqual(refused(made), { status, id: undefined })
        assert.deepStrictEqual(made.sent, [method], "the rest is not tried")
      }
    }))

  it.effect("fail each on its own behind one that has got through, and where the failure has no status of its own", () =>
    Effect.gen(function*() {
      const late = yield* send([request(1, "fine"), request(2, "full"), request(3, "fine")])
      assert.deepStrictEqual(late.sent, ["fine", "full", "fine"])
      const [first, second = "", third] = lines(late)
      assert.deepStrictEqual([first, third], ["answer to 1", "answer to 3"])
      assert.deepStrictEqual(JSON.parse(second), {
        jsonrpc: "2.0",
        id: 2,
        error: { code: -32603, message: "You have as many sessions at work as one user may have. Wait for a call to be answered, or try again in 7 s." }
      })
      const [only = ""] = lines(yield* send([request(2, "busy")]))
      assert.deepStrictEqual((JSON.parse(only) as { readonly id: number }).id, 2)
    }))

  it.effect("that ask nothing fail the batch only where nothing is asked", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(refused(yield* send([notification, response], new SessionEnded())), { status: 404, id: undefined })
      assert.deepStrictEqual(lines(yield* send([response, request(2, "fine")], new SessionEnded())), ["answer to 2"])
      assert.deepStrictEqual(lines(yield* send([notification, response])), [])
    }))

  it.effect("tell of the session that was opened for one of them", () =>
    Effect.gen(function*() {
      const { outcome } = yield* send([request(2, "fine"), request(1, "fine"), request(3, "fine")])
      assert.strictEqual(Either.getOrThrow(outcome).opened, "new")
    }))
})

describe("the answer to a batch", () => {
  const contentType = (accept: { readonly json: boolean; readonly sse: boolean }) =>
    Effect.gen(function*() {
      const late = yield* Deferred.make<ReadonlyArray<{ readonly line: string; readonly final: boolean }>>()
      const calls = [{ take: Effect.succeed([{ line: "{}", final: true }]) }, { take: Deferred.await(late) }]
      const answer = yield* Effect.forkScoped(answerCalls(calls, accept, {}))
      yield* TestClock.adjust("14 seconds")
      const early = yield* Fiber.poll(answer)
      yield* TestClock.adjust("1 second")
      const then = yield* Fiber.poll(answer)
      yield* Deferred.succeed(late, [{ line: "{}", final: true }])
      return [early._tag, then._tag, (yield* Fiber.join(answer)).headers["content-type"]]
    })

  it.scoped("becomes a stream after a long silence, for what is in between may cut a silent connection", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* contentType({ json: true, sse: true }), ["None", "Some", "text/event-stream"])
      assert.deepStrictEqual(yield* contentType({ json: true, sse: false }), ["None", "None", "application/json"])
    }))
})
