import { Either } from "effect"
import { type FormatProblem, shown, wrong } from "./Formats.ts"
import { nearest } from "./Nearest.ts"

/** What OpenID Connect knows; to Forgejo these are no API scopes. */
const identityWords = ["openid", "profile", "email", "groups"] as const
const categories = ["user", "organization", "misc", "repository", "issue", "notification", "package", "activitypub", "admin"] as const

/** Every word that Forgejo knows (`models/auth/access_token_scope.go`), in the order in which the broker asks for them. */
export const knownScopes: ReadonlyArray<string> = [
  ...identityWords,
  ...categories.map((category) => `read:${category}`),
  ...categories.map((category) => `write:${category}`),
  "all",
  "public-only"
]

/** What forgejo-mcp's usual tools need. */
export const defaultScopes =
  "openid profile groups read:user read:organization read:misc write:repository write:issue write:notification"

const example = "openid profile read:user write:repository write:issue"
const wordsOf = (text: string): ReadonlyArray<string> => text.split(/[\s,]+/).filter((word) => word !== "")
const isIdentityWord = (word: string): boolean => identityWords.some((known) => known === word)

/**
 * The configured scopes in one order, whatever theirs was: Forgejo compares the literal string, and a reordered setting
 * must not send every user to the consent page again.
 * A list without a known API scope is refused: Forgejo takes it for `all`, and Gitea does so for one wrong word among right ones.
 */
export const parseScopes = (text: string): Either.Either<string, FormatProblem> => {
  const words = wordsOf(text)
  const unknown = words.find((word) => !knownScopes.includes(word))
  if (unknown !== undefined) {
    const meant = nearest(unknown, knownScopes)
    return wrong(`has the unknown word ${shown(unknown)}${meant === undefined ? "" : `; did you mean "${meant}"?`}`, example)
  }
  if (!words.some((word) => word === "all" || word.includes(":"))) {
    return wrong("names no API scope (read:... or write:...), which Forgejo takes for full power over the user's account", example)
  }
  return Either.right(knownScopes.filter((word) => words.includes(word)).join(" "))
}

/**
 * What Forgejo granted beyond the configuration, in words for the log; empty where the grant is as asked or narrower.
 * `write:` includes `read:`. A grant without any API word (also an empty one, and one of unknown words only) means `all`.
 * A word that is unknown here counts as wider: a newer Forgejo may know it.
 */
export const widerThan = (granted: string, configured: string): ReadonlyArray<string> => {
  const asked = new Set(wordsOf(configured))
  const api = wordsOf(granted).filter((word) => !isIdentityWord(word))
  const given = api.some((word) => knownScopes.includes(word)) ? api : ["all"]
  const covered = (word: string): boolean =>
    word === "public-only" || asked.has(word) || asked.has("all") ||
    (word.startsWith("read:") && asked.has(word.replace("read:", "write:")))
  const wider = [...new Set(given.filter((word) => !covered(word)))]
  return asked.has("public-only") && !given.includes("public-only") ? [...wider, "private repositories (no public-only)"] : wider
}
