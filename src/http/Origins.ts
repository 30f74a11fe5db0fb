import type { IncomingMessage } from "node:http"
import { isLoopbackHost } from "../domain/Formats.ts"

const loopbackNames = ["127.0.0.1", "localhost", "[::1]"] as const

/** The origins that browsers may call `/mcp` from: the public one, its loopback aliases where it is loopback, and the configured ones. */
export const allowedOrigins = (publicUrl: string, configured: ReadonlyArray<string>): ReadonlySet<string> => {
  const { hostname, port, protocol } = new URL(publicUrl)
  const aliases = isLoopbackHost(hostname) ? loopbackNames.map((name) => `${protocol}//${name}${port === "" ? "" : `:${port}`}`) : []
  return new Set([publicUrl, ...aliases, ...configured])
}

/** How `Host` may spell the public address: a default port may be named or left out. */
export const ownHosts = (publicUrl: string): ReadonlySet<string> => {
  const { host, port, protocol } = new URL(publicUrl)
  return new Set(port === "" ? [host, `${host}:${protocol === "https:" ? 443 : 80}`] : [host])
}

/**
 * Whether `Host` names this broker: one of `ownHosts`, or a loopback name with the port that the request came in by.
 * Anything else is a page that had its own name resolve to us (DNS rebinding).
 */
export const isOwnHost = ({ headers, socket }: Pick<IncomingMessage, "headers" | "socket">, own: ReadonlySet<string>): boolean => {
  const host = (headers.host ?? "").toLowerCase()
  if (own.has(host)) return true
  const match = /^(.*?)(?::(\d+))?$/.exec(host)
  return match !== null && isLoopbackHost(match[1] ?? "") && Number(match[2] ?? 80) === socket.localPort
}
