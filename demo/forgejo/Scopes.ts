const categories = ["activitypub", "admin", "misc", "notification", "organization", "package", "issue", "repository", "user"] as const

export type ScopeCategory = (typeof categories)[number]
export type ScopeLevel = "read" | "write"

/** What a token may do with the API. */
export interface ApiScope {
  readonly allows: (level: ScopeLevel, category: ScopeCategory) => boolean
  /** Private repositories are out of reach. */
  readonly publicOnly: boolean
}

const words: ReadonlySet<string> = new Set([
  "all",
  "public-only",
  ...categories.flatMap((category) => [`read:${category}`, `write:${category}`])
])

/**
 * The API part of a scope text. Unknown words are dropped; when no known one is left, everything is allowed
 * (Forgejo's choice: `openid profile` alone is full access). `write:` includes `read:`.
 */
export const apiScopeOf = (scope: string): ApiScope => {
  const known = new Set(scope.split(/[ ,]+/).filter((word) => words.has(word)))
  const everything = known.size === 0 || known.has("all")
  return {
    allows: (level, category) =>
      everything || known.has(`write:${category}`) || (level === "read" && known.has(`read:${category}`)),
    publicOnly: known.has("public-only")
  }
}

export const allScopes: ApiScope = apiScopeOf("all")

/** Whether a scope text holds an OIDC word such as `openid`. */
export const hasWord = (scope: string, word: string): boolean => scope.split(" ").includes(word)
