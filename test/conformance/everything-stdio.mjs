#!/usr/bin/env node
// A stdio MCP server (SDK v1, protocol 2025-11-25 and older) with every tool, resource, template and prompt that the server
// scenarios of @modelcontextprotocol/conformance ask for, and some for the tests with real clients. It is the broker's child:
//
//     node test/conformance/everything-stdio.mjs [--no-key-hint]
//
// With --no-key-hint its questions do not carry the key that a bridge to 2026-07-28 shall give them (everything/Asking.mjs).
import { Server } from "@modelcontextprotocol/sdk/server/index.js"
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js"
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  ErrorCode,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema
} from "@modelcontextprotocol/sdk/types.js"
import { asking } from "./everything/Asking.mjs"
import { askingTools } from "./everything/AskingTools.mjs"
import { clientTools } from "./everything/ClientTools.mjs"
import { complete, prompts } from "./everything/Prompts.mjs"
import { read, resources, resourceTemplates } from "./everything/Resources.mjs"
import { tools } from "./everything/Tools.mjs"

const levels = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
const keyHint = !process.argv.includes("--no-key-hint")
const allTools = [...tools, ...askingTools, ...clientTools]

const server = new Server({ name: "everything-stdio", version: "1.0.0" }, {
  capabilities: {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
    logging: {},
    completions: {}
  },
  instructions: "Fixture for conformance runs."
})
const subscriptions = new Set()
let lowest = 0

/** What a tool or a prompt works with, besides its arguments. */
const contextOf = (extra) => ({
  server,
  extra,
  subscriptions,
  ask: asking(extra, keyHint),
  log: async (data, level = "info") => {
    if (levels.indexOf(level) < lowest) return
    await extra.sendNotification({ method: "notifications/message", params: { level, logger: "everything", data } })
  },
  progress: async (progress, total) => {
    const progressToken = extra._meta?.progressToken
    if (progressToken === undefined) return
    await extra.sendNotification({ method: "notifications/progress", params: { progressToken, progress, total } })
  }
})

const named = (all, what, { name, arguments: args = {} }, extra) => {
  const [, , , run] = all.find(([one]) => one === name) ?? []
  if (run === undefined) throw new McpError(ErrorCode.InvalidParams, `Unknown ${what}: ${name}`)
  return run(args, contextOf(extra))
}

server.setRequestHandler(SetLevelRequestSchema, ({ params }) => {
  lowest = levels.indexOf(params.level)
  return {}
})
server.setRequestHandler(ListToolsRequestSchema, () => ({
  tools: allTools.map(([name, description, inputSchema]) => ({ name, description, inputSchema }))
}))
server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) => named(allTools, "tool", params, extra))
server.setRequestHandler(ListPromptsRequestSchema, () => ({
  prompts: prompts.map(([name, description, args]) => ({ name, description, ...(args.length === 0 ? {} : { arguments: args }) }))
}))
server.setRequestHandler(GetPromptRequestSchema, ({ params }, extra) => named(prompts, "prompt", params, extra))
server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources }))
server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({ resourceTemplates }))
server.setRequestHandler(ReadResourceRequestSchema, ({ params }) => read(params.uri))
server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
  subscriptions.add(params.uri)
  return {}
})
server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
  subscriptions.delete(params.uri)
  return {}
})
server.setRequestHandler(CompleteRequestSchema, ({ params }) => complete(params))

await server.connect(new StdioServerTransport())
process.stdin.on("end", () => process.exit(0))
