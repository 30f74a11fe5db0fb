import type { Effect } from "effect"
import { Context } from "effect"
import type { JsonObject } from "../domain/JsonRpc.ts"

/** What is known of the child's program. */
export interface Snapshot {
  /** Its `InitializeResult`. */
  readonly told: JsonObject
  /** Whether no child has said so yet. */
  readonly isGuess: boolean
}

/**
 * What the child's program answers to `initialize`: the same for all users, since capabilities are a matter of the
 * program. Outlives children and daemon, so that `server/discover` needs neither a child nor a user's token.
 */
export class ServerSnapshot extends Context.Tag("fjmcp/ServerSnapshot")<ServerSnapshot, {
  readonly current: () => Snapshot
  /** A child has answered `initialize` so. */
  readonly learn: (told: JsonObject) => Effect.Effect<void>
}>() {}
