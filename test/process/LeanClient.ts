import type { IncomingMessage } from "node:http"
import { Agent, request } from "node:http"

export interface Message {
  readonly id?: number | string | null
  readonly method?: string
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: { readonly code: number; readonly message: string }
}

/** Everything that came back, when it has come to its end. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage["headers"]
  readonly text: string
  readonly messages: ReadonlyArray<Message>
}

/** The connection failed, or ended before the answer did: whether the request was carried out is not known. */
export class ConnectionLost extends Error {}

/** Another status than it must be. */
export class Refused extends Error {
  readonly status: number
  constructor(what: string, { status, text }: Answer) {
    super(`${what}: HTTP ${status} ${text.slice(0, 300)}`)
    this.status = status
  }
}

/** Keeps one connection. Shared ones idle in a pool, and are closed by the server just when somebody takes them out. */
export const oneConnection = (): Agent => new Agent({ keepAlive: true, maxSockets: 1, noDelay: true })

const messagesIn = (text: string, contentType: string): ReadonlyArray<Message> => {
  if (contentType.startsWith("application/json")) return [JSON.parse(text) as Message]
  if (!contentType.startsWith("text/event-stream")) return []
  return text.split("\n").flatMap((line) => /^data: ?\{/.test(line) ? [JSON.parse(line.slice(5)) as Message] : [])
}

/** One HTTP request, as cheap as Node can. Without an agent it has a connection of its own, which it closes. */
export const send = (
  url: string,
  headers: Readonly<Record<string, string>>,
  options: {
    readonly method?: "POST" | "DELETE"
    readonly body?: string
    readonly agent?: Agent | undefined
    readonly signal?: AbortSignal | undefined
  } = {}
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const lost = (cause: Error) => reject(new ConnectionLost(cause.message, { cause }))
    const { agent = false, body = "", method = "POST", signal } = options
    const length = { "content-length": String(Buffer.byteLength(body)) }
    const outgoing = request(url, { method, agent, ...(signal && { signal }), headers: { ...headers, ...length } }, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (piece: string) => text += piece)
      response.on("error", lost)
      response.on("end", () => {
        if (!response.complete) return lost(new Error("the answer was cut"))
        try {
          const messages = messagesIn(text, response.headers["content-type"] ?? "")
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, messages })
        } catch (cause) {
          reject(new Error(`no JSON (HTTP ${response.statusCode}): ${text.slice(0, 200)}`, { cause }))
        }
      })
    })
    outgoing.on("error", lost)
    outgoing.end(body)
  })

/** The headers of every MCP request. */
export const mcpHeaders = (token: string, sessionId?: string): Readonly<Record<string, string>> => ({
  authorization: `Bearer ${token}`,
  accept: "application/json, text/event-stream",
  "content-type": "application/json",
  ...(sessionId === undefined ? {} : { "mcp-session-id": sessionId, "mcp-protocol-version": "2025-11-25" })
})

export const initializeBody = JSON.stringify({
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "load", version: "1" } }
})

/** `initialize`, and that it was understood; gives the session's id. */
export const openLean = async (url: string, token: string): Promise<string> => {
  const answer = await send(url, mcpHeaders(token), { body: initializeBody })
  const id = answer.headers["mcp-session-id"]
  if (answer.status !== 200 || answer.messages[0]?.result === undefined || typeof id !== "string") {
    throw new Refused("initialize", answer)
  }
  const told = await send(url, mcpHeaders(token, id), { body: `{"jsonrpc":"2.0","method":"notifications/initialized"}` })
  if (told.status !== 202) throw new Refused("initialized", told)
  return id
}

/** A `tools/call` of the light child. */
export const callBody = (id: number | string, tool: string, args: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params: { name: tool, arguments: args } })
