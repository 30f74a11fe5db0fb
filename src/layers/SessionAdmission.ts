import { Clock, Deferred, Duration, Effect, Option } from "effect"
import * as Registry from "../domain/SessionRegistry.ts"
import type { Departure } from "../domain/SessionState.ts"
import { forChild, leave, park, starting } from "../domain/SessionState.ts"
import type { Settings } from "../services/AppConfig.ts"
import type { OpenError, SessionEnded } from "../services/Sessions.ts"
import { Restarting, SessionsFull, StartsThrottled } from "../services/Sessions.ts"
import type { LiveSession } from "./LiveSession.ts"
import type { Opening } from "./SessionOpening.ts"
import type { Incarnation, SessionEntry, SessionTable } from "./SessionTable.ts"
import { placeOf } from "./SessionTable.ts"

/** Who asks for a slot. */
export type Newcomer = Pick<SessionEntry, "key" | "userId" | "clientKey" | "grantId" | "openedBy" | "claimed">

export interface Admitted {
  readonly entry: SessionEntry
  /** False where the session had a slot already. */
  readonly isNew: boolean
}

/** Seconds of `Retry-After`. */
const retryAfter = (millis: number): number => Math.min(60, Math.max(1, Math.ceil(millis / 1000)))

/** Tells the fiber of a session that is to leave. */
export const stop = (entry: SessionEntry): Effect.Effect<void> => Effect.asVoid(Deferred.succeed(entry.handle.stop, undefined))

/** Has a session leave. An end also reaches one that is just being parked. */
export const dismiss = (table: SessionTable, entry: SessionEntry, departure: Departure): Effect.Effect<void> =>
  Effect.zipRight(placeOf(table, entry).change((state) => leave(state, departure)), stop(entry))

type Run = (entry: SessionEntry, opening: Opening, victim: SessionEntry | undefined) => void

/**
 * Who gets a slot: domain/SessionRegistry.ts has the rules, `run` starts the fiber of a session that has one. Nobody gets
 * one once the daemon stops (`isClosing`): who has waited for a session that leaves would start a child then.
 */
export const makeAdmission = (table: SessionTable, config: Settings, isClosing: () => boolean, run: Run) => {
  const caps: Registry.Caps = { total: config.maxSessions, perUser: config.maxSessionsPerUser, startsPerMinute: config.maxStartsPerMinute }
  // After a restart each of a user's sessions comes back: that must cost nobody more than the time that it takes.
  const capsOfRevivals: Registry.Caps = { ...caps, startsPerMinute: caps.startsPerMinute + caps.perUser }
  const patience: Registry.Patience = { start: Duration.toMillis(config.startTimeout), call: Duration.toMillis(config.callTimeout) }
  const eviction = forChild(park("evicted"), config.childStateful)

  /** In one step, so that no two can pass the check: takes a slot and starts the session's fiber, or joins the one that `existing` finds. */
  return (
    newcomer: Newcomer,
    opening: Opening,
    existing: (registry: Registry.Registry<Incarnation>) => Option.Option<SessionEntry>
  ): Effect.Effect<Admitted, SessionsFull | StartsThrottled | Restarting> =>
    Effect.uninterruptible(Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const handle: Incarnation = {
        ready: yield* Deferred.make<LiveSession, OpenError | SessionEnded>(),
        live: undefined,
        stop: yield* Deferred.make<void>(),
        done: yield* Deferred.make<Departure>()
      }
      const { claimed, clientKey, grantId, key, openedBy, userId } = newcomer
      const fresh = { key, userId, clientKey, grantId, openedBy, claimed, adopted: false, state: starting(now), handle }
      type Joined = { readonly _tag: "Joined"; readonly entry: SessionEntry }
      type Closed = { readonly _tag: "Closed" }
      const admission = yield* table.modify((registry): [Registry.Admission<Incarnation> | Joined | Closed, Registry.Registry<Incarnation>] => {
        const found = existing(registry)
        if (Option.isSome(found)) return [{ _tag: "Joined", entry: found.value }, registry]
        if (isClosing()) return [{ _tag: "Closed" }, registry]
        const decided = Registry.admit(registry, fresh, opening._tag === "Again" ? capsOfRevivals : caps, eviction, now)
        return [decided, decided._tag === "Admitted" ? decided.registry : registry]
      })
      switch (admission._tag) {
        case "Joined":
          return { entry: admission.entry, isNew: false }
        case "Closed":
          return yield* new Restarting()
        case "Full": {
          const wait = Registry.untilSlot(yield* table.get, admission.cap === "user" ? userId : undefined, now, patience)
          return yield* new SessionsFull({ cap: admission.cap, retryAfter: retryAfter(wait) })
        }
        case "Throttled":
          return yield* new StartsThrottled({ limit: caps.startsPerMinute, retryAfter: retryAfter(admission.wait) })
        case "Admitted": {
          const entry = { ...fresh, holdsSlot: true }
          // One that is leaving goes by itself: it may have calls to finish.
          if (admission.victim !== undefined && admission.victim.state._tag !== "Leaving") yield* stop(admission.victim)
          run(entry, opening, admission.victim)
          return { entry, isNew: true }
        }
      }
    }))
}

export type Admission = ReturnType<typeof makeAdmission>
