import type { HttpServerRequest } from "@effect/platform"
import { NodeHttpServerRequest } from "@effect/platform-node"

const loopbackNames = ["127.0.0.1", "localhost", "[::1]"] as const

/** Whether a host name is this machine's own. */
export const isLoopbackName = (name: string): boolean => loopbackNames.some((known) => known === name)

/** The origins that browsers may call `/mcp` from: the public one, its loopback aliases where it is loopback, and the configured ones. */
export const allowedOrigins = (publicUrl: string, configured: ReadonlyArray<string>): ReadonlySet<string> => {
  const { hostname, port, protocol } = new URL(publicUrl)
  const aliases = isLoopbackName(hostname) ? loopbackNames.map((name) => `${protocol}//${name}${port === "" ? "" : `:${port}`}`) : []
  return new Set([publicUrl, ...aliases, ...configured])
}

/**
 * Whether `Host` names this broker: its public host, or a loopback name with the port that the request came in by.
 * Anything else is a page that had its own name resolve to us (DNS rebinding).
 */
export const isOwnHost = (request: HttpServerRequest.HttpServerRequest, publicHost: string): boolean => {
  const host = (request.headers.host ?? "").toLowerCase()
  if (host === publicHost) return true
  const match = /^(.*?)(?::(\d+))?$/.exec(host)
  return match !== null && isLoopbackName(match[1] ?? "") &&
    Number(match[2] ?? 80) === NodeHttpServerRequest.toIncomingMessage(request).socket.localPort
}
