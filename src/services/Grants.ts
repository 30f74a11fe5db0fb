import type { Effect, Option, PubSub, Redacted } from "effect"
import { Context, Schema } from "effect"
import type { ClientKey, GrantId, UserId } from "../domain/Ids.ts"
import type { OAuthError } from "./OAuthErrors.ts"

/** What a current access token stands for. */
export interface Grant {
  readonly id: GrantId
  readonly userId: UserId
  readonly userName: string
  readonly clientKey: ClientKey
  readonly scope: string
}

/** Why a grant is over. */
export const GrantEnd = Schema.Literal(
  "revoked_by_client",
  "revoked_by_operator",
  "code_replayed",
  "refresh_token_reused",
  "upstream_gone",
  "upstream_changed",
  "expired"
)
export type GrantEnd = typeof GrantEnd.Type

export interface IssuedTokens {
  readonly accessToken: Redacted.Redacted
  readonly refreshToken: Redacted.Redacted
  /** Seconds. */
  readonly expiresIn: number
  readonly scope: string
}

/** The bearer token is unknown, expired or revoked (RFC 6750 section 3.1, `invalid_token`). */
export class TokenRejected extends Schema.TaggedError<TokenRejected>()("TokenRejected", {}) {}

/** Grants, and the codes and tokens that hang from them. Only hashes are stored. */
export class Grants extends Context.Tag("fjmcp/Grants")<Grants, {
  /** Makes a grant and its authorization code (single use, 2 minutes), in one transaction. */
  readonly create: (request: {
    readonly userId: UserId
    readonly userName: string
    readonly clientKey: ClientKey
    readonly scope: string
    readonly redirectUri: string
    readonly codeChallenge: string
    readonly resource: string
  }) => Effect.Effect<{ readonly grantId: GrantId; readonly code: Redacted.Redacted }>
  /** `grant_type=authorization_code`. A code that is presented again, with everything right, ends what it gave. */
  readonly redeem: (request: {
    readonly clientKey: ClientKey
    readonly code: Redacted.Redacted
    readonly redirectUri: Option.Option<string>
    readonly verifier: Option.Option<Redacted.Redacted>
    readonly resource: Option.Option<string>
  }) => Effect.Effect<IssuedTokens, OAuthError>
  /** `grant_type=refresh_token`: rotates; the same answer again within the grace; after it, or 50 rotations on, the grant ends. */
  readonly refresh: (request: {
    readonly clientKey: ClientKey
    readonly refreshToken: Redacted.Redacted
    readonly resource: Option.Option<string>
  }) => Effect.Effect<IssuedTokens, OAuthError>
  /** RFC 7009: an access token ends that token only, a refresh token ends the grant, an unknown one is no error. */
  readonly revoke: (request: { readonly clientKey: ClientKey; readonly token: Redacted.Redacted }) => Effect.Effect<void, OAuthError>
  /** On every MCP request. A token made for another resource than this broker's `/mcp` is refused. */
  readonly verify: (bearer: Redacted.Redacted) => Effect.Effect<Grant, TokenRejected>
  /** Whether the grant has neither ended nor expired. */
  readonly isLive: (id: GrantId) => Effect.Effect<boolean>
  readonly end: (id: GrantId, reason: GrantEnd) => Effect.Effect<void>
  readonly endOfUser: (userId: UserId, reason: GrantEnd) => Effect.Effect<void>
  /** Every grant that ends, once: sessions close on it. */
  readonly ended: PubSub.PubSub<GrantId>
}>() {}
