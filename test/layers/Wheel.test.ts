import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, TestClock } from "effect"
import type { Timed } from "../../src/layers/Wheel.ts"
import { makeWheel } from "../../src/layers/Wheel.ts"

/** A wheel of a second, and what has come due on it, in order. */
const second = Effect.gen(function*() {
  const wheel = yield* makeWheel(Duration.seconds(1))
  const due = new Array<string>()
  const timed = (name: string): Timed => ({ onDue: Effect.sync(() => void due.push(name)) })
  return { wheel, due, timed }
})

describe("a wheel", () => {
  it.scoped("runs what waits when its time has come, once; what begins anew waits its whole time again; what is stopped does not run", () =>
    Effect.gen(function*() {
      const { due, timed, wheel } = yield* second
      const [a, b, c] = [timed("a"), timed("b"), timed("c")]
      wheel.start(a)
      yield* TestClock.adjust("400 millis")
      wheel.start(b)
      wheel.start(c)
      yield* TestClock.adjust("400 millis")
      wheel.start(a)
      wheel.stop(c)
      yield* TestClock.adjust("599 millis")
      assert.deepStrictEqual([due, wheel.has(a), wheel.has(b), wheel.has(c)], [[], true, true, false])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(due, ["b"])
      yield* TestClock.adjust("400 millis")
      assert.deepStrictEqual([due, wheel.has(a)], [["b", "a"], false])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(due, ["b", "a"])
      wheel.start(a)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(due, ["b", "a", "a"])
    }))

  it.scoped("goes on when one of them dies", () =>
    Effect.gen(function*() {
      const { due, timed, wheel } = yield* second
      wheel.start({ onDue: Effect.die("bad") })
      wheel.start(timed("good"))
      yield* TestClock.adjust("1 second")
      wheel.start(timed("later"))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(due, ["good", "later"])
    }))
})
