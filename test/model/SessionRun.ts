import { assert } from "@effect/vitest"
import { Effect, FastCheck as fc, Fiber, Option, Ref, Runtime, Supervisor, TestClock, TestContext } from "effect"
import type { Command, Real } from "./Step.ts"
import type { SessionModel } from "./SessionModel.ts"
import type { Outside } from "./SessionWorld.ts"
import { collectErrors, outside, SessionWorld, settled } from "./SessionWorld.ts"

/** One run: everything is built, lived through, and closed; then nothing may be left. */
export const agrees = (sequence: Iterable<Command>) =>
  Effect.gen(function*() {
    const supervisor = yield* Supervisor.track
    const errors = yield* Ref.make<ReadonlyArray<string>>([])
    const world = yield* Effect.gen(function*() {
      const context = yield* Effect.context<Outside>()
      const world = new SessionWorld(context)
      yield* world.start
      const run = Runtime.runPromise(yield* Effect.runtime<never>())
      yield* Effect.promise(() => fc.asyncModelRun<SessionModel, Real, false, SessionModel>(() => ({ model: world.model, real: { world, run } }), sequence)).pipe(
        Effect.ensuring(Effect.flatMap(Effect.fork(world.stop), (stopping) => settled.pipe(Effect.zipRight(TestClock.adjust("1 minute")), Effect.zipRight(Fiber.join(stopping)))))
      )
      for (const { fiber } of world.asked) assert.isTrue(Option.isSome(yield* Fiber.poll(fiber)), "nobody waits any more")
      return world
    }).pipe(Effect.provide(outside), Effect.provide(collectErrors(errors)), Effect.supervised(supervisor))
    assert.deepStrictEqual(world.play.children.filter(({ alive, released }) => alive || !released), [], "no child is left, and each was let go")
    assert.deepStrictEqual((yield* supervisor.value).map((fiber) => fiber.id()), [], "no fiber is left")
    assert.deepStrictEqual(yield* Ref.get(errors), [], "nothing has gone wrong unseen")
  }).pipe(Effect.provide(TestContext.TestContext), Effect.runPromise)

