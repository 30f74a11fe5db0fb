import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Ref } from "effect"
import { makeSingleFlight } from "../../src/layers/SingleFlight.ts"

describe("a single flight", () => {
  it.scoped("runs one thing after the other for a key, and keys beside each other", () =>
    Effect.gen(function*() {
      const flights = makeSingleFlight<string, never>(yield* Effect.scope)
      const log = yield* Ref.make<ReadonlyArray<string>>([])
      const gate = yield* Deferred.make<void>()
      const run = (name: string) =>
        Ref.update(log, (all) => [...all, `${name} begins`]).pipe(
          Effect.zipRight(Deferred.await(gate)),
          Effect.zipRight(Ref.update(log, (all) => [...all, `${name} ends`])),
          Effect.as(name)
        )
      const first = yield* Effect.fork(flights.join("ada", "one", run("one")))
      yield* Effect.yieldNow()
      const second = yield* Effect.fork(flights.join("ada", "two", run("two")))
      const other = yield* Effect.fork(flights.join("bob", "three", run("three")))
      yield* Effect.yieldNow()
      yield* Effect.yieldNow()
      assert.deepStrictEqual(yield* Ref.get(log), ["one begins", "three begins"])
      assert.strictEqual(flights.size(), 2)
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(second), yield* Fiber.join(other)], ["one", "two", "three"])
      assert.isBelow((yield* Ref.get(log)).indexOf("one ends"), (yield* Ref.get(log)).indexOf("two begins"))
      assert.strictEqual(flights.size(), 0)
    }))

  it.scoped("fails only those who asked for what failed", () =>
    Effect.gen(function*() {
      const flights = makeSingleFlight<string, string>(yield* Effect.scope)
      const gate = yield* Deferred.make<void>()
      const bad = Effect.zipRight(Deferred.await(gate), Effect.fail("bad"))
      const fibers = yield* Effect.forEach([0, 1], () => Effect.fork(Effect.flip(flights.join("ada", "one", bad))))
      yield* Effect.yieldNow()
      const other = yield* Effect.fork(flights.join("ada", "two", Effect.succeed("good")))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber)), ["bad", "bad"])
      assert.strictEqual(yield* Fiber.join(other), "good")
    }))

  it.scoped("leaves nothing behind when its callers are interrupted at any moment", () =>
    Effect.gen(function*() {
      const flights = makeSingleFlight<string, never>(yield* Effect.scope)
      for (let i = 0; i < 50; i++) {
        const fiber = yield* Effect.fork(flights.join(`user ${i}`, "one", Effect.as(Effect.yieldNow(), "done")))
        if (i % 2 === 0) yield* Effect.yieldNow()
        yield* Fiber.interrupt(fiber)
      }
      for (let i = 0; i < 10; i++) yield* Effect.yieldNow()
      assert.strictEqual(flights.size(), 0)
    }))
})
