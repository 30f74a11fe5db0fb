import type { Clock, Deferred } from "effect"
import { Effect, Option } from "effect"
import * as Registry from "../domain/SessionRegistry.ts"
import type { Departure, SessionState } from "../domain/SessionState.ts"
import { leave } from "../domain/SessionState.ts"
import type { OpenError, SessionEnded } from "../services/Sessions.ts"
import type { LiveSession } from "./LiveSession.ts"

/** One time that a session has a child: from the slot that it takes until its process group is gone. */
export interface Incarnation {
  readonly ready: Deferred.Deferred<LiveSession, OpenError | SessionEnded>
  /** What `ready` has been completed with, for those who would otherwise ask it at each call. */
  live: LiveSession | undefined
  /** Completed by whoever has put the session's state on `Leaving`. */
  readonly stop: Deferred.Deferred<void>
  /** Completed when the process group is gone. Whoever waited for it looks at the row then. */
  readonly done: Deferred.Deferred<Departure>
}

export type SessionEntry = Registry.Entry<Incarnation>
type Sessions = Registry.Registry<Incarnation>

/** All sessions that have a child. Whatever changes their states does so in one step here, with the time of that step. */
export class SessionTable {
  private registry: Sessions = Registry.empty()
  private readonly clock: Clock.Clock

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  get current(): Sessions {
    return this.registry
  }

  readonly get: Effect.Effect<Sessions> = Effect.sync(() => this.registry)

  /** At once. */
  step<A>(step: (registry: Sessions, now: number) => readonly [A, Sessions]): A {
    const [result, registry] = step(this.registry, this.clock.unsafeCurrentTimeMillis())
    this.registry = registry
    return result
  }

  modify<A>(step: (registry: Sessions, now: number) => readonly [A, Sessions]): Effect.Effect<A> {
    return Effect.sync(() => this.step(step))
  }

  update(step: (registry: Sessions, now: number) => Sessions): Effect.Effect<void> {
    return Effect.sync(() => {
      this.registry = step(this.registry, this.clock.unsafeCurrentTimeMillis())
    })
  }
}

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
  const here = (registry: Sessions) => Option.filter(Registry.find(registry, key), (entry) => entry.handle === handle)
  const stateIn = (registry: Sessions): SessionState => Option.match(here(registry), { onNone: () => initial, onSome: ({ state }) => state })
  const changed = (registry: Sessions, to: (state: SessionState) => SessionState) =>
    Registry.change(registry, key, (entry) => entry.handle === handle ? { ...entry, state: to(entry.state) } : entry)
  return {
    state: Effect.map(table.get, stateIn),
    change: (to) => table.update((registry, now) => changed(registry, (state) => to(state, now))),
    leaveIf: (isRight, to) =>
      table.modify((registry, now) => {
        const leaves = isRight(stateIn(registry), now)
        return [leaves, leaves ? changed(registry, (state) => leave(state, to)) : registry]
      }),
    release: table.update((registry) => Option.isSome(here(registry)) ? Registry.release(registry, key) : registry)
  }
}
