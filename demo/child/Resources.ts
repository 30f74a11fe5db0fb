import type { ForgejoApi } from "./ForgejoApi.ts"

// Template after "forgejo://" and the API path that it stands for.
const table: ReadonlyArray<readonly [name: string, template: string, path: string]> = [
  ["User", "user/{username}", "/users/{username}"],
  ["User repositories", "user/{username}/repos", "/users/{username}/repos"],
  ["Organization", "org/{org}", "/orgs/{org}"],
  ["Organization members", "org/{org}/members", "/orgs/{org}/members"],
  ["Organization teams", "org/{org}/teams", "/orgs/{org}/teams"],
  ["Repository", "repo/{owner}/{repo}", "/repos/{owner}/{repo}"],
  ["Branch", "repo/{owner}/{repo}/branch/{branch}", "/repos/{owner}/{repo}/branches/{branch}"],
  ["Commit", "repo/{owner}/{repo}/commit/{sha}", "/repos/{owner}/{repo}/git/commits/{sha}"],
  ["Issue", "repo/{owner}/{repo}/issue/{index}", "/repos/{owner}/{repo}/issues/{index}"],
  ["Issue comments", "repo/{owner}/{repo}/issue/{index}/comments", "/repos/{owner}/{repo}/issues/{index}/comments"],
  ["Label", "repo/{owner}/{repo}/label/{id}", "/repos/{owner}/{repo}/labels/{id}"],
  ["Milestone", "repo/{owner}/{repo}/milestone/{id}", "/repos/{owner}/{repo}/milestones/{id}"],
  ["Pull request", "repo/{owner}/{repo}/pull/{index}", "/repos/{owner}/{repo}/pulls/{index}"],
  ["Pull request reviews", "repo/{owner}/{repo}/pull/{index}/reviews", "/repos/{owner}/{repo}/pulls/{index}/reviews"],
  ["Release", "repo/{owner}/{repo}/release/{id}", "/repos/{owner}/{repo}/releases/{id}"],
  ["Tag", "repo/{owner}/{repo}/tag/{tag}", "/repos/{owner}/{repo}/tags/{tag}"],
  ["Wiki page", "repo/{owner}/{repo}/wiki/{name}", "/repos/{owner}/{repo}/wiki/page/{name}"]
]

/** The 17 resource templates; there are no static resources. */
export const resourceTemplates = table.map(([name, template]) => ({
  name,
  uriTemplate: `forgejo://${template}`,
  mimeType: "application/json"
}))

/** The JSON of the resource at `uri`; undefined when no template fits. */
export const readResource = async (api: ForgejoApi, uri: string): Promise<string | undefined> => {
  for (const [, template, path] of table) {
    const names = [...template.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name)
    const match = new RegExp(`^forgejo://${template.replace(/\{\w+\}/g, "([^/]+)")}$`).exec(uri)
    if (match === null) continue
    const values = new Map(names.map((name, at) => [name, match[at + 1] ?? ""]))
    return JSON.stringify(await api.call("GET", path.replace(/\{(\w+)\}/g, (_, name: string) => values.get(name) ?? "")))
  }
  return undefined
}
