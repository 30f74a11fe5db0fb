import type { Scope } from "effect"
import { Clock, Duration, Effect, Option } from "effect"
import { untilDeadline } from "../services/Schedules.ts"

/** What waits for its time. `onDue` must not wait for anything. */
export interface Timed {
  readonly onDue: Effect.Effect<void>
}

/** Many waits of one length. */
export interface Wheel {
  /** `onDue` runs once, when the length of the wheel has passed; what waits already begins anew. */
  readonly start: (timed: Timed) => void
  readonly stop: (timed: Timed) => void
  readonly has: (timed: Timed) => boolean
}

/**
 * One fiber, of this scope, for all that wait for the same length of time; it sleeps while nothing does. What is started or
 * begins anew goes to the end of a queue, and a Map keeps that order: each step costs the same, however many wait.
 */
export const makeWheel = (length: Duration.Duration): Effect.Effect<Wheel, never, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const millis = Duration.toMillis(length)
    const queue = new Map<Timed, number>()
    const awake = yield* Effect.makeLatch(false)

    /** Milliseconds until the first is due; nothing where there is none, and then the latch is closed in the same step. */
    const untilFirst = Effect.map(Clock.currentTimeMillis, (now) => {
      const [first] = queue.values()
      if (first !== undefined) return Option.some(Math.max(0, first - now))
      awake.unsafeClose()
      return Option.none<number>()
    })
    const runDue = Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const due: Array<Timed> = []
      for (const [timed, at] of queue) {
        if (at > now) break
        due.push(timed)
      }
      return Effect.forEach(due, (timed) => {
        // What one brings about may have stopped the next, or let it begin anew.
        if ((queue.get(timed) ?? Infinity) > now) return Effect.void
        queue.delete(timed)
        // One that dies must not take the watch over all others along.
        return Effect.catchAllCause(timed.onDue, (cause) => Effect.logError("deadline.died", cause))
      }, { discard: true })
    })
    // A sleep never has to be cut short: what is started later is due later.
    yield* awake.await.pipe(
      Effect.zipRight(untilFirst),
      Effect.flatMap(Option.match({ onNone: () => Effect.void, onSome: (wait) => Effect.schedule(runDue, untilDeadline(wait)) })),
      Effect.forever,
      Effect.interruptible,
      Effect.forkScoped
    )

    return {
      start: (timed) => {
        queue.delete(timed)
        queue.set(timed, clock.unsafeCurrentTimeMillis() + millis)
        if (queue.size === 1) awake.unsafeOpen()
      },
      stop: (timed) => void queue.delete(timed),
      has: (timed) => queue.has(timed)
    }
  })
