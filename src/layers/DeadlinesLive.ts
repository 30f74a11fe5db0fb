import { Effect, Layer } from "effect"
import { AppConfig } from "../services/AppConfig.ts"
import type { Deadline } from "../services/Deadlines.ts"
import { Deadlines } from "../services/Deadlines.ts"
import type { Timed } from "./Wheel.ts"
import { makeWheel } from "./Wheel.ts"

/** Two wheels: every call gets the same time, and begins it anew with each progress; and the same longest time. */
const make = Effect.gen(function*() {
  const config = yield* AppConfig
  const soft = yield* makeWheel(config.callTimeout)
  const hard = yield* makeWheel(config.callTimeoutMax)

  return Deadlines.of({
    start: (expired) =>
      Effect.sync(() => {
        const stop = () => {
          soft.stop(call)
          hard.stop(call)
        }
        const call: Timed = {
          onDue: Effect.suspend(() => {
            stop()
            return expired
          })
        }
        soft.start(call)
        hard.start(call)
        const deadline: Deadline = {
          extend: Effect.sync(() => {
            if (soft.has(call)) soft.start(call)
          }),
          stop: Effect.sync(stop)
        }
        return deadline
      })
  })
})

export const DeadlinesLive = Layer.scoped(Deadlines, make)
