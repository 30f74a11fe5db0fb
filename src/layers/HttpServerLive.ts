import { HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Deferred, Duration, Effect, Exit, Layer } from "effect"
import type { Server } from "node:http"
import { createServer } from "node:http"
import type { Socket } from "node:net"
import { revision, version } from "../domain/Build.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { Draining } from "../services/Draining.ts"
import { idleSocketSweep } from "../services/Schedules.ts"
import { ListenFailed } from "../services/StartupErrors.ts"

/** Node's server: ours, because draining needs more of it than the platform offers. */
export class NodeServer extends Context.Tag("fjmcp/NodeServer")<NodeServer, Server>() {}

export const NodeServerLive = Layer.effect(
  NodeServer,
  Effect.map(AppConfig, (config) =>
    createServer({
      headersTimeout: Duration.toMillis(config.headersTimeout),
      // Node counts from the first byte of the request to the last of its body.
      requestTimeout: Duration.toMillis(Duration.sum(config.headersTimeout, config.bodyTimeout)),
      connectionsCheckingInterval: 1_000,
      // Longer than what proxies keep a connection for, so that it is they who close it.
      keepAliveTimeout: 75_000
    }))
)

/** Listens. Everything slow has been built before: a request between listening and routing would never be answered. */
export const HttpServerLive = Layer.unwrapEffect(Effect.gen(function*() {
  const config = yield* AppConfig
  const server = yield* NodeServer
  return NodeHttpServer.layer(() => server, config.listen).pipe(
    Layer.catchAll(({ cause }) =>
      Layer.fail(new ListenFailed({ address: `${config.listen.host}:${config.listen.port}`, problem: problemOf(cause) })))
  )
}))

const problemOf = (cause: unknown): string => {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error"
  return code === "EADDRINUSE" ? "another program uses it" : code === "EACCES" ? "this user may not use that port" : code
}

/**
 * Its finalizer is the drain: refuse new work, stop listening, let calls in flight finish within the grace, then close
 * what is still open. To be put outermost, so that it runs before anything else is taken down.
 */
export const DrainLive = Layer.scopedDiscard(Effect.gen(function*() {
  const config = yield* AppConfig
  const server = yield* NodeServer
  const draining = yield* Draining
  yield* HttpServer.HttpServer
  // The routes are attached by now. Supervisors and people wait for this line.
  yield* Effect.logInfo("broker.listening").pipe(
    Effect.annotateLogs({ address: `${config.listen.host}:${config.listen.port}`, publicUrl: config.publicUrl, version, revision })
  )
  // Browsers and proxies open connections in advance. Node takes one that has never said anything for busy, and once the
  // server is closed nothing times it out: it would hold up every shutdown.
  const sockets = new Set<Socket>()
  server.on("connection", (socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
  })
  const closeIdle = Effect.sync(() => {
    server.closeIdleConnections()
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
  })
  yield* Effect.addFinalizer(() =>
    Effect.gen(function*() {
      const closed = yield* Deferred.make<void>()
      yield* draining.begin
      yield* Effect.logInfo("broker.draining")
      server.close(() => Deferred.unsafeDone(closed, Exit.void))
      yield* Deferred.await(closed).pipe(
        Effect.raceFirst(Effect.repeat(closeIdle, idleSocketSweep)),
        Effect.interruptible,
        Effect.timeoutOption(config.drainGrace)
      )
      server.closeAllConnections()
    })
  )
}))
