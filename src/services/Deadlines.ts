import type { Effect } from "effect"
import { Context } from "effect"

export interface Deadline {
  /** The call has made progress: its time starts again, but never past the longest a call may take. */
  readonly extend: Effect.Effect<void>
  /** The call is over; the deadline will not fire. */
  readonly stop: Effect.Effect<void>
}

/** The deadlines of all calls, watched by fibers that sleep while there are none. */
export class Deadlines extends Context.Tag("fjmcp/Deadlines")<Deadlines, {
  /** `expired` runs once, when the call's time is up; it must not wait for anything. */
  readonly start: (expired: Effect.Effect<void>) => Effect.Effect<Deadline>
}>() {}
