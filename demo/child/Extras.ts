import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js"
import type { CallToolResult, ServerNotification, ServerRequest } from "@modelcontextprotocol/sdk/types.js"
import { CreateMessageResultSchema, ElicitResultSchema, ListRootsResultSchema } from "@modelcontextprotocol/sdk/types.js"
import { createHash } from "node:crypto"
import type { Arguments } from "./Tools.ts"
import { resultOf } from "./Tools.ts"
import type { ToolListing } from "./ToolSchema.ts"
import { listing } from "./ToolSchema.ts"

export type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>

export interface ExtraTool {
  readonly listing: ToolListing
  readonly run: (args: Arguments, extra: Extra) => Promise<CallToolResult>
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const numberOf = (args: Arguments, name: string, otherwise: number): number => {
  const value = args[name]
  return typeof value === "number" ? value : otherwise
}

const tool = (name: string, description: string, args: ReadonlyArray<string>, run: ExtraTool["run"]): ExtraTool => ({
  listing: listing(name, `Test tool: ${description}`, args.map((argument) => ({ name: argument, required: false }))),
  run
})

const textOf = (args: Arguments): string => String(args["text"] ?? "hello")
const sampling = (args: Arguments) => ({
  method: "sampling/createMessage" as const,
  params: { messages: [{ role: "user" as const, content: { type: "text" as const, text: textOf(args) } }], maxTokens: 100 }
})
/** What the client answered, an error too. */
const asked = async (answer: Promise<unknown>): Promise<CallToolResult> => {
  try {
    return resultOf({ answer: await answer })
  } catch (cause) {
    const { code, message } = Object(cause) as { readonly code?: unknown; readonly message?: unknown }
    return resultOf({ error: { code, message } })
  }
}

/** Tools for tests, which the original has not. They are there only with the flag `--extras`. */
export const extraTools = (token: string): ReadonlyArray<ExtraTool> => [
  tool("slow", "answers after `ms` milliseconds, with `size` characters where that is given", ["ms", "size"], async (args) => {
    await sleep(numberOf(args, "ms", 0))
    return resultOf("x".repeat(numberOf(args, "size", 0)) || "done")
  }),
  tool("progress", "sends `steps` progress notifications, if the caller gave a token, `ms` apart", ["steps", "ms"], async (args, extra) => {
    const progressToken = extra._meta?.progressToken
    const total = numberOf(args, "steps", 3)
    for (let progress = 1; progress <= total; progress++) {
      await sleep(numberOf(args, "ms", 0))
      if (progressToken !== undefined) {
        await extra.sendNotification({ method: "notifications/progress", params: { progressToken, progress, total } })
      }
    }
    return resultOf("done")
  }),
  tool("log", "sends a log message with `text`", ["text"], async (args, extra) => {
    const data = String(args["text"] ?? "hello")
    await extra.sendNotification({ method: "notifications/message", params: { level: "info", logger: "stand-in", data } })
    return resultOf("done")
  }),
  tool("crash", "ends the process with exit code 2 and answers nothing", [], async () => process.exit(2)),
  tool("never", "never answers", [], () =>
    // The timer keeps the process alive, as a call to a hung Forgejo does.
    new Promise(() => setInterval(() => {}, 2 ** 30))),
  tool("token_fingerprint", "the first 16 hex digits of the SHA-256 of the token", [], async () =>
    resultOf(createHash("sha256").update(token).digest("hex").slice(0, 16))),
  tool("echo", "answers `text`", ["text"], async (args) => resultOf(args["text"])),
  tool("ask", "asks the client's model `text` (sampling) and answers what came back", ["text"], async (args, extra) =>
    asked(extra.sendRequest(sampling(args), CreateMessageResultSchema).then(({ content }) => content))),
  tool("ask_person", "asks the client's person `text` (elicitation) and answers what came back", ["text"], async (args, extra) => {
    const requestedSchema = { type: "object" as const, properties: { name: { type: "string" as const } } }
    return asked(extra.sendRequest({ method: "elicitation/create", params: { message: textOf(args), requestedSchema } }, ElicitResultSchema))
  }),
  tool("ask_roots", "asks the client for its roots and answers what came back", [], async (_, extra) =>
    asked(extra.sendRequest({ method: "roots/list" }, ListRootsResultSchema))),
  tool("ask_later", "answers at once, and asks the client's model `text` when `ms` milliseconds have passed", ["text", "ms"], async (args, extra) => {
    setTimeout(() => void asked(extra.sendRequest(sampling(args), CreateMessageResultSchema)), numberOf(args, "ms", 0))
    return resultOf("will ask")
  }),
  tool("ask_in_vain", "asks the client's model `text`, takes that back after `ms` milliseconds and answers", ["text", "ms"], async (args, extra) => {
    const controller = new AbortController()
    setTimeout(() => controller.abort("no longer of interest"), numberOf(args, "ms", 0))
    return asked(extra.sendRequest(sampling(args), CreateMessageResultSchema, { signal: controller.signal }))
  }),
  tool("env", "the names of the environment variables", [], async () => resultOf(Object.keys(process.env).sort()))
]
