import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { plainStream, writeEvents } from "../../src/http/Sse.ts"
import type { CallEvent, EventStream } from "../../src/services/Sessions.ts"

/** The pieces in which a stream goes out that gives these, one take after the other. */
const piecesOf = (takes: ReadonlyArray<ReadonlyArray<CallEvent>>, options: { readonly primer?: string; readonly isStanding?: boolean; readonly isStopping?: boolean } = {}) => {
  const left = [...takes]
  const stream: EventStream = { take: Effect.sync(() => left.shift() ?? []), primer: options.primer, isStanding: options.isStanding ?? false }
  const pieces: Array<string> = []
  const written = writeEvents(stream, () => options.isStopping ?? false, (text) => Effect.sync(() => void pieces.push(text)))
  return Effect.as(written, pieces)
}
const answer: CallEvent = { line: "{\"id\":1}", final: true }
const end: CallEvent = { line: "", final: true }

describe("a stream of events", () => {
  it.effect("begins at once, gives each take as it comes, a comment where there was nothing, and ends behind the final event", () =>
    Effect.gen(function*() {
      const takes = [[{ line: "{}", final: false }, { line: "{ }", final: false, id: "a.1" }], [], [answer], [{ line: "too late", final: false }]]
      assert.deepStrictEqual(yield* piecesOf(takes), [
        ": stream\n\n",
        "event: message\ndata: {}\n\nid: a.1\nevent: message\ndata: { }\n\n",
        ": keep-alive\n\n",
        "event: message\ndata: {\"id\":1}\n\n"
      ])
    }))

  it.effect("no line break that JSON allows between its tokens ends an event", () =>
    Effect.gen(function*() {
      const [, event] = yield* piecesOf([[{ line: "{\"a\":\r1}", final: true }]])
      assert.strictEqual(event, "event: message\ndata: {\"a\": 1}\n\n")
    }))

  it.effect("an event without data and the time to come back go to those only who understand them; standing ones end with the time", () =>
    Effect.gen(function*() {
      const primed = "id: a.0\nretry: 2000\ndata: \n\n"
      const retry = "retry: 2000\n\n"
      const event = "event: message\ndata: {\"id\":1}\n\n"
      assert.deepStrictEqual(yield* piecesOf([[answer]], { primer: "a.0" }), [primed, event])
      assert.deepStrictEqual(yield* piecesOf([[answer]], { primer: "a.0", isStopping: true }), [primed, event, retry])
      assert.deepStrictEqual(yield* piecesOf([[answer]], { isStopping: true }), [": stream\n\n", event])
      assert.deepStrictEqual(yield* piecesOf([[end]], { isStanding: true }), [": stream\n\n", retry])
      assert.deepStrictEqual(yield* piecesOf([[end]], { primer: "a.0" }), [primed])
    }))

  it.effect("of what was taken already and what is still to come", () =>
    Effect.gen(function*() {
      const stream = plainStream([{ line: "{}", final: false }], Effect.succeed([answer]))
      assert.deepStrictEqual([yield* stream.take, yield* stream.take], [[{ line: "{}", final: false }], [answer]])
    }))
})
