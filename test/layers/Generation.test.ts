import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Mailbox } from "effect"
import type { Request } from "../../src/domain/JsonRpc.ts"
import { makeGeneration } from "../../src/layers/Generation.ts"
import type { ChildGone } from "../../src/services/Children.ts"

/** A generation with one call under way, and the mailbox that stands for its child's output. The call's id for the child is 1. */
const calling = (request: Partial<Request>) =>
  Effect.gen(function*() {
    const lines = yield* Mailbox.make<string, ChildGone>()
    const generation = yield* makeGeneration({
      child: {
        pid: 0,
        send: () => Effect.void,
        takeLines: Effect.map(lines.takeAll, ([taken]) => taken),
        kill: Effect.void,
        exited: Effect.never
      },
      deadlines: { start: () => Effect.succeed({ extend: Effect.void, stop: Effect.void }) },
      callTimeout: Duration.minutes(1)
    })
    const call = yield* generation.call({ _tag: "Request", id: "c", method: "tools/call", params: undefined, ...request }, Effect.void)
    return { lines, call }
  })

const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`
const answer = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"

describe("the pump of a child", () => {
  it.scopedLive("gives everybody else a turn in a flood of lines", () =>
    Effect.gen(function*() {
      const { call, lines } = yield* calling({})
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
