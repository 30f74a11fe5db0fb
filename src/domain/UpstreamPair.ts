import { Option } from "effect"

/** What a token pair says of its age. `gnt` and `cnt` are claims of Forgejo's tokens; other servers may have none. */
export interface PairClaims {
  /** `gnt`: Forgejo's grant, one per user and app. */
  readonly upstreamGrant: Option.Option<number>
  /** `cnt` of the refresh token: raised at each issue while `INVALIDATE_REFRESH_TOKENS` is true (Forgejo's default). */
  readonly counter: Option.Option<number>
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

/**
 * What to do with a pair that has arrived.
 * `replace`: it is the newer one. `changed`: it replaces the stored one, and the user had revoked in between, so that the
 * grants which hung from the old one end first. `keep`: the stored one is newer.
 */
export type PairDecision = "replace" | "changed" | "keep"

/**
 * Answers can overtake each other (a sign-in beside a refresh), so arrival says nothing: with the counter the higher one
 * wins, without claims the last one. Equal counters mean that the server does not count (Gitea, or
 * `INVALIDATE_REFRESH_TOKENS = false`); there the pair that lives longer wins.
 */
export const decidePair = (stored: Option.Option<PairClaims>, next: PairClaims): PairDecision => {
  if (Option.isNone(stored)) return "replace"
  const current = stored.value
  if (
    Option.isSome(current.upstreamGrant) && Option.isSome(next.upstreamGrant) && current.upstreamGrant.value !== next.upstreamGrant.value
  ) return "changed"
  if (Option.isNone(current.counter) || Option.isNone(next.counter)) return "replace"
  if (current.counter.value !== next.counter.value) return next.counter.value > current.counter.value ? "replace" : "keep"
  return next.expiresAt > current.expiresAt ? "replace" : "keep"
}

/** The longest time before its end in which an access token is refreshed, in milliseconds. */
const longestLeeway = 10 * 60_000

/**
 * From when on an access token should be refreshed before it is used, in epoch milliseconds: a quarter of its life is
 * left, or ten minutes. The quarter is for servers with short tokens, which would be refreshed at each use otherwise.
 */
export const staleAt = (pair: { readonly obtainedAt: number; readonly expiresAt: number }): number =>
  Math.ceil(pair.expiresAt - Math.min(longestLeeway, Math.max(0, pair.expiresAt - pair.obtainedAt) / 4))

export const isStale = (pair: { readonly obtainedAt: number; readonly expiresAt: number }, now: number): boolean => now >= staleAt(pair)
