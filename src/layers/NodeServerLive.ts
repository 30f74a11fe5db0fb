import { Context, Duration, Effect, Layer } from "effect"
import type { Server, ServerResponse } from "node:http"
import { createServer } from "node:http"
import type { Socket } from "node:net"
import type { Settings } from "../services/AppConfig.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { unreadCount } from "../services/Schedules.ts"
import { closeUnread, maxUnreadAnswers } from "./UnreadAnswers.ts"

/** Node's server, and what it would not tell: its connections with the requests of each that are not answered yet. */
export class NodeServer extends Context.Tag("fjmcp/NodeServer")<NodeServer, {
  readonly server: Server
  readonly connections: ReadonlyMap<Socket, ReadonlySet<ServerResponse>>
}>() {}

/** How long an answer may lie without its client taking any of it: each may hold as much memory as a child's longest line. */
const unreadTimeout = Duration.seconds(60)

/** A server that does not listen yet. Quiet connections with a request are left alone: calls and their streams have limits of their own. */
export const makeNodeServer = (
  limits: Pick<Settings, "headersTimeout" | "bodyTimeout"> & { readonly unreadTimeout: Duration.Duration }
): NodeServer["Type"] => {
  const server = createServer({
    headersTimeout: Duration.toMillis(limits.headersTimeout),
    // Node counts from the first byte of the request to the last of its body.
    requestTimeout: Duration.toMillis(Duration.sum(limits.headersTimeout, limits.bodyTimeout)),
    connectionsCheckingInterval: 1_000,
    // Longer than what proxies keep a connection for, so that it is they who close it.
    keepAliveTimeout: 75_000
  })
  const connections = new Map<Socket, Set<ServerResponse>>()
  server.on("connection", (socket) => {
    connections.set(socket, new Set())
    socket.once("close", () => {
      const left = [...connections.get(socket) ?? []]
      connections.delete(socket)
      // One that waits behind another of the same connection (pipelining) has no socket yet, and would hear of nothing.
      for (const response of left) if (response.socket === null) response.emit("close")
    })
  })
  server.on("request", ({ socket }, response) => {
    connections.get(socket)?.add(response)
    response.once("close", () => connections.get(socket)?.delete(response))
  })
  // Per connection, not by a timer of ours: Node starts it anew whenever bytes move, and after every request of the connection.
  server.timeout = Duration.toMillis(limits.unreadTimeout)
  server.on("timeout", (socket) => {
    // Also where Node ends a kept connection that nobody uses.
    const isWaiting = (connections.get(socket)?.size ?? 0) > 0
    if (socket.writableLength > 0 || !isWaiting) socket.destroy()
  })
  return { server, connections }
}

export const NodeServerLive = Layer.scoped(NodeServer, Effect.gen(function*() {
  const node = makeNodeServer({ ...(yield* AppConfig), unreadTimeout })
  // The owner is this layer.
  yield* Effect.suspend(() => closeUnread(node.connections.keys(), maxUnreadAnswers)).pipe(
    Effect.tap((closed) => closed === 0 ? Effect.void : Effect.annotateLogs(Effect.logWarning("http.unread_closed"), { connections: closed })),
    Effect.repeat(unreadCount),
    Effect.interruptible,
    Effect.forkScoped
  )
  return node
}))
