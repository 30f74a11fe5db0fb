import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js"
import type { CatalogTool } from "./Catalog.ts"
import { catalog } from "./Catalog.ts"
import type { ForgejoApi } from "./ForgejoApi.ts"
import type { ToolListing } from "./ToolSchema.ts"
import { catalogListing, listing, pathArguments } from "./ToolSchema.ts"

const issuesPath = "/repos/{owner}/{repo}/issues"
const issuePath = `${issuesPath}/{index}`
const assetPath = "/repos/{owner}/{repo}/releases/{release_id}/assets/{attachment_id}"

export type Arguments = Readonly<Record<string, unknown>>

export interface Tool {
  readonly listing: ToolListing
  /** Fails with the text that the client gets as a JSON-RPC error -32603. */
  readonly run: (args: Arguments) => Promise<CallToolResult>
}

/** One text with `{"Result": ...}`, the form of every answer. */
export const resultOf = (value: unknown): CallToolResult => ({
  content: [{ type: "text", text: JSON.stringify({ Result: value ?? null }) }]
})

const required = (args: Arguments, name: string): string | number => {
  const value = args[name]
  if ((typeof value === "string" && value !== "") || typeof value === "number") return value
  throw new Error(`${name} is required`)
}

const queryOf = (args: Arguments, names: ReadonlyArray<string>): URLSearchParams => {
  const query = new URLSearchParams()
  for (const name of names) {
    const value = args[name]
    if (value !== undefined && value !== null) query.set(name, String(value))
  }
  return query
}

const pathOf = (path: string, args: Arguments): string =>
  path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(required(args, name))))

const runCatalogTool = async (api: ForgejoApi, tool: CatalogTool, args: Arguments): Promise<unknown> => {
  const path = pathOf(tool.path, args)
  const names = tool.args.map(({ name }) => name)
  for (const { name, required: must } of tool.args) {
    if (must && args[name] === undefined) throw new Error(`${name} is required`)
  }
  if (tool.method === "GET" || tool.method === "DELETE") return api.call(tool.method, path, { query: queryOf(args, names) })
  return api.call(tool.method, path, { body: Object.fromEntries(names.flatMap((name) => name in args ? [[name, args[name]]] : [])) })
}

/**
 * Downloads what `browser_download_url` names and sends the user's token there, as the original does. An asset of type
 * "external" may lead to anybody's server: this is the leak that the broker closes by refusing the tool.
 */
const downloadReleaseAttachment = async (api: ForgejoApi, args: Arguments): Promise<CallToolResult> => {
  const path = pathOf(assetPath, args)
  const asset = Object(await api.call("GET", path)) as { readonly browser_download_url?: string; readonly name?: string }
  const { browser_download_url: url, name } = asset
  if (url === undefined) throw new Error("attachment has no download url")
  const answer = await api.fetchWithToken(url)
  if (answer.status !== 200) throw new Error(`failed to download attachment: unexpected status code ${answer.status}`)
  const result = resultOf({ name, size: answer.body.length, content_type: answer.contentType })
  if (answer.body.length >= 1024 * 1024) return result
  const blob = { uri: url, mimeType: answer.contentType || "application/octet-stream", blob: answer.body.toString("base64") }
  return { content: [...result.content, { type: "resource", resource: blob }] }
}

/** The tools whose call is more than a row of the catalog can say. */
const handWritten = (api: ForgejoApi, version: string): ReadonlyArray<Tool> => [
  {
    listing: listing("get_forgejo_mcp_server_version", "Get the version of this server; makes no call", []),
    run: async () => resultOf({ version })
  },
  {
    listing: listing("list_repo_issues", "List the issues of a repository", [
      ...pathArguments(issuesPath),
      ...["state", "type", "labels", "milestones", "q", "page", "limit"].map((name) => ({ name, required: false }))
    ]),
    run: async (args) => {
      const query = queryOf(args, ["state", "labels", "milestones", "q", "page", "limit"])
      // The Go client sends it always, empty too.
      query.set("type", String(args["type"] ?? ""))
      return resultOf(await api.call("GET", pathOf(issuesPath, args), { query }))
    }
  },
  {
    listing: listing("create_issue", "Create an issue in a repository", [
      ...pathArguments(issuesPath),
      { name: "title", required: true },
      { name: "body", required: true }
    ]),
    run: async (args) => {
      const unset = { ref: "", assignees: null, due_date: null, milestone: 0, labels: null, closed: false }
      const body = { title: String(args["title"] ?? ""), body: String(args["body"] ?? ""), ...unset }
      return resultOf(await api.call("POST", pathOf(issuesPath, args), { body }))
    }
  },
  {
    listing: listing("issue_state_change", "Open or close an issue", [...pathArguments(issuePath), { name: "state", required: true }]),
    run: async (args) => resultOf(await api.call("PATCH", pathOf(issuePath, args), { body: { state: required(args, "state") } }))
  },
  {
    listing: listing("download_release_attachment", "Download an attachment of a release", pathArguments(assetPath)),
    run: (args) => downloadReleaseAttachment(api, args)
  }
]

/** All tools of the original, by name, in the order in which `tools/list` shows them. */
export const forgejoTools = (api: ForgejoApi, version: string): ReadonlyArray<Tool> => [
  ...handWritten(api, version),
  ...catalog.map((tool) => ({
    listing: catalogListing(tool),
    run: async (args: Arguments) => resultOf(await runCatalogTool(api, tool, args))
  }))
]
