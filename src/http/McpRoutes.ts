import { HttpLayerRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Redacted } from "effect"
import { assumedVersion, isModern, modernVersion } from "../domain/Era.ts"
import type { Notification, Request, Response } from "../domain/JsonRpc.ts"
import { ErrorCode } from "../domain/JsonRpc.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { Draining } from "../services/Draining.ts"
import type { Grant } from "../services/Grants.ts"
import { Grants } from "../services/Grants.ts"
import type { Call } from "../services/Sessions.ts"
import { Sessions } from "../services/Sessions.ts"
import { authenticate, challenge } from "./BearerAuth.ts"
import { corsHeaders, methods, preflight } from "./Cors.ts"
import type { Failure } from "./McpFailures.ts"
import { refuse, restarting } from "./McpFailures.ts"
import { McpRefusal } from "./McpRefusal.ts"
import type { Accepted } from "./McpRequest.ts"
import { accepted, readMessage, versionOf } from "./McpRequest.ts"
import { allowedOrigins } from "./Origins.ts"
import { eventStream, standingStream } from "./Sse.ts"

/** Characters of JSON: they are stored as long as the session lives. */
const maxInitialize = 64 * 1024

const noStore = { "cache-control": "no-store" }
const acceptedEmpty = HttpServerResponse.empty({ status: 202, headers: noStore })

/** `/mcp`. The order of the checks is part of the contract: docs/architecture.md, "The life of a request". */
export const McpRoutes = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const config = yield* AppConfig
    const draining = yield* Draining
    const grants = yield* Grants
    const sessions = yield* Sessions
    const origins = allowedOrigins(config.publicUrl, config.allowedOrigins)

    /** A call's answer: JSON where nothing precedes the result, a stream otherwise, as far as the client can read it. */
    const respond = Effect.fnUntraced(function*(call: Call, accept: Accepted, headers: Readonly<Record<string, string>>) {
      let events = yield* call.take
      while (!accept.sse && !events.some((event) => event.final)) events = yield* call.take
      const last = events.at(-1)
      return accept.json && last?.final === true && (events.length === 1 || !accept.sse)
        ? HttpServerResponse.text(last.line, { contentType: "application/json", headers: { ...noStore, ...headers } })
        : eventStream(events, call, { ...noStore, ...headers })
    })

    const initialize = Effect.fnUntraced(function*(grant: Grant, request: Request, accept: Accepted) {
      if (JSON.stringify(request.params ?? {}).length > maxInitialize) {
        return yield* new McpRefusal({
          status: 413,
          code: ErrorCode.invalidParams,
          message: `The parameters of initialize are longer than ${maxInitialize} characters. Send less about the client.`,
          id: request.id
        })
      }
      const opened = yield* sessions.open(grant, request).pipe(
        Effect.map(({ id, initializeLine }) => ({ line: initializeLine, headers: { "mcp-session-id": Redacted.value(id) } })),
        Effect.catchTag("InitializeRefused", ({ line }) => Effect.succeed({ line, headers: {} }))
      )
      return respond({ take: Effect.succeed([{ line: opened.line, final: true }]) }, accept, opened.headers)
    })

    /**
     * A request without an id goes to the grant's default session. What it gives waits for the answer, and is run when
     * nothing holds the message any more: it may be large, and the answer may take its time.
     */
    const onRequest = Effect.fnUntraced(function*(grant: Grant, id: string | undefined, version: string | undefined, request: Request, accept: Accepted) {
      if (request.method === "initialize") return yield* initialize(grant, request, accept)
      if (id !== undefined) return respond(yield* sessions.call(grant, id, request, { isStreamed: accept.sse }), accept, {})
      const { call, opened } = yield* sessions.callDefault(grant, version ?? assumedVersion, request, { isStreamed: accept.sse })
      return respond(call, accept, opened === undefined ? {} : { "mcp-session-id": Redacted.value(opened) })
    })

    const onNotification = (grant: Grant, id: string | undefined, notification: Notification) =>
      Effect.as(id === undefined ? sessions.notifyDefault(grant, notification) : sessions.notify(grant, id, notification), Effect.succeed(acceptedEmpty))

    const onResponse = Effect.fnUntraced(function*(grant: Grant, id: string | undefined, response: Response) {
      const isTaken = yield* id === undefined ? sessions.respondDefault(grant, response) : sessions.respond(grant, id, response)
      return isTaken ? Effect.succeed(acceptedEmpty) : yield* new McpRefusal({
        status: 400,
        code: ErrorCode.invalidRequest,
        message: "No request of this session is waiting for a response with this id: it was answered, taken back or given up.",
        id: response.id
      })
    })

    const post = Effect.fnUntraced(function*(grant: Grant, request: HttpServerRequest.HttpServerRequest) {
      const { accept, message } = yield* readMessage(request, config)
      const version = yield* versionOf(request)
      const id = message._tag === "Notification" ? undefined : message.id
      const refuseMessage = (message: string) => new McpRefusal({ status: 400, code: ErrorCode.invalidRequest, message, id })
      const method = message._tag === "Response" ? undefined : message.method
      if (isModern(method, message._tag === "Response" ? undefined : message.params, version)) {
        // Not one of the codes by which a dual-era client would stay with this revision: it falls back to initialize.
        return yield* refuseMessage(`Revision ${modernVersion} is not served here yet; begin with initialize and protocolVersion 2025-11-25.`)
      }
      const sessionId = method === "initialize" ? undefined : request.headers["mcp-session-id"]
      if (sessionId === undefined && method !== "initialize" && config.sessionless === "reject") {
        return yield* refuseMessage("Send the Mcp-Session-Id that initialize was answered with.")
      }
      const answer: Effect.Effect<Effect.Effect<HttpServerResponse.HttpServerResponse>, Failure | McpRefusal> = message._tag === "Request"
        ? onRequest(grant, sessionId, version, message, accept)
        : message._tag === "Response"
        ? onResponse(grant, sessionId, message)
        : onNotification(grant, sessionId, message)
      return yield* Effect.mapError(answer, (failure) => failure._tag === "McpRefusal" ? failure : refuse(config, failure, id))
    })

    /** GET and DELETE are about the session that a header names, and say so where it is missing. */
    const sessionOf = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest, what: string) {
      yield* versionOf(request)
      const id = request.headers["mcp-session-id"]
      return id === undefined ? yield* methodNotAllowed(`${what} the session that Mcp-Session-Id names; there is none in this request.`) : id
    })

    const end = Effect.fnUntraced(function*(grant: Grant, request: HttpServerRequest.HttpServerRequest) {
      const id = yield* sessionOf(request, "DELETE ends")
      yield* Effect.mapError(sessions.end(grant, id), (failure) => refuse(config, failure, undefined))
      return HttpServerResponse.empty({ status: 204, headers: noStore })
    })

    const stream = Effect.fnUntraced(function*(grant: Grant, request: HttpServerRequest.HttpServerRequest) {
      const id = yield* sessionOf(request, "GET opens a stream of")
      if (!accepted(request.headers.accept).sse) {
        return yield* new McpRefusal({ status: 406, code: ErrorCode.invalidRequest, message: "A stream is text/event-stream; Accept must allow it." })
      }
      return standingStream(yield* Effect.mapError(sessions.stream(grant, id), (failure) => refuse(config, failure, undefined)), noStore)
    })

    const handle = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
      if (request.method !== "POST" && request.method !== "DELETE" && request.method !== "GET") {
        return yield* methodNotAllowed("The MCP endpoint takes POST, GET and DELETE.")
      }
      if (yield* draining.isDraining) return yield* restarting(undefined)
      const grant = yield* Effect.mapError(authenticate(grants, request), ({ why }) =>
        new McpRefusal({
          status: 401,
          code: ErrorCode.invalidRequest,
          message: why === "missing" ? "Sign in first: this endpoint needs an OAuth access token." : "The access token is unknown, expired or revoked. Sign in again.",
          headers: { "www-authenticate": challenge(config.publicUrl, why) }
        }))
      if (request.method === "GET") return yield* stream(grant, request)
      return yield* (request.method === "DELETE" ? end(grant, request) : Effect.flatten(post(grant, request)))
    })

    yield* router.add(
      "*",
      "/mcp",
      Effect.gen(function*() {
        const request = yield* HttpServerRequest.HttpServerRequest
        const { origin } = request.headers
        if (origin !== undefined && !origins.has(origin)) return foreignOrigin.response
        if (request.method === "OPTIONS") return preflight(request)
        const response = yield* Effect.catchTag(handle(request), "McpRefusal", (refusal) => Effect.succeed(refusal.response))
        return origin === undefined ? response : HttpServerResponse.setHeaders(response, corsHeaders(origin))
      })
    )
  })
)

const foreignOrigin = new McpRefusal({
  status: 403,
  code: ErrorCode.invalidRequest,
  message: "Pages of this origin may not use the broker. The operator can allow it with ALLOWED_ORIGINS.",
  headers: { vary: "Origin" }
})

const methodNotAllowed = (message: string) => new McpRefusal({ status: 405, code: ErrorCode.invalidRequest, message, headers: { allow: methods } })
