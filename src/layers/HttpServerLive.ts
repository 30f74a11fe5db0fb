import { HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Deferred, Duration, Effect, Exit, Layer, Option } from "effect"
import type { RequestListener, Server } from "node:http"
import type { AddressInfo } from "node:net"
import { revision, version } from "../domain/Build.ts"
import { isForMcp, McpEndpoint } from "../http/McpEndpoint.ts"
import type { Settings } from "../services/AppConfig.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { Draining } from "../services/Draining.ts"
import { idleSocketSweep } from "../services/Schedules.ts"
import { Sessions } from "../services/Sessions.ts"
import { ListenFailed } from "../services/StartupErrors.ts"
import { NodeServer } from "./NodeServerLive.ts"

const listen = (server: Server, { host, port }: Settings["listen"]): Effect.Effect<void, ListenFailed> =>
  Effect.async((resume) => {
    const failed = (cause: Error) => resume(new ListenFailed({ address: `${host}:${port}`, problem: problemOf(cause) }))
    server.once("error", failed)
    server.listen({ host, port }, () => {
      server.off("error", failed)
      resume(Effect.void)
    })
  })

/**
 * Listens, and parts the requests: those to `/mcp` go straight to their endpoint, all others through the platform's router.
 * Everything slow has been built before: a request between listening and routing would never be answered. `DrainLive` stops
 * listening first; here it is made sure of where that was never built.
 */
export const HttpServerLive = Layer.scoped(HttpServer.HttpServer, Effect.gen(function*() {
  const config = yield* AppConfig
  const { server } = yield* NodeServer
  const mcp = yield* McpEndpoint
  yield* Effect.acquireRelease(listen(server, config.listen), () => Effect.sync(() => void server.close()))
  const { address, port } = server.address() as AddressInfo
  return HttpServer.make({
    address: { _tag: "TcpAddress", hostname: address, port },
    serve: (app, middleware) =>
      Effect.gen(function*() {
        const routed = yield* middleware === undefined ? NodeHttpServer.makeHandler(app) : NodeHttpServer.makeHandler(app, middleware)
        const listener: RequestListener = (request, response) => isForMcp(request) ? mcp(request, response) : routed(request, response)
        server.on("request", listener)
        yield* Effect.addFinalizer(() => Effect.sync(() => void server.off("request", listener)))
      })
  })
}))

const problemOf = (cause: unknown): string => {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error"
  return code === "EADDRINUSE" ? "another program uses it" : code === "EACCES" ? "this user may not use that port" : code
}

/** What the connections get to take the last answers with, once the grace is over. */
const lastAnswers = Duration.millis(200)

/**
 * Its finalizer is the drain: refuse new work, and listen on while requests are in flight, so that whoever comes learns
 * why; then stop listening, and close connections as they fall idle. When the grace is over, calls in flight are answered
 * with an error and what is still open is closed. To be put outermost, so that it runs before anything else is taken down.
 */
export const DrainLive = Layer.scopedDiscard(Effect.gen(function*() {
  const config = yield* AppConfig
  const { connections, server } = yield* NodeServer
  const draining = yield* Draining
  const sessions = yield* Sessions
  yield* HttpServer.HttpServer
  // The routes are attached by now. Supervisors and people wait for this line.
  yield* Effect.logInfo("broker.listening").pipe(
    Effect.annotateLogs({ address: `${config.listen.host}:${config.listen.port}`, publicUrl: config.publicUrl, version, revision })
  )
  // Those that come during the drain do not count: probes alone would use up the grace.
  const requestsOfNowAnswered = Effect.suspend(() => {
    const requests = [...connections].flatMap(([socket, responses]) => [...responses].map((response) => ({ socket, response })))
    const allAnswered = Effect.sync(() => !requests.some(({ response, socket }) => connections.get(socket)?.has(response)))
    return Effect.repeat(allAnswered, { schedule: idleSocketSweep, until: (all) => all })
  })
  // Browsers and proxies open connections in advance. Node takes one that has never said anything for busy, and once the
  // server is closed nothing times it out: it would hold up every shutdown.
  const closeIdle = Effect.sync(() => {
    server.closeIdleConnections()
    for (const socket of connections.keys()) if (socket.bytesRead === 0) socket.destroy()
  })
  yield* Effect.addFinalizer(() =>
    Effect.gen(function*() {
      const closed = yield* Deferred.make<void>()
      const close = Effect.sync(() => {
        if (server.listening) server.close(() => Deferred.unsafeDone(closed, Exit.void))
      })
      const untilClosed = Effect.raceFirst(Deferred.await(closed), Effect.repeat(closeIdle, idleSocketSweep))
      yield* draining.begin
      yield* sessions.endStreams
      yield* Effect.logInfo("broker.draining")
      const inTime = yield* requestsOfNowAnswered.pipe(
        Effect.zipRight(close),
        Effect.zipRight(untilClosed),
        Effect.interruptible,
        Effect.timeoutOption(config.drainGrace),
        // A second interruption must not end the grace.
        Effect.disconnect
      )
      if (Option.isNone(inTime)) {
        yield* close
        yield* sessions.parkAll
        yield* untilClosed.pipe(Effect.interruptible, Effect.timeoutOption(lastAnswers), Effect.disconnect)
      }
      server.closeAllConnections()
    })
  )
}))
