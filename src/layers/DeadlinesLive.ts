import { Clock, Duration, Effect, Layer, Option } from "effect"
import { AppConfig } from "../services/AppConfig.ts"
import type { Deadline } from "../services/Deadlines.ts"
import { Deadlines } from "../services/Deadlines.ts"
import { untilDeadline } from "../services/Schedules.ts"

interface Entry {
  readonly expired: Effect.Effect<void>
}

/**
 * Two queues in the order of time. Every call gets the same time, so a new or extended entry always goes to the end, and
 * a Map keeps that order: starting, extending and stopping cost the same however many calls are open.
 */
const make = Effect.gen(function*() {
  const config = yield* AppConfig
  const perCall = Duration.toMillis(config.callTimeout)
  const longest = Duration.toMillis(config.callTimeoutMax)
  const soft = new Map<Entry, number>()
  const hard = new Map<Entry, number>()
  const awake = yield* Effect.makeLatch(false)

  const stop = (entry: Entry) => {
    soft.delete(entry)
    hard.delete(entry)
  }
  const front = (queue: Map<Entry, number>): number => queue.values().next().value ?? Infinity
  const due = (now: number): ReadonlyArray<Entry> => {
    const entries: Array<Entry> = []
    for (const queue of [soft, hard]) {
      for (const [entry, at] of queue) {
        if (at > now) break
        entries.push(entry)
      }
    }
    return [...new Set(entries)]
  }

  /** Milliseconds until the first deadline; nothing where there is none, and then the latch is closed in the same step. */
  const untilFirst = Effect.map(Clock.currentTimeMillis, (now) => {
    if (soft.size > 0) return Option.some(Math.max(0, Math.min(front(soft), front(hard)) - now))
    awake.unsafeClose()
    return Option.none<number>()
  })
  const expireDue = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const expired = due(now)
    for (const entry of expired) stop(entry)
    // One that dies must not take the watch over all others along.
    return Effect.forEach(expired, (entry) => Effect.catchAllCause(entry.expired, (cause) => Effect.logError("deadline.died", cause)), { discard: true })
  })
  // The owner is this layer's scope. A sleep never has to be cut short: what is started later is due later.
  yield* awake.await.pipe(
    Effect.zipRight(untilFirst),
    Effect.flatMap(Option.match({ onNone: () => Effect.void, onSome: (millis) => Effect.schedule(expireDue, untilDeadline(millis)) })),
    Effect.forever,
    Effect.interruptible,
    Effect.forkScoped
  )

  return Deadlines.of({
    start: (expired) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const entry: Entry = { expired }
        soft.set(entry, now + perCall)
        hard.set(entry, now + longest)
        const deadline: Deadline = {
          extend: Effect.map(Clock.currentTimeMillis, (later) => {
            if (soft.delete(entry)) soft.set(entry, later + perCall)
          }),
          stop: Effect.sync(() => stop(entry))
        }
        return Effect.as(awake.open, deadline)
      })
  })
})

export const DeadlinesLive = Layer.scoped(Deadlines, make)
