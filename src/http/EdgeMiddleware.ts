import { HttpLayerRouter, HttpServerError, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Cause, Clock, Effect } from "effect"
import { AppConfig } from "../services/AppConfig.ts"
import { isOwnHost } from "./Origins.ts"

/** The path alone: a query may hold codes and states. */
const pathOf = (url: string): string => {
  const end = url.search(/[?#]/)
  return (end === -1 ? url : url.slice(0, end)).slice(0, 200)
}

const foreignHost = HttpServerResponse.text("This host name is not served here. Use the broker's public address (PUBLIC_URL).\n", { status: 403 })
const notFound = HttpServerResponse.text("There is nothing at this address. The MCP endpoint is /mcp.\n", { status: 404 })
const broken = HttpServerResponse.text("Something went wrong inside the broker. Its log has the details.\n", { status: 500 })

/** Around every route: the `Host` check, the access log, and the last resort for what no route answered. */
export const EdgeMiddleware = HttpLayerRouter.middleware(
  Effect.gen(function*() {
    const config = yield* AppConfig
    const publicHost = new URL(config.publicUrl).host
    return (httpEffect) =>
      Effect.gen(function*() {
        const request = yield* HttpServerRequest.HttpServerRequest
        const began = yield* Clock.currentTimeMillis
        const response = isOwnHost(request, publicHost)
          ? yield* Effect.catchAllCause(httpEffect, (cause) => {
            if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause)
            const error: unknown = Cause.squash(cause)
            if (error instanceof HttpServerError.RouteNotFound) return Effect.succeed(notFound)
            return Effect.as(Effect.annotateLogs(Effect.logError("http.defect", cause), { path: pathOf(request.url) }), broken)
          })
          : foreignHost
        const ms = (yield* Clock.currentTimeMillis) - began
        yield* Effect.annotateLogs(Effect.logInfo("http.request"), { method: request.method, path: pathOf(request.url), status: response.status, ms })
        return HttpServerResponse.setHeader(response, "x-content-type-options", "nosniff")
      })
  }),
  { global: true }
)
