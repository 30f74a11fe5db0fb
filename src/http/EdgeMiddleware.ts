import { HttpLayerRouter, HttpServerError, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Cause, Clock, Effect, Exit } from "effect"
import { AppConfig } from "../services/AppConfig.ts"
import { isOwnHost, ownHosts } from "./Origins.ts"

/** The path alone: a query may hold codes and states. */
const pathOf = (url: string): string => {
  const end = url.search(/[?#]/)
  return (end === -1 ? url : url.slice(0, end)).slice(0, 200)
}

/** The router decodes "%2F" and stops at ";": with either a proxy in front could take the address for another one than we do. */
const isPlain = (path: string): boolean => /^\/[\w.~/-]*$/.test(path)

/** The client was gone before its answer, as proxies write it in their logs; nobody gets it. */
const clientGone = 499

const foreignHost = HttpServerResponse.text("This host name is not served here. Use the broker's public address (PUBLIC_URL).\n", { status: 403 })
const notFound = HttpServerResponse.text("There is nothing at this address. The MCP endpoint is /mcp.\n", { status: 404 })
const broken = HttpServerResponse.text("Something went wrong inside the broker. Its log has the details.\n", { status: 500 })

/** Around every route: the `Host` check, the access log, and the last resort for what no route answered. */
export const EdgeMiddleware = HttpLayerRouter.middleware(
  Effect.gen(function*() {
    const config = yield* AppConfig
    const hosts = ownHosts(config.publicUrl)
    return (httpEffect) =>
      Effect.gen(function*() {
        const request = yield* HttpServerRequest.HttpServerRequest
        const began = yield* Clock.currentTimeMillis
        const path = pathOf(request.url)
        const log = (status: number) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) =>
            Effect.annotateLogs(Effect.logInfo("http.request"), { method: request.method, path, status, ms: now - began }))
        const answer = !isOwnHost(request, hosts) ? Effect.succeed(foreignHost) : !isPlain(path) ? Effect.succeed(notFound) : httpEffect
        return yield* answer.pipe(
          Effect.catchAllCause((cause) => {
            if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause)
            const error: unknown = Cause.squash(cause)
            if (error instanceof HttpServerError.RouteNotFound) return Effect.succeed(notFound)
            return Effect.as(Effect.annotateLogs(Effect.logError("http.defect", cause), { path }), broken)
          }),
          Effect.map(HttpServerResponse.setHeader("x-content-type-options", "nosniff")),
          Effect.onExit((exit) => log(Exit.isSuccess(exit) ? exit.value.status : clientGone))
        )
      })
  }),
  { global: true }
)
