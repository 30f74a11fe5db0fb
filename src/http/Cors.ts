import type { IncomingMessage } from "node:http"
import type { McpAnswer } from "./McpAnswer.ts"
import { emptyAnswer } from "./McpAnswer.ts"

/** What `/mcp` takes; also the `Allow` of a 405. */
export const methods = "POST, GET, DELETE, OPTIONS"

/** The request headers of the endpoint: those of both eras, and the trace context that a client may send along. */
const knownHeaders = [
  "Authorization",
  "Content-Type",
  "Accept",
  "MCP-Protocol-Version",
  "Mcp-Session-Id",
  "Mcp-Method",
  "Mcp-Name",
  "Last-Event-ID",
  "traceparent",
  "tracestate",
  "baggage"
]
const known = new Set(knownHeaders.map((name) => name.toLowerCase()))
/** Whose names a tool's schema decides (2026-07-28, transports, custom headers). */
const isParameter = (name: string): boolean => /^mcp-param-[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)

/** The headers that let a page of an allowed origin read an answer, be it an error, and begin again where it has to. */
export const corsHeaders = (origin: string): Readonly<Record<string, string>> => ({
  "access-control-allow-origin": origin,
  "access-control-expose-headers": "Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After",
  vary: "Origin"
})

/**
 * The answer to OPTIONS. A preflight (Fetch, CORS-preflight request) names the headers that the page wants to send: the
 * answer names those of them that are known. `*` would not do: it does not include `Authorization`.
 */
export const preflight = ({ headers }: Pick<IncomingMessage, "headers">): McpAnswer => {
  const wanted = headers["access-control-request-headers"]
  const names = wanted === undefined
    ? knownHeaders
    : wanted.split(",").map((name) => name.trim().toLowerCase()).filter((name) => known.has(name) || isParameter(name))
  const { origin } = headers
  return emptyAnswer(204, {
    allow: methods,
    "access-control-allow-methods": methods,
    "access-control-allow-headers": names.join(", "),
    "access-control-max-age": "600",
    ...(origin === undefined ? {} : corsHeaders(origin)),
    vary: "Origin, Access-Control-Request-Headers"
  })
}
