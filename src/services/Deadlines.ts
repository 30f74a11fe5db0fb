import type { Effect } from "effect"
import { Context } from "effect"

export interface Deadline {
  /** The call has made progress: its time starts again, but never past the longest a call may take. */
  readonly extend: () => void
  /** The call is over; the deadline will not fire. */
  readonly stop: () => void
}

/** The deadlines of all calls, watched by fibers that sleep while there are none. */
export class Deadlines extends Context.Tag("fjmcp/Deadlines")<Deadlines, {
  /** At once. What `expired` gives runs when the call's time is up; it must not wait for anything. */
  readonly start: (expired: () => Effect.Effect<void>) => Deadline
}>() {}
