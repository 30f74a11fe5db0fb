import type { Effect, Option, Redacted } from "effect"
import { Context, Schema } from "effect"
import type { UserId } from "../domain/Ids.ts"
import type { TokenPair, UpstreamUnavailable } from "./Upstream.ts"

/** The user's Forgejo authorization is over: their grants have ended, and clients must sign in again. */
export class UpstreamGone extends Schema.TaggedError<UpstreamGone>()("UpstreamGone", { userId: Schema.String }) {}

export interface AccessToken {
  readonly token: Redacted.Redacted
  /** Epoch milliseconds. */
  readonly expiresAt: number
  /** Epoch milliseconds: from then on it should be replaced before it is used. `current` does so by itself. */
  readonly staleAt: number
}

/** The users' Forgejo token pairs: one row per user, sealed. */
export class UpstreamTokens extends Context.Tag("fjmcp/UpstreamTokens")<UpstreamTokens, {
  /**
   * Keeps a pair, uninterruptibly. It replaces the stored one only if its Forgejo grant differs or its counter is
   * higher (without claims the last one wins). Where the Forgejo grant differs, all grants of the user end first.
   */
  readonly store: (userId: UserId, pair: TokenPair) => Effect.Effect<void>
  /** Marks a sign-in between its redirect and its stored pair: a refused refresh waits for it before it judges. */
  readonly duringSignIn: <A, E, R>(signIn: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /**
   * Records the scope that Forgejo says it granted. A wider one than configured, where that is refused, ends the user's
   * grants and forgets the pair: they all would work with it.
   */
  readonly recordScope: (userId: UserId, scope: string) => Effect.Effect<void>
  /**
   * The user's access token, refreshed first where little of its life is left; one refresh at a time per user. Gone where
   * its recorded scope is wider than configured and that is refused: an operator may have narrowed the setting since.
   */
  readonly current: (userId: UserId) => Effect.Effect<AccessToken, UpstreamGone | UpstreamUnavailable>
  /**
   * To be called when Forgejo refused `token` with 401: asks userinfo, refreshes where it agrees, and judges a refused
   * refresh. Gives the token to go on with, which may be the same one (the 401 had another reason).
   */
  readonly recheck: (userId: UserId, token: Redacted.Redacted) => Effect.Effect<AccessToken, UpstreamGone | UpstreamUnavailable>
  /**
   * To be called after a child answered a call with an error: the reason may be that Forgejo does not take `token` any
   * more. Asks userinfo, at most twice in any minute and user, beyond which it waits, and once for all who suspect the same token meanwhile.
   * Nothing where the token is fine, or that cannot be told now. Else the token to go on with: the stored one where
   * another has taken the place of `token` since (nobody is asked then), or the renewed one; gone as in `recheck`.
   */
  readonly suspect: (
    userId: UserId,
    token: Redacted.Redacted
  ) => Effect.Effect<Option.Option<AccessToken>, UpstreamGone | UpstreamUnavailable>
  /**
   * Forgets the pairs of users who have no grant left, 10 minutes after they were stored: until then a sign-in may still
   * need one. Forgejo has no revocation endpoint: its own grant stays until the user revokes it there.
   */
  readonly forgetUngranted: Effect.Effect<void>
}>() {}
