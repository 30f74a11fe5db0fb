import type { Effect } from "effect"
import { Context } from "effect"

/** What the loops of `layers/SweepLive.ts` do to grants. Nothing depends on when: expiry is checked on every use. */
export class GrantUpkeep extends Context.Tag("fjmcp/GrantUpkeep")<GrantUpkeep, {
  /** Ends grants that expired or whose code nobody redeemed; deletes expired tokens, nonces past the grace, grants ended 30 days ago. */
  readonly sweepExpired: Effect.Effect<void>
  /** Writes the last-use times that `verify` has gathered. */
  readonly flushUse: Effect.Effect<void>
}>() {}
