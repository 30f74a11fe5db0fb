import { createServer, type IncomingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"

/** What one request looked like behind the proxy, and when it was closed from that side. */
export interface Seen {
  readonly headers: IncomingHttpHeaders
  readonly closed: Promise<number>
}

/** The headers of an MCP endpoint that a client reads. */
export const answerHeaders = { "mcp-session-id": "a-session_of.1", "mcp-protocol-version": "2025-11-25", "retry-after": "7", "www-authenticate": "Bearer resource_metadata=\"https://mcp.example.org/x\"" }

/** How far apart its events are, in milliseconds. */
export const spacing = 150

/**
 * Stands in the broker's place where both sides of the proxy have to be seen: keeps what came in. `GET` is answered with a
 * stream whose events hold the time of their writing, and which ends after `events`, or goes on silently.
 */
export const upstream = async () => {
  const seen: Array<Seen> = []
  const server = createServer((request, response) => {
    const closed = new Promise<number>((resolve) => response.once("close", () => resolve(Date.now())))
    seen.push({ headers: request.headers, closed })
    if (request.method !== "GET") {
      request.resume().once("end", () => response.writeHead(200, { "content-type": "application/json", ...answerHeaders }).end(`{"padding":"${"x".repeat(2000)}"}`))
      return
    }
    const events = Number(new URL(request.url ?? "", "http://upstream").searchParams.get("events"))
    response.writeHead(200, { "content-type": "text/event-stream", ...answerHeaders })
    let count = 0
    const write = () => {
      response.write(`id: ${count}\ndata: ${Date.now()}\n\n`)
      count += 1
      if (count === events) clearInterval(timer)
      if (count === events && events > 1) response.end()
    }
    const timer = setInterval(write, spacing)
    response.once("close", () => clearInterval(timer))
    write()
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { port, seen, close }
}

export type Upstream = Awaited<ReturnType<typeof upstream>>
