import { HttpLayerRouter, HttpServerError, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { NodeHttpServerRequest } from "@effect/platform-node"
import { Cause, Clock, Effect, Exit } from "effect"
import { AppConfig } from "../services/AppConfig.ts"
import { clientGone, makeAccessLog } from "./AccessLog.ts"
import { isPlain, pathOf, sentences } from "./Edge.ts"
import { isOwnHost, ownHosts } from "./Origins.ts"

const say = (status: keyof typeof sentences) => HttpServerResponse.text(sentences[status], { status })
const foreignHost = say(403)
const notFound = say(404)
const broken = say(500)

/** Around every route: the `Host` check, the access log, and the last resort for what no route answered. */
export const EdgeMiddleware = HttpLayerRouter.middleware(
  Effect.gen(function*() {
    const config = yield* AppConfig
    const hosts = ownHosts(config.publicUrl)
    const log = yield* makeAccessLog
    return (httpEffect) =>
      Effect.gen(function*() {
        const request = yield* HttpServerRequest.HttpServerRequest
        const began = yield* Clock.currentTimeMillis
        const path = pathOf(request.url)
        const isOwn = isOwnHost(NodeHttpServerRequest.toIncomingMessage(request), hosts)
        const answer = !isOwn ? Effect.succeed(foreignHost) : !isPlain(path) ? Effect.succeed(notFound) : httpEffect
        return yield* answer.pipe(
          Effect.catchAllCause((cause) => {
            if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause)
            const error: unknown = Cause.squash(cause)
            if (error instanceof HttpServerError.RouteNotFound) return Effect.succeed(notFound)
            return Effect.as(Effect.annotateLogs(Effect.logError("http.defect", cause), { path }), broken)
          }),
          Effect.map(HttpServerResponse.setHeader("x-content-type-options", "nosniff")),
          Effect.onExit((exit) =>
            Effect.sync(() => log({ method: request.method, path, status: Exit.isSuccess(exit) ? exit.value.status : clientGone, began })))
        )
      })
  }),
  { global: true }
)
