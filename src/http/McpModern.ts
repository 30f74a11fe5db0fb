import { Effect, Either } from "effect"
import { modernVersion } from "../domain/Era.ts"
import type { Request, RequestId } from "../domain/JsonRpc.ts"
import { encodeResponse, ErrorCode } from "../domain/JsonRpc.ts"
import { readFilter } from "../domain/ListenFilter.ts"
import type { Envelope, Refused } from "../domain/ModernEnvelope.ts"
import { modernHeaders, readEnvelope } from "../domain/ModernEnvelope.ts"
import type { Grant } from "../services/Grants.ts"
import type { ModernCall, ModernCalls } from "../services/ModernCalls.ts"
import type { CallError } from "../services/Sessions.ts"
import { answerCall } from "./CallAnswer.ts"
import { eventsAnswer, jsonAnswer } from "./McpAnswer.ts"
import { McpRefusal } from "./McpRefusal.ts"
import type { Accepted, McpHeaders } from "./McpRequest.ts"

export interface ModernOptions {
  readonly calls: ModernCalls["Type"]
  readonly refuse: (failure: CallError, id: RequestId) => McpRefusal
}

const refusalOf = ({ code, data, message, status }: Refused, id: RequestId) => new McpRefusal({ status, code, message, data, id })

/** No session of the client's is over, only the process that was to serve it. */
const childEnded: Refused = { status: 200, code: ErrorCode.internal, message: "The Forgejo tool process ended before it could be asked. Try again." }

/** Apart from the request, which it would keep until the end otherwise. */
const cancelAtEnd = ({ cancel }: ModernCall) => Effect.addFinalizer(() => cancel)

/** How requests of 2026-07-28 are answered: the ladder of checks, then by their methods. Notifications mean nothing to a server there. */
export const makeModern = ({ calls, refuse }: ModernOptions) => {
  /** Apart from the request, as above. */
  const respond = (call: ModernCall, accept: Accepted) => answerCall(call, accept, (line) => jsonAnswer(line, call.status()), eventsAnswer)

  const listen = Effect.fnUntraced(function*(grant: Grant, { request: { id, params } }: Envelope, accept: Accepted) {
    if (!accept.sse) {
      return yield* new McpRefusal({ status: 406, code: ErrorCode.invalidRequest, message: "The answer to subscriptions/listen is text/event-stream; Accept must allow it.", id })
    }
    const filter = yield* Either.mapLeft(readFilter(params), (message) => refusalOf({ status: 200, code: ErrorCode.invalidParams, message }, id))
    const stream = yield* Effect.mapError(calls.listen(grant, id, filter), () =>
      refusalOf({ status: 200, code: ErrorCode.internal, message: "You listen on as many streams as one sign-in may have. Close one of them." }, id))
    return eventsAnswer(stream)
  })

  return Effect.fnUntraced(function*(
    grant: Grant,
    message: Request,
    headers: McpHeaders,
    accept: Accepted
  ) {
    const { id, method } = message
    const sent = modernHeaders(headers)
    const envelope = yield* Either.mapLeft(readEnvelope(message, sent), (refused) => refusalOf(refused, id))
    if (!calls.isAdvertised(method)) {
      const sentence = `"${method.slice(0, 100)}" is no method of this server in revision ${modernVersion}.`
      return yield* refusalOf({ status: 404, code: ErrorCode.methodNotFound, message: sentence }, id)
    }
    if (method === "server/discover") return Effect.succeed(jsonAnswer(encodeResponse(id, { result: yield* calls.discover(grant) })))
    if (method === "subscriptions/listen") return Effect.succeed(yield* listen(grant, envelope, accept))
    // A client that goes before the final event has cancelled by it (basic/transports/streamable-http).
    const call = yield* Effect.uninterruptibleMask((restore) =>
      Effect.tap(restore(calls.call(grant, envelope, sent.params)), cancelAtEnd)).pipe(
      Effect.mapError((failure) =>
        failure._tag === "ModernRefusal" ? refusalOf(failure.refused, id) : failure._tag === "SessionEnded" ? refusalOf(childEnded, id) : refuse(failure, id))
    )
    return respond(call, accept)
  })
}
