import { HttpLayerRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Effect, Redacted } from "effect"
import type { Batch } from "../domain/Batch.ts"
import { batchVersion } from "../domain/Batch.ts"
import { assumedVersion, isModern, modernVersion, negotiable } from "../domain/Era.ts"
import type { Message, Request, RequestId } from "../domain/JsonRpc.ts"
import { ErrorCode } from "../domain/JsonRpc.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { Draining } from "../services/Draining.ts"
import type { Grant } from "../services/Grants.ts"
import { Grants } from "../services/Grants.ts"
import type { Call, EventStream } from "../services/Sessions.ts"
import { ModernCalls } from "../services/ModernCalls.ts"
import { Sessions } from "../services/Sessions.ts"
import { authenticate, challenge } from "./BearerAuth.ts"
import { answerCall } from "./CallAnswer.ts"
import { corsHeaders, methods, preflight } from "./Cors.ts"
import type { Ways } from "./McpBatch.ts"
import { answerCalls, dispatchBatch } from "./McpBatch.ts"
import { refuse, restarting } from "./McpFailures.ts"
import { McpRefusal } from "./McpRefusal.ts"
import { makeModern } from "./McpModern.ts"
import type { Accepted } from "./McpRequest.ts"
import { accepted, readMessage, versionOf } from "./McpRequest.ts"
import { allowedOrigins } from "./Origins.ts"
import { eventStream, plainStream } from "./Sse.ts"

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
    const calls = yield* ModernCalls
    const origins = allowedOrigins(config.publicUrl, config.allowedOrigins)

    const json = (line: string, headers: Readonly<Record<string, string>>) =>
      HttpServerResponse.text(line, { contentType: "application/json", headers: { ...noStore, ...headers } })
    const streamed = (stream: EventStream, headers: Readonly<Record<string, string>>) => eventStream(stream, { ...noStore, ...headers }, draining.isDraining)

    const respond = (call: Call, accept: Accepted, headers: Readonly<Record<string, string>>) =>
      answerCall(call, accept, (line) => json(line, headers), (stream) => streamed(stream, headers))

    const initialize = Effect.fnUntraced(function*(grant: Grant, request: Request, accept: Accepted) {
      if (JSON.stringify(request.params ?? {}).length > maxInitialize) {
        return yield* new McpRefusal({
          status: 413,
          code: ErrorCode.invalidParams,
          message: `The parameters of initialize are longer than ${maxInitialize} characters. Send less about the client.`,
          id: request.id
        })
      }
      const opened = yield* sessions.open(grant, { ...request, params: negotiable(request.params) }).pipe(
        Effect.map(({ id, initializeLine }) => ({ line: initializeLine, headers: { "mcp-session-id": Redacted.value(id) } })),
        Effect.catchTag("InitializeRefused", ({ line }) => Effect.succeed({ line, headers: {} }))
      )
      // A client that takes both gets JSON: the id of its session is a header of this answer, and nothing can precede it.
      return Effect.succeed(accept.json
        ? json(opened.line, opened.headers)
        : streamed(plainStream([{ line: opened.line, final: true }], Effect.never), opened.headers))
    })

    /** The ways of messages that are no initialize. Those without an id go to the grant's default session. */
    const waysOf = (grant: Grant, id: string | undefined, version: string | undefined, isStreamed: boolean): Ways<Call> => ({
      call: (request) => id === undefined
        ? sessions.callDefault(grant, version ?? assumedVersion, request, { isStreamed })
        : Effect.map(sessions.call(grant, id, request, { isStreamed }), (call) => ({ call, opened: undefined })),
      notify: (notification) => id === undefined ? sessions.notifyDefault(grant, notification) : sessions.notify(grant, id, notification),
      respond: (response) =>
        Effect.filterOrFail(
          id === undefined ? sessions.respondDefault(grant, response) : sessions.respond(grant, id, response),
          (isTaken) => isTaken,
          () => notAsked(response.id)
        ),
      refuse: (failure, id) => failure._tag === "McpRefusal" ? failure : refuse(config, failure, id)
    })
    const openedHeaders = (opened: Redacted.Redacted | undefined) => opened === undefined ? {} : { "mcp-session-id": Redacted.value(opened) }

    /** What a POST gives waits for its answer, and is run when nothing holds the message any more: it may be large, and the answer may take its time. */
    const onMessage = Effect.fnUntraced(function*(message: Message, ways: Ways<Call>, accept: Accepted) {
      if (message._tag !== "Request") return yield* Effect.as(message._tag === "Response" ? ways.respond(message) : ways.notify(message), Effect.succeed(acceptedEmpty))
      const { call, opened } = yield* ways.call(message)
      return respond(call, accept, openedHeaders(opened))
    })

    /** Only what a client of the right revision sends may be several messages; where no session says which one that is, the header does. */
    const onBatch = Effect.fnUntraced(function*(grant: Grant, id: string | undefined, version: string | undefined, batch: Batch, accept: Accepted) {
      const spoken = id === undefined || version === modernVersion
        ? version ?? assumedVersion
        : yield* Effect.mapError(sessions.negotiated(grant, id), (failure) => refuse(config, failure, undefined))
      if (spoken !== batchVersion) {
        return yield* refuseMessage(`Batches belong to revision ${batchVersion}, and this is ${spoken}; send one JSON-RPC message per POST.`, undefined)
      }
      const { calls, opened } = yield* dispatchBatch(batch, waysOf(grant, id, version, accept.sse))
      return calls.length === 0 ? Effect.succeed(acceptedEmpty) : answerCalls(calls, accept, { ...noStore, ...openedHeaders(opened) })
    })

    const post = Effect.fnUntraced(function*(grant: Grant, request: HttpServerRequest.HttpServerRequest) {
      const { accept, message } = yield* readMessage(request, config)
      const id = message._tag === "Request" || message._tag === "Response" ? message.id : undefined
      const params = message._tag === "Request" || message._tag === "Notification" ? message.params : undefined
      if (message._tag !== "Batch" && isModern(params, request.headers["mcp-protocol-version"]?.trim())) {
        if (message._tag === "Request") return yield* modern(grant, message, request.headers, accept)
        // No notification means anything to a server of this revision.
        if (message._tag === "Notification") return Effect.succeed(acceptedEmpty)
        return yield* refuseMessage(`Clients of revision ${modernVersion} answer what they are asked by a retry with inputResponses, not by a response.`, id)
      }
      const version = yield* versionOf(request)
      if (message._tag === "Request" && message.method === "initialize") {
        return yield* Effect.mapError(initialize(grant, message, accept), (failure) => failure._tag === "McpRefusal" ? failure : refuse(config, failure, id))
      }
      const sessionId = request.headers["mcp-session-id"]
      if (sessionId === undefined && config.sessionless === "reject") {
        return yield* refuseMessage("Send the Mcp-Session-Id that initialize was answered with.", id)
      }
      if (message._tag === "Batch") return yield* onBatch(grant, sessionId, version, message, accept)
      const ways = waysOf(grant, sessionId, version, accept.sse)
      return yield* Effect.mapError(onMessage(message, ways, accept), (failure) => ways.refuse(failure, id))
    })

    const modern = makeModern({ calls, noStore, streamed: (stream) => streamed(stream, {}), refuse: (failure, id) => refuse(config, failure, id) })

    /** GET and DELETE are about the session that a header names, and say so where it is missing. */
    const sessionOf = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest, what: string) {
      if ((yield* versionOf(request)) === modernVersion) {
        return yield* methodNotAllowed(`Revision ${modernVersion} knows no sessions and takes POST only.`, "POST")
      }
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
      return streamed(yield* Effect.mapError(sessions.stream(grant, id, request.headers["last-event-id"]), (failure) => refuse(config, failure, undefined)), {})
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

const refuseMessage = (message: string, id: RequestId | undefined) => new McpRefusal({ status: 400, code: ErrorCode.invalidRequest, message, id })

const notAsked = (id: RequestId) =>
  refuseMessage("No request of this session is waiting for a response with this id: it was answered, taken back or given up.", id)

const methodNotAllowed = (message: string, allow = methods) => new McpRefusal({ status: 405, code: ErrorCode.invalidRequest, message, headers: { allow } })
