import type { CatalogTool } from "./Catalog.ts"

interface ArgumentSchema {
  readonly type: "string" | "number" | "boolean" | "array" | "object"
  readonly description: string
  readonly items?: { readonly type: "string" }
}

/** A tool as `tools/list` shows it. */
export interface ToolListing {
  readonly name: string
  readonly description: string
  readonly inputSchema: {
    readonly type: "object"
    readonly properties: Readonly<Record<string, ArgumentSchema>>
    readonly required?: Array<string>
    readonly [key: string]: unknown
  }
  readonly annotations: {
    readonly readOnlyHint: boolean
    readonly destructiveHint: boolean
    readonly idempotentHint: boolean
    readonly openWorldHint: boolean
  }
}

export interface Argument {
  readonly name: string
  readonly required: boolean
}

const numbers = new Set([
  "index", "id", "page", "limit", "release_id", "attachment_id", "comment_id", "milestone", "required_approvals", "time"
])
const booleans =
  /^(is_|has_|enable_|block_|dismiss_|ignore_|require_|apply_|include_|private$|archived$|exclusive$|auto_init$|active$|binary$|delete_)/
const lists = /(usernames|teams|labels|assignees|reviewers|topics|events|contexts|units|comments)$/

const descriptions: Readonly<Record<string, string>> = {
  owner: "Owner of the repository: the name of a user or of an organization",
  repo: "Name of the repository, without its owner",
  org: "Name of the organization",
  username: "Name of the user",
  index: "Number of the issue or pull request within its repository, as shown in its URL",
  id: "Numeric identifier, as given by the matching list tool",
  comment_id: "Numeric identifier of the comment",
  release_id: "Numeric identifier of the release",
  attachment_id: "Numeric identifier of the attachment",
  page: "Page of the results to return, starting at 1 (default 1)",
  limit: "Number of results on a page, at most the server's limit (default 100)",
  state: "State to filter by or to set: open, closed or all (all only when listing)",
  title: "Title in plain text",
  body: "Text in Markdown",
  sort: "Order of the results, by one of the fields that the server can sort by",
  ref: "Name of the branch, tag or commit; the default branch of the repository when absent",
  since: "Only what was updated after this time, in RFC 3339 format",
  before: "Only what was updated before this time, in RFC 3339 format",
  q: "Keyword to search for"
}

const argumentSchema = (name: string): ArgumentSchema => {
  const description = descriptions[name] ?? `Value of ${name.replaceAll("_", " ")}, as the server's API describes it`
  if (numbers.has(name)) return { type: "number", description }
  if (booleans.test(name)) return { type: "boolean", description }
  if (lists.test(name)) return { type: "array", description, items: { type: "string" } }
  return { type: name === "inputs" ? "object" : "string", description }
}

/** The annotations are the Go library's defaults, the same for all tools: they say nothing about the tool. */
export const listing = (name: string, description: string, args: ReadonlyArray<Argument>): ToolListing => {
  const required = args.filter((argument) => argument.required).map((argument) => argument.name)
  return {
    name,
    description,
    inputSchema: {
      type: "object",
      properties: Object.fromEntries(args.map((argument) => [argument.name, argumentSchema(argument.name)])),
      ...(required.length > 0 ? { required } : {})
    },
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true }
  }
}

/** The variable parts of a path, in order. */
export const pathArguments = (path: string): ReadonlyArray<Argument> =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => ({ name, required: true }))

export const catalogListing = (tool: CatalogTool): ToolListing =>
  listing(tool.name, tool.description, [...pathArguments(tool.path), ...tool.args])
