/**
 * Whatever ids and progress tokens the clients of one child choose, and in whatever order calls begin, are answered,
 * cancelled and answered again: each call ends once, with its own answer or as cancelled, under its own id; progress
 * reaches its own call alone, under its own token; and the child never has two open calls with one id or one token.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, FastCheck as fc, Mailbox } from "effect"
import type { RequestId } from "../../src/domain/JsonRpc.ts"
import { CallChannel } from "../../src/layers/CallChannel.ts"
import { makeGeneration } from "../../src/layers/Generation.ts"
import type { ChildGone } from "../../src/services/Children.ts"

interface Sent {
  readonly id?: number
  readonly method: string
  readonly params?: { readonly n?: number; readonly requestId?: number; readonly _meta?: { readonly progressToken?: number; readonly own?: string } }
}
interface Received {
  readonly id?: RequestId
  readonly method?: string
  readonly params?: { readonly progressToken?: RequestId; readonly n?: number; readonly requestId?: string }
  readonly result?: { readonly n: number; readonly id: number }
  readonly error?: { readonly message: string }
}
interface Opened {
  readonly n: number
  readonly clientId: RequestId
  readonly token: RequestId | undefined
  readonly channel: CallChannel
  /** As the child knows it. */
  readonly childId: number
  readonly childToken: number | undefined
  readonly progress: Array<number>
  settled: number
  /** How it must end, once it must have ended. */
  end: "answered" | "cancelled" | undefined
}

/** Few, so that they collide, also with what the broker numbers by itself. */
const id = fc.constantFrom<RequestId>(1, 2, 3, "1", "2", "", "é\"\\\n", -1, 0, Number.MAX_SAFE_INTEGER)
const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("begin" as const), id, token: fc.option(id, { nil: undefined }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("answer" as const), at: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("progress" as const), at: fc.nat() }) },
  fc.record({ do: fc.constant("cancel" as const), id }),
  fc.record({ do: fc.constant("leave" as const), at: fc.nat() }),
  fc.record({ do: fc.constant("noise" as const), id: fc.oneof(id, fc.constantFrom(1.5, null, {}, true, 1e300)), shape: fc.nat(2) })
)
/** Lets the pump do what it can. */
const quiet = Effect.repeatN(Effect.yieldNow(), 20)

const run = (commands: ReadonlyArray<typeof command extends fc.Arbitrary<infer C> ? C : never>) =>
  Effect.gen(function*() {
    const lines = yield* Mailbox.make<string, ChildGone>()
    const sent: Array<Sent> = []
    const generation = yield* makeGeneration({
      child: {
        pid: 0,
        send: (line) => Effect.sync(() => void sent.push(JSON.parse(line) as Sent)),
        takeLines: Effect.map(lines.takeAll, ([taken]) => taken),
        kill: Effect.void,
        exited: Effect.never
      },
      deadlines: { start: () => ({ extend: () => {}, stop: () => {} }) },
      callTimeout: Duration.minutes(1),
      onUnrelated: () => {},
      mayAsk: () => false,
      mayWait: true,
      hasStream: () => false,
      publish: () => true,
      opened: Effect.void,
      closed: Effect.void
    })
    const calls: Array<Opened> = []
    const pick = (at: number) => calls[at % Math.max(1, calls.length)]
    const open = () => calls.filter((call) => call.end === undefined)
    const say = (message: unknown) => Effect.zipRight(Effect.sync(() => lines.unsafeOffer(JSON.stringify(message))), quiet)

    for (const step of commands) {
      switch (step.do) {
        case "begin": {
          const n = calls.length
          const channel = new CallChannel(true)
          const _meta = step.token === undefined ? undefined : { own: "kept", progressToken: step.token }
          const settled = () => calls[n]?.settled !== undefined && calls[n].settled++
          const params = { n, ...(_meta === undefined ? {} : { _meta }) }
          yield* generation.begin({ _tag: "Request", id: step.id, method: "tools/call", params }, () => Effect.sync(() => void settled()), channel)
          const seen = sent.at(-1) ?? assert.fail("nothing was sent")
          assert.strictEqual(seen.params?.n, n)
          if (step.token !== undefined) assert.strictEqual(seen.params?._meta?.own, "kept")
          const childId = seen.id ?? assert.fail("no id")
          const childToken = seen.params?._meta?.progressToken
          assert.strictEqual(childToken === undefined, step.token === undefined)
          for (const other of calls) {
            assert.notStrictEqual(other.childId, childId, "an id is never used again")
            if (childToken !== undefined) assert.notStrictEqual(other.childToken, childToken)
          }
          calls.push({ n, clientId: step.id, token: step.token, channel, childId, childToken, progress: [], settled: 0, end: undefined })
          break
        }
        case "answer": {
          const call = pick(step.at)
          if (call === undefined) break
          // Of one that is over it is the second answer, and nothing to anybody.
          yield* say({ jsonrpc: "2.0", id: call.childId, result: { n: call.n, id: call.childId } })
          call.end ??= "answered"
          break
        }
        case "progress": {
          const call = pick(step.at)
          if (call?.childToken === undefined) break
          const n = call.progress.length
          yield* say({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: call.childToken, n } })
          if (call.end === undefined) call.progress.push(n)
          break
        }
        case "cancel": {
          const meant = open().filter((call) => call.clientId === step.id)
          const before = sent.length
          yield* generation.notify({ _tag: "Notification", method: "notifications/cancelled", params: { requestId: step.id } })
          // Of two with one id it is not known which is meant.
          const [only] = meant.length === 1 ? meant : []
          assert.deepStrictEqual(sent.slice(before).map(({ params }) => params?.requestId), only === undefined ? [] : [only.childId])
          if (only !== undefined) only.end = "cancelled"
          break
        }
        case "leave": {
          const call = pick(step.at)
          if (call === undefined) break
          yield* generation.cancel(call.channel, "the client left")
          call.end ??= "cancelled"
          break
        }
        case "noise":
          // Ids of calls that are open are the first ones: only what answers them may end them.
          yield* say([
            { jsonrpc: "2.0", id: typeof step.id === "number" ? -1 - Math.abs(step.id) : step.id, result: { n: -1 } },
            { jsonrpc: "2.0", id: step.id, method: "roots/list" },
            { jsonrpc: "2.0", id: step.id }
          ][step.shape])
      }
    }
    const left = open()
    for (const call of left.reverse()) {
      yield* say({ jsonrpc: "2.0", id: call.childId, result: { n: call.n, id: call.childId } })
      call.end = "answered"
    }
    for (const call of calls) {
      const events = yield* call.channel.take
      const received = events.map(({ line }) => JSON.parse(line) as Received)
      assert.deepStrictEqual(events.map(({ final }) => final), [...call.progress.map(() => false), true])
      assert.deepStrictEqual(received.slice(0, -1).map(({ params }) => [params?.progressToken, params?.n]), call.progress.map((n) => [call.token, n]))
      assert.strictEqual(call.settled, 1)
      const last = received.at(-1)
      assert.strictEqual(last?.id, call.clientId)
      if (call.end === "cancelled") assert.match(last?.error?.message ?? "", /^Cancelled/)
      else assert.deepStrictEqual(last?.result, { n: call.n, id: call.childId }, "an id inside the result is left alone")
    }
  })

describe("ids and progress tokens between clients and a child", () => {
  it("are a bijection in any interleaving", () =>
    fc.assert(fc.asyncProperty(fc.array(command, { maxLength: 40, size: "max" }), (commands) => Effect.runPromise(Effect.scoped(run(commands)))), { numRuns: 300 }))
})
