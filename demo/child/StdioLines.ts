import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js"
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js"
import type { Readable, Writable } from "node:stream"

/** MCP over two pipes, one JSON text a line, with a count of what is not answered yet. */
export interface StdioLines extends Transport {
  /** Resolves when every request that came in is answered or cancelled. Never, when one is never answered. */
  readonly idle: () => Promise<void>
  /** Stops listening to the input. What is in flight goes on. */
  readonly stopReading: () => void
}

interface Handlers {
  /** The input ended. A last line without line feed is dropped. */
  readonly onEnd: () => void
}

/**
 * Like the SDK's own transport, but as the Go library does it: a line that is no JSON is answered with -32700, lines may be
 * of any length, and the end of the input is told.
 */
export const stdioLines = (input: Readable, output: Writable, { onEnd }: Handlers): StdioLines => {
  const unanswered = new Set<string>()
  let waiting: Array<() => void> = []
  let parts: Array<Buffer> = []

  const settle = (id: unknown) => {
    unanswered.delete(JSON.stringify(id))
    if (unanswered.size > 0) return
    for (const resolve of waiting) resolve()
    waiting = []
  }

  const write = (message: unknown) => output.write(`${JSON.stringify(message)}\n`)

  const take = (line: string) => {
    if (line.trim() === "") return
    let message: unknown
    try {
      message = JSON.parse(line)
    } catch {
      write({ jsonrpc: "2.0", id: null, error: { code: -32700, message: "Parse error" } })
      return
    }
    const { id, method, params } = Object(message) as { id?: unknown; method?: unknown; params?: { requestId?: unknown } }
    if (typeof method === "string" && id !== undefined) unanswered.add(JSON.stringify(id))
    transport.onmessage?.(message as JSONRPCMessage)
    // The SDK gives no answer to a request that was cancelled.
    if (method === "notifications/cancelled") settle(params?.requestId)
  }

  const onData = (chunk: Buffer) => {
    let from = 0
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, at))
      from = at + 1
      const line = Buffer.concat(parts).toString("utf8")
      parts = []
      take(line)
    }
    if (from < chunk.length) parts.push(chunk.subarray(from))
  }

  const transport: StdioLines = {
    start: async () => {
      input.on("data", onData)
      input.once("end", onEnd)
    },
    send: async (message) => {
      write(message)
      if (!("method" in message) && "id" in message) settle(message.id)
    },
    close: async () => {
      transport.stopReading()
      transport.onclose?.()
    },
    idle: () =>
      new Promise((resolve) => {
        if (unanswered.size === 0) resolve()
        else waiting.push(resolve)
      }),
    stopReading: () => {
      input.off("data", onData)
      input.pause()
    }
  }
  return transport
}
