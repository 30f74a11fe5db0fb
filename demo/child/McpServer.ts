import { Server } from "@modelcontextprotocol/sdk/server/index.js"
import {
  CallToolRequestSchema,
  InitializeRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  ReadResourceRequestSchema
} from "@modelcontextprotocol/sdk/types.js"
import type { ExtraTool } from "./Extras.ts"
import type { ForgejoApi } from "./ForgejoApi.ts"
import * as Log from "./Log.ts"
import { readResource, resourceTemplates } from "./Resources.ts"
import type { Tool } from "./Tools.ts"
import { workers } from "./Workers.ts"

const protocolVersions = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]

const capabilities = { tools: { listChanged: true }, logging: {}, resources: {} }

/** An error whose text reaches the client as it is; the SDK's own class puts words before it. */
const rpcError = (code: number, message: string): Error => Object.assign(new Error(message), { code })

/** A known version is echoed, an empty one means the oldest with HTTP, anything else gets the newest. */
const negotiate = (wanted: string): string =>
  wanted === "" ? "2025-03-26" : protocolVersions.includes(wanted) ? wanted : "2025-11-25"

/** The MCP side, without a transport. Nothing here asks that `initialize` comes first, or only once. */
export const mcpServer = (api: ForgejoApi, tools: ReadonlyArray<Tool | ExtraTool>, version: string): Server => {
  const serverInfo = { name: "Forgejo MCP Server", version }
  const server = new Server(serverInfo, { capabilities })
  const sorted = [...tools].sort((a, b) => a.listing.name < b.listing.name ? -1 : 1)
  const byName = new Map(tools.map((tool) => [tool.listing.name, tool]))
  const work = workers(5)

  server.setRequestHandler(InitializeRequestSchema, ({ params }) => ({
    protocolVersion: negotiate(params.protocolVersion),
    capabilities,
    serverInfo
  }))

  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: sorted.map((tool) => tool.listing) }))

  server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) => {
    const tool = byName.get(params.name)
    if (tool === undefined) throw rpcError(-32602, `tool '${params.name}' not found: tool not found`)
    return work(async () => {
      try {
        return await tool.run(params.arguments ?? {}, extra)
      } catch (cause) {
        // Forgejo's words go to stderr and to the client as they are. From Forgejo 16 on they may hold the token.
        const message = `${params.name} err: ${cause instanceof Error ? cause.message : String(cause)}`
        Log.error(message, { tool: params.name })
        throw rpcError(-32603, message)
      }
    })
  })

  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources: [] }))
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({ resourceTemplates }))
  server.setRequestHandler(ReadResourceRequestSchema, async ({ params: { uri } }) => {
    const text = await readResource(api, uri)
    if (text === undefined) throw rpcError(-32002, `resource '${uri}' not found: resource not found`)
    return { contents: [{ uri, mimeType: "application/json", text }] }
  })
  return server
}
