import type { Effect } from "effect"
import { Context } from "effect"

/** Whether the daemon is stopping. */
export class Draining extends Context.Tag("fjmcp/Draining")<Draining, {
  /** True from the moment of the signal on: new work is refused with 503. */
  readonly isDraining: () => boolean
  /** Called once, by the layer that owns the HTTP server. */
  readonly begin: Effect.Effect<void>
}>() {}
