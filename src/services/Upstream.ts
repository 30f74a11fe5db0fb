import type { Effect, Option, Redacted } from "effect"
import { Context, Schema } from "effect"
import type { UserId } from "../domain/Ids.ts"

/**
 * Forgejo said no in a way that trying again will not change (its token endpoint answers all errors with HTTP 400).
 * `kind`: `grant` = the user must sign in again; `client` = the operator's client id or secret is wrong;
 * `token` = this access token is not accepted.
 */
export class UpstreamRefused extends Schema.TaggedError<UpstreamRefused>()("UpstreamRefused", {
  endpoint: Schema.String,
  kind: Schema.Literal("grant", "client", "token"),
  error: Schema.String,
  description: Schema.String
}) {}

/** Forgejo could not be asked, or answered with something that may pass: network, timeout, 5xx, 429, not JSON, too large. */
export class UpstreamUnavailable extends Schema.TaggedError<UpstreamUnavailable>()("UpstreamUnavailable", {
  endpoint: Schema.String,
  reason: Schema.String
}) {}

/** What one exchange or refresh yields. Claims are decoded, not verified: they come straight from the token endpoint. */
export interface TokenPair {
  readonly accessToken: Redacted.Redacted
  /** Absent or unchanged where Forgejo does not rotate (`INVALIDATE_REFRESH_TOKENS = false`, Gitea). */
  readonly refreshToken: Option.Option<Redacted.Redacted>
  /** Epoch milliseconds, by our clock: now plus `expires_in`. */
  readonly expiresAt: number
  /** `gnt`: Forgejo's grant, one per user and app. Another one means that the user revoked in between. */
  readonly upstreamGrant: Option.Option<number>
  /** `cnt` of the refresh token: the higher one is the newer pair. */
  readonly counter: Option.Option<number>
  /** `sub` of the id_token, where there is one. */
  readonly subject: Option.Option<UserId>
}

export interface UserInfo {
  readonly userId: UserId
  readonly userName: string
}

/** Forgejo, as an OAuth client sees it. Every call has a timeout and a size limit. */
export class Upstream extends Context.Tag("fjmcp/Upstream")<Upstream, {
  /** Where to send the browser (public address). Falls back to the fixed paths when discovery fails, so it cannot fail. */
  readonly authorizeUrl: (request: { readonly state: Redacted.Redacted; readonly codeChallenge: string }) => Effect.Effect<string>
  readonly exchange: (
    request: { readonly code: Redacted.Redacted; readonly verifier: Redacted.Redacted }
  ) => Effect.Effect<TokenPair, UpstreamRefused | UpstreamUnavailable>
  readonly refresh: (refreshToken: Redacted.Redacted) => Effect.Effect<TokenPair, UpstreamRefused | UpstreamUnavailable>
  readonly userinfo: (accessToken: Redacted.Redacted) => Effect.Effect<UserInfo, UpstreamRefused | UpstreamUnavailable>
  /** What Forgejo says of a token: an inactive one is not an error. `scope` is what was really granted. */
  readonly introspect: (
    token: Redacted.Redacted
  ) => Effect.Effect<{ readonly active: boolean; readonly scope: Option.Option<string> }, UpstreamRefused | UpstreamUnavailable>
  /** Whether the user administers the whole instance. False where the granted scopes do not let us see it. */
  readonly isSiteAdmin: (accessToken: Redacted.Redacted) => Effect.Effect<boolean, UpstreamUnavailable>
  /** Forgejo's version; asks without a token. */
  readonly version: Effect.Effect<string, UpstreamUnavailable>
}>() {}
