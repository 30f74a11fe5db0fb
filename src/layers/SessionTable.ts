import type { Deferred } from "effect"
import { Clock, Effect, Option, Ref } from "effect"
import type { SessionKey } from "../domain/Ids.ts"
import * as Registry from "../domain/SessionRegistry.ts"
import type { Departure, SessionState } from "../domain/SessionState.ts"
import { leave } from "../domain/SessionState.ts"
import type { OpenError, SessionEnded } from "../services/Sessions.ts"
import type { LiveSession } from "./LiveSession.ts"

/** One time that a session has a child: from the slot that it takes until its process group is gone. */
export interface Incarnation {
  readonly ready: Deferred.Deferred<LiveSession, OpenError | SessionEnded>
  /** Completed by whoever has put the session's state on `Leaving`. */
  readonly stop: Deferred.Deferred<void>
  /** Completed when the process group is gone. Whoever waited for it looks at the row then. */
  readonly done: Deferred.Deferred<Departure>
}

export type SessionEntry = Registry.Entry<Incarnation>
/** All sessions that have a child. Whatever changes their states does so in one step of this Ref. */
export type SessionTable = Ref.Ref<Registry.Registry<Incarnation>>

/** One session's place in the table, for the fiber that it belongs to. */
export interface Place {
  readonly state: Effect.Effect<SessionState>
  readonly change: (to: (state: SessionState, now: number) => SessionState) => Effect.Effect<void>
  /** Leaves if the state is right for it, in one step with the look: a call comes either before, or finds the session leaving. */
  readonly leaveIf: (isRight: (state: SessionState, now: number) => boolean, to: Departure) => Effect.Effect<boolean>
  readonly release: Effect.Effect<void>
}

export const placeOf = (table: SessionTable, key: SessionKey, initial: SessionState): Place => {
  const stateIn = (registry: Registry.Registry<Incarnation>): SessionState =>
    Option.match(Registry.find(registry, key), { onNone: () => initial, onSome: ({ state }) => state })
  return {
    state: Effect.map(Ref.get(table), stateIn),
    change: (to) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Ref.update(table, (registry) => Registry.changeState(registry, key, (state) => to(state, now)))),
    leaveIf: (isRight, to) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Ref.modify(table, (registry) => {
          const leaves = isRight(stateIn(registry), now)
          return [leaves, leaves ? Registry.changeState(registry, key, (state) => leave(state, to)) : registry]
        })),
    release: Ref.update(table, (registry) => Registry.release(registry, key))
  }
}
