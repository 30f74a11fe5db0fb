/** Forgejo's API scopes in words for the consent page (the categories of `models/auth/access_token_scope.go`). */
const categories: Readonly<Record<string, string>> = {
  activitypub: "ActivityPub data",
  admin: "the administration of the whole instance",
  misc: "templates, licences and other general data",
  notification: "your notifications",
  organization: "your organisations and teams",
  package: "packages",
  issue: "issues, pull requests, comments and labels",
  repository: "repositories, their files, branches and releases",
  user: "your profile, keys and account settings"
}

const single: Readonly<Record<string, string>> = {
  openid: "Know who you are (your account's number)",
  profile: "See your name and picture",
  email: "See your e-mail address",
  groups: "See which organisations and teams you belong to",
  all: "Do everything that you can do on Forgejo",
  "public-only": "Reach public repositories and organisations only"
}

export interface ScopeLine {
  readonly scope: string
  readonly words: string
}

/** One line per scope of a space-separated list, what can change things first. An unknown scope is shown as it is. */
export const scopeLines = (scopes: string): ReadonlyArray<ScopeLine> => {
  const line = (scope: string): ScopeLine => {
    const [verb = "", category = ""] = scope.split(":")
    const things = categories[category]
    if (things === undefined) return { scope, words: single[scope] ?? scope }
    return { scope, words: verb === "write" ? `See and change ${things}` : `See ${things}` }
  }
  const rank = (scope: string) => scope === "all" || scope.startsWith("write:") ? 0 : scope.startsWith("read:") ? 1 : 2
  return scopes.split(" ").filter((scope) => scope !== "").map(line).sort((a, b) => rank(a.scope) - rank(b.scope))
}
