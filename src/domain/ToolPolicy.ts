import type { JsonObject } from "./JsonRpc.ts"

/**
 * Tools that no rule allows by default. `download_release_attachment` sends the user's token to whatever address a
 * release's asset names, and whoever owns a repository can name one (forgejo-mcp 2.34, external assets).
 */
const deniedTools: ReadonlySet<string> = new Set(["download_release_attachment"])

/** The sentence for a call that is refused, or nothing where the call may go on. */
export const refusal = (method: string, params: JsonObject | undefined): string | undefined => {
  if (method !== "tools/call" || typeof params?.name !== "string" || !deniedTools.has(params.name)) return undefined
  return `The tool "${params.name}" is not available here: it can give your Forgejo token away to a third party. Download the file in the browser.`
}

/** The result of `tools/list` without the denied tools; the same object where nothing was to be hidden. */
export const visibleTools = (result: unknown): unknown => {
  if (typeof result !== "object" || result === null || !("tools" in result) || !Array.isArray(result.tools)) return result
  const tools = result.tools.filter((tool: unknown) =>
    !(typeof tool === "object" && tool !== null && "name" in tool && typeof tool.name === "string" && deniedTools.has(tool.name)))
  return tools.length === result.tools.length ? result : { ...result, tools }
}
