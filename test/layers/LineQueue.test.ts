import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Fiber } from "effect"
import { CallChannel } from "../../src/layers/CallChannel.ts"
import { LineQueue } from "../../src/layers/LineQueue.ts"

/** Something comes at each moment between the look of one who takes and its wait: fibers are made to yield after so many steps. */
const atEachMoment = <A>(make: () => { readonly take: Effect.Effect<A, string>; readonly put: () => void }) =>
  Effect.forEach(Array.from({ length: 80 }, (_, steps) => steps), (steps) =>
    Effect.gen(function*() {
      const { put, take } = make()
      const ahead = Effect.forEach(Array.from({ length: steps }), () => Effect.void, { discard: true })
      const taker = yield* Effect.fork(Effect.withMaxOpsBeforeYield(Effect.zipRight(ahead, take), 40))
      yield* Effect.yieldNow()
      put()
      return yield* Effect.timeoutFail(Fiber.join(taker), { duration: "2 seconds", onTimeout: () => `nobody was woken after ${steps} steps` })
    }), { concurrency: "unbounded" })

describe("what comes while somebody is about to wait is taken", () => {
  it.live("from the queue of a child's lines", () =>
    Effect.gen(function*() {
      const taken = yield* atEachMoment(() => {
        const queue = new LineQueue<string>(() => {})
        return { take: queue.takeAll, put: () => queue.offer("{}") }
      })
      assert.isTrue(taken.every((lines) => Chunk.unsafeHead(lines) === "{}"))
    }))

  it.live("from the channel of a call", () =>
    Effect.gen(function*() {
      const taken = yield* atEachMoment(() => {
        const channel = new CallChannel(true)
        return { take: channel.take, put: () => channel.complete("{}") }
      })
      assert.isTrue(taken.every(([event]) => event?.line === "{}"))
    }))
})

describe("the queue of a child's lines", () => {
  it.effect("gives what came before its end, and then the end", () =>
    Effect.gen(function*() {
      const left: Array<number> = []
      const queue = new LineQueue<string>((lines) => void left.push(lines.length))
      queue.offer("a")
      queue.offer("b")
      queue.end("over")
      queue.offer("too late")
      assert.deepStrictEqual([...yield* queue.takeAll], ["a", "b"])
      assert.deepStrictEqual(left, [2])
      assert.strictEqual(yield* Effect.flip(queue.takeAll), "over")
    }))
})
