import { Effect, Layer } from "effect"
import { AppConfig } from "../services/AppConfig.ts"
import type { Deadline } from "../services/Deadlines.ts"
import { Deadlines } from "../services/Deadlines.ts"
import type { Timed, Wheel } from "./Wheel.ts"
import { makeWheel } from "./Wheel.ts"

class CallDeadline implements Deadline, Timed {
  private readonly soft: Wheel
  private readonly hard: Wheel
  private readonly expired: () => Effect.Effect<void>

  constructor(soft: Wheel, hard: Wheel, expired: () => Effect.Effect<void>) {
    this.soft = soft
    this.hard = hard
    this.expired = expired
    soft.start(this)
    hard.start(this)
  }

  extend(): void {
    if (this.soft.has(this)) this.soft.start(this)
  }

  stop(): void {
    this.soft.stop(this)
    this.hard.stop(this)
  }

  get onDue(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.stop()
      return this.expired()
    })
  }
}

/** Two wheels: every call gets the same time, and begins it anew with each progress; and the same longest time. */
const make = Effect.gen(function*() {
  const config = yield* AppConfig
  const soft = yield* makeWheel(config.callTimeout)
  const hard = yield* makeWheel(config.callTimeoutMax)
  return Deadlines.of({ start: (expired) => new CallDeadline(soft, hard, expired) })
})

export const DeadlinesLive = Layer.scoped(Deadlines, make)
