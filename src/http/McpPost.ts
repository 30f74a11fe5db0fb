import type { Scope } from "effect"
import { Effect, Either, Redacted } from "effect"
import type { IncomingMessage } from "node:http"
import type { Batch } from "../domain/Batch.ts"
import { batchVersion } from "../domain/Batch.ts"
import { assumedVersion, isModern, modernVersion, negotiable } from "../domain/Era.ts"
import type { Message, Request, RequestId } from "../domain/JsonRpc.ts"
import { ErrorCode } from "../domain/JsonRpc.ts"
import { AppConfig } from "../services/AppConfig.ts"
import type { Grant } from "../services/Grants.ts"
import { ModernCalls } from "../services/ModernCalls.ts"
import type { Call } from "../services/Sessions.ts"
import { Sessions } from "../services/Sessions.ts"
import { answerCall } from "./CallAnswer.ts"
import type { McpAnswer } from "./McpAnswer.ts"
import { emptyAnswer, eventsAnswer, jsonAnswer } from "./McpAnswer.ts"
import type { Ways } from "./McpBatch.ts"
import { answerCalls, dispatchBatch } from "./McpBatch.ts"
import type { Failure } from "./McpFailures.ts"
import { refuse } from "./McpFailures.ts"
import { makeModern } from "./McpModern.ts"
import { McpRefusal } from "./McpRefusal.ts"
import type { Accepted, McpHeaders, Posted } from "./McpRequest.ts"
import { headersOf, readMessage, versionOf } from "./McpRequest.ts"
import { plainStream } from "./Sse.ts"

/** Characters of JSON: they are stored as long as the session lives. */
const maxInitialize = 64 * 1024

const acceptedEmpty = Effect.succeed(emptyAnswer(202))

/**
 * A message has gone its way, and this waits for the answer. It is run when nothing holds the message any more, for that may
 * be large and the answer may take its time.
 */
type Waiting = Effect.Effect<McpAnswer, McpRefusal, Scope.Scope>
type Posting = Effect.Effect<Waiting, McpRefusal, Scope.Scope>

/** How POSTs of a signed-in client are answered: read, and sent on their way by era, method and session. */
export const makePost = Effect.gen(function*() {
  const config = yield* AppConfig
  const sessions = yield* Sessions
  const calls = yield* ModernCalls
  const modern = makeModern({ calls, refuse: (failure, id) => refuse(config, failure, id) })

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
      Effect.map(({ id, initializeLine }) => ({ line: initializeLine, headers: openedHeaders(id) })),
      Effect.catchTag("InitializeRefused", ({ line }) => Effect.succeed({ line, headers: undefined }))
    )
    // A client that takes both gets JSON: the id of its session is a header of this answer, and nothing can precede it.
    return Effect.succeed(accept.json
      ? jsonAnswer(opened.line, 200, opened.headers)
      : eventsAnswer(plainStream([{ line: opened.line, final: true }], Effect.never), opened.headers))
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

  const onMessage = (message: Message, ways: Ways<Call>, accept: Accepted): Effect.Effect<Waiting, Failure | McpRefusal> => {
    switch (message._tag) {
      case "Request":
        return Effect.map(ways.call(message), (made) => waitFor(made.call, accept, made.opened))
      case "Response":
        return Effect.as(ways.respond(message), acceptedEmpty)
      case "Notification":
        return Effect.as(ways.notify(message), acceptedEmpty)
    }
  }

  /** Only what a client of the right revision sends may be several messages; where no session says which one that is, the header does. */
  const onBatch = Effect.fnUntraced(function*(grant: Grant, id: string | undefined, version: string | undefined, batch: Batch, accept: Accepted) {
    const spoken = id === undefined || version === modernVersion
      ? version ?? assumedVersion
      : yield* Effect.mapError(sessions.negotiated(grant, id), (failure) => refuse(config, failure, undefined))
    if (spoken !== batchVersion) {
      return yield* refuseMessage(`Batches belong to revision ${batchVersion}, and this is ${spoken}; send one JSON-RPC message per POST.`, undefined)
    }
    const { calls, opened } = yield* dispatchBatch(batch, waysOf(grant, id, version, accept.sse))
    return calls.length === 0 ? acceptedEmpty : answerCalls(calls, accept, openedHeaders(opened))
  })

  const onModern = (grant: Grant, message: Message, headers: McpHeaders, accept: Accepted): Posting => {
    switch (message._tag) {
      case "Request":
        return modern(grant, message, headers, accept)
      case "Response":
        return refuseMessage(`Clients of revision ${modernVersion} answer what they are asked by a retry with inputResponses, not by a response.`, message.id)
      // No notification means anything to a server of this revision.
      case "Notification":
        return Effect.succeed(acceptedEmpty)
    }
  }

  const route = (grant: Grant, headers: McpHeaders, { accept, message }: Posted): Posting => {
    const params = message._tag === "Request" || message._tag === "Notification" ? message.params : undefined
    if (message._tag !== "Batch" && isModern(params, headers["mcp-protocol-version"]?.trim())) return onModern(grant, message, headers, accept)
    const version = versionOf(headers)
    if (Either.isLeft(version)) return version.left
    const id = message._tag === "Request" || message._tag === "Response" ? message.id : undefined
    const refused = (failure: Failure | McpRefusal) => failure._tag === "McpRefusal" ? failure : refuse(config, failure, id)
    if (message._tag === "Request" && message.method === "initialize") return Effect.catchAll(initialize(grant, message, accept), refused)
    const sessionId = headers["mcp-session-id"]
    if (sessionId === undefined && config.sessionless === "reject") {
      return refuseMessage("Send the Mcp-Session-Id that initialize was answered with.", id)
    }
    if (message._tag === "Batch") return onBatch(grant, sessionId, version.right, message, accept)
    return Effect.catchAll(onMessage(message, waysOf(grant, sessionId, version.right, accept.sse), accept), refused)
  }

  return (grant: Grant, request: IncomingMessage): Effect.Effect<McpAnswer, McpRefusal, Scope.Scope> =>
    Effect.flatten(Effect.flatMap(readMessage(request, config), (posted) => route(grant, headersOf(request), posted)))
})

/** Apart from the message: see `Waiting`. */
const waitFor = (call: Call, accept: Accepted, opened: Redacted.Redacted | undefined): Waiting => {
  const headers = openedHeaders(opened)
  return answerCall(call, accept, (line) => jsonAnswer(line, 200, headers), (stream) => eventsAnswer(stream, headers))
}

const openedHeaders = (opened: Redacted.Redacted | undefined) => opened === undefined ? undefined : { "mcp-session-id": Redacted.value(opened) }

const refuseMessage = (message: string, id: RequestId | undefined) => new McpRefusal({ status: 400, code: ErrorCode.invalidRequest, message, id })

const notAsked = (id: RequestId) =>
  refuseMessage("No request of this session is waiting for a response with this id: it was answered, taken back or given up.", id)
