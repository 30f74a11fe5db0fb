import type { Scope } from "effect"
import { Effect } from "effect"
import type { IncomingMessage } from "node:http"
import { modernVersion } from "../domain/Era.ts"
import { ErrorCode } from "../domain/JsonRpc.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { Draining } from "../services/Draining.ts"
import type { Grant } from "../services/Grants.ts"
import { Grants } from "../services/Grants.ts"
import { Sessions } from "../services/Sessions.ts"
import type { Unauthorized } from "./BearerAuth.ts"
import { authenticate, challenge } from "./BearerAuth.ts"
import { corsHeaders, methods, preflight } from "./Cors.ts"
import type { McpAnswer } from "./McpAnswer.ts"
import { emptyAnswer, eventsAnswer } from "./McpAnswer.ts"
import { refuse, restarting } from "./McpFailures.ts"
import { makePost } from "./McpPost.ts"
import { McpRefusal } from "./McpRefusal.ts"
import type { McpHeaders } from "./McpRequest.ts"
import { accepted, headersOf, versionOf } from "./McpRequest.ts"
import { allowedOrigins } from "./Origins.ts"

type Answering = Effect.Effect<McpAnswer, McpRefusal, Scope.Scope>

/** The answer to a request to `/mcp`. The order of the checks is part of the contract: docs/architecture.md, "The life of a request". */
export const makeMcpHandler = Effect.gen(function*() {
  const config = yield* AppConfig
  const draining = yield* Draining
  const grants = yield* Grants
  const sessions = yield* Sessions
  const post = yield* makePost
  const origins = allowedOrigins(config.publicUrl, config.allowedOrigins)

  /** GET and DELETE are about the session that a header names, and say so where it is missing. */
  const sessionOf = Effect.fnUntraced(function*(headers: McpHeaders, what: string) {
    if ((yield* versionOf(headers)) === modernVersion) {
      return yield* methodNotAllowed(`Revision ${modernVersion} knows no sessions and takes POST only.`, "POST")
    }
    const id = headers["mcp-session-id"]
    return id === undefined ? yield* methodNotAllowed(`${what} the session that Mcp-Session-Id names; there is none in this request.`) : id
  })

  const end = Effect.fnUntraced(function*(grant: Grant, headers: McpHeaders) {
    const id = yield* sessionOf(headers, "DELETE ends")
    yield* Effect.mapError(sessions.end(grant, id), (failure) => refuse(config, failure, undefined))
    return emptyAnswer(204)
  })

  const stream = Effect.fnUntraced(function*(grant: Grant, headers: McpHeaders) {
    const id = yield* sessionOf(headers, "GET opens a stream of")
    if (!accepted(headers.accept).sse) {
      return yield* new McpRefusal({ status: 406, code: ErrorCode.invalidRequest, message: "A stream is text/event-stream; Accept must allow it." })
    }
    return eventsAnswer(yield* Effect.mapError(sessions.stream(grant, id, headers["last-event-id"]), (failure) => refuse(config, failure, undefined)))
  })

  const unauthorized = ({ why }: Unauthorized) =>
    new McpRefusal({
      status: 401,
      code: ErrorCode.invalidRequest,
      message: why === "missing" ? "Sign in first: this endpoint needs an OAuth access token." : "The access token is unknown, expired or revoked. Sign in again.",
      headers: { "www-authenticate": challenge(config.publicUrl, why) }
    })

  const handle = (request: IncomingMessage, headers: McpHeaders): Answering => {
    const { method } = request
    if (method !== "POST" && method !== "DELETE" && method !== "GET") return methodNotAllowed("The MCP endpoint takes POST, GET and DELETE.")
    if (draining.isDraining()) return restarting(undefined)
    return Effect.flatMap(Effect.catchAll(authenticate(grants, headers.authorization), unauthorized), (grant) =>
      method === "POST" ? post(grant, request) : method === "GET" ? stream(grant, headers) : end(grant, headers))
  }

  return (request: IncomingMessage): Answering => {
    const headers = headersOf(request)
    const { origin } = headers
    if (origin !== undefined && !origins.has(origin)) return foreignOrigin
    if (request.method === "OPTIONS") return Effect.succeed(preflight(request))
    if (origin === undefined) return handle(request, headers)
    // Also of errors: a page must be able to read why.
    return Effect.map(
      Effect.catchAll(handle(request, headers), ({ answer }) => Effect.succeed(answer)),
      (answer) => ({ ...answer, headers: { ...answer.headers, ...corsHeaders(origin) } })
    )
  }
})

const foreignOrigin = new McpRefusal({
  status: 403,
  code: ErrorCode.invalidRequest,
  message: "Pages of this origin may not use the broker. The operator can allow it with ALLOWED_ORIGINS.",
  headers: { vary: "Origin" }
})

const methodNotAllowed = (message: string, allow = methods) => new McpRefusal({ status: 405, code: ErrorCode.invalidRequest, message, headers: { allow } })
