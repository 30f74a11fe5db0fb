import { Option } from "effect"

/** What the broker offers. `mcp:read` comes with read-only grants. */
export const offeredScopes = ["mcp"] as const

/**
 * Words that clients add by habit, and which ask for nothing of ours: dropped. (Some copy every scope they know,
 * `offline_access` first of all; a refresh token is given anyway.)
 */
const habitual = new Set(["offline_access", "openid", "profile", "email"])

/**
 * The scope to grant for a `scope` parameter. None asked: `mcp`. With `mcp` asked, other words are dropped (RFC 6749
 * section 3.3 lets us). Nothing where only words are asked that we do not offer: `invalid_scope`.
 */
export const grantedScope = (asked: Option.Option<string>): Option.Option<string> => {
  const words = Option.getOrElse(asked, () => "").split(" ").filter((word) => word !== "" && !habitual.has(word))
  return words.length === 0 || words.includes("mcp") ? Option.some("mcp") : Option.none()
}
