import type { Effect, Redacted } from "effect"
import { Context, Schema } from "effect"
import type { PendingLogin } from "./PendingLogins.ts"

/**
 * Why the way back from Forgejo did not end in a grant.
 * `collided`: two sign-ins of one user at once, once more will do; `unavailable`: Forgejo did not answer;
 * `refused`: Forgejo refuses this attempt (an old or used code); `misconfigured`: it refuses the broker's own credentials;
 * `wider`: it granted more than this broker asks for.
 */
export class SignInFailed extends Schema.TaggedError<SignInFailed>()("SignInFailed", {
  kind: Schema.Literal("collided", "unavailable", "refused", "misconfigured", "wider"),
  /** For the log, and free of secrets. */
  detail: Schema.String,
  /** The scopes beyond the configured ones. */
  excess: Schema.optionalWith(Schema.Array(Schema.String), { default: () => [] })
}) {}

export interface SignedIn {
  readonly code: Redacted.Redacted
  readonly userName: string
  /** They are told that a client with this account can do more harm than with another. */
  readonly isSiteAdmin: boolean
}

/** The last step of a sign-in: from Forgejo's code to ours. */
export class SignIns extends Context.Tag("fjmcp/SignIns")<SignIns, {
  /**
   * Exchanges Forgejo's code, stores the pair before anything else, checks the scope that was granted, makes the grant.
   * Goes on when the caller is interrupted: a browser that leaves must not cost the user the pair that Forgejo has already counted.
   * Gives the authorization code for the client, and who signed in.
   */
  readonly complete: (request: {
    readonly login: PendingLogin
    readonly upstreamCode: Redacted.Redacted
    readonly verifier: Redacted.Redacted
  }) => Effect.Effect<SignedIn, SignInFailed>
}>() {}
