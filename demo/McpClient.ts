/** A JSON-RPC response, and the HTTP answer that brought it. */
export interface Reply {
  readonly status: number
  readonly sessionId: string | null
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: { readonly code: number; readonly message: string }
}

const lastMessage = (text: string, contentType: string): Partial<Reply> => {
  if (text === "") return {}
  if (!contentType.startsWith("text/event-stream")) return JSON.parse(text) as Partial<Reply>
  const data = text.split("\n").filter((line) => line.startsWith("data: {")).at(-1)
  return data === undefined ? {} : JSON.parse(data.slice(6)) as Partial<Reply>
}

/** The least MCP client that is one: POST a message, read JSON or a stream. */
export class McpClient {
  readonly #url: string
  readonly #token: string
  #sessionId: string | undefined
  #nextId = 0

  constructor(url: string, token: string) {
    this.#url = url
    this.#token = token
  }

  get sessionId(): string | undefined {
    return this.#sessionId
  }

  /** Speaks in another session than its own from now on. */
  useSession(id: string): void {
    this.#sessionId = id
  }

  async request(method: string, params?: Readonly<Record<string, unknown>>): Promise<Reply> {
    const reply = await this.#send("POST", { jsonrpc: "2.0", id: ++this.#nextId, method, ...(params === undefined ? {} : { params }) })
    if (method === "initialize" && reply.sessionId !== null) this.#sessionId = reply.sessionId
    return reply
  }

  notify(method: string): Promise<Reply> {
    return this.#send("POST", { jsonrpc: "2.0", method })
  }

  end(): Promise<Reply> {
    return this.#send("DELETE")
  }

  async initialize(): Promise<Reply> {
    const reply = await this.request("initialize", {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "fjmcp-broker demo", version: "1" }
    })
    if (reply.result !== undefined) await this.notify("notifications/initialized")
    return reply
  }

  async #send(method: "POST" | "DELETE", body?: unknown): Promise<Reply> {
    const response = await fetch(this.#url, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        accept: "application/json, text/event-stream",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(this.#sessionId === undefined ? {} : { "mcp-session-id": this.#sessionId })
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const message = lastMessage(await response.text(), response.headers.get("content-type") ?? "")
    return { ...message, status: response.status, sessionId: response.headers.get("mcp-session-id") }
  }
}
