import type { Deferred } from "effect"
import { Clock, Effect, Option, Ref } from "effect"
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

export const placeOf = (table: SessionTable, { handle, key, state: initial }: Pick<SessionEntry, "handle" | "key" | "state">): Place => {
  // Whoever waited may come when the key has its next incarnation, whose state is not theirs to change.
  const here = (registry: Registry.Registry<Incarnation>) => Option.filter(Registry.find(registry, key), (entry) => entry.handle === handle)
  const stateIn = (registry: Registry.Registry<Incarnation>): SessionState =>
    Option.match(here(registry), { onNone: () => initial, onSome: ({ state }) => state })
  const changed = (registry: Registry.Registry<Incarnation>, to: (state: SessionState) => SessionState) =>
    Option.isSome(here(registry)) ? Registry.changeState(registry, key, to) : registry
  return {
    state: Effect.map(Ref.get(table), stateIn),
    change: (to) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => Ref.update(table, (registry) => changed(registry, (state) => to(state, now)))),
    leaveIf: (isRight, to) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Ref.modify(table, (registry) => {
          const leaves = isRight(stateIn(registry), now)
          return [leaves, leaves ? changed(registry, (state) => leave(state, to)) : registry]
        })),
    release: Ref.update(table, (registry) => Option.isSome(here(registry)) ? Registry.release(registry, key) : registry)
  }
}
