import type { RequestId } from "../domain/JsonRpc.ts"
import { ErrorCode } from "../domain/JsonRpc.ts"
import type { CallError, LookUpError, NothingFollows } from "../services/Sessions.ts"
import { challenge } from "./BearerAuth.ts"
import { methods } from "./Cors.ts"
import { McpRefusal } from "./McpRefusal.ts"

export type Failure = CallError | LookUpError | NothingFollows

/** The daemon is stopping: whatever the client has is there again in a moment. */
export const restarting = (id: RequestId | undefined): McpRefusal =>
  new McpRefusal({
    status: 503,
    code: ErrorCode.internal,
    message: "The broker is restarting. Try again in a few seconds.",
    id,
    headers: { "retry-after": "5" }
  })

interface Wire {
  readonly publicUrl: string
  readonly unknownSessionStatus: 404 | 410
}

/** What each failure looks like over the wire. */
export const refuse = (wire: Wire, failure: Failure, id: RequestId | undefined): McpRefusal => {
  const answer = (status: number, message: string, headers: Readonly<Record<string, string>> = {}) =>
    new McpRefusal({ status, code: status === 200 || status >= 500 ? ErrorCode.internal : ErrorCode.invalidRequest, message, id, headers })
  switch (failure._tag) {
    case "SessionForeign":
      return answer(403, "This session belongs to another user or another client. Send initialize without Mcp-Session-Id to open your own.")
    case "SessionEnded":
      return answer(404, "This session has ended. Send initialize without Mcp-Session-Id to open a new one.")
    case "SessionUnknown":
      return answer(wire.unknownSessionStatus, "This broker does not know the session. Send initialize without Mcp-Session-Id to open a new one.")
    // A client of which the end of that stream has told nothing would come back for ever, were it given another one.
    case "NothingFollows":
      return answer(405, "Nothing follows the event that Last-Event-ID names: its stream has ended. GET without it listens to the session.", { allow: methods })
    case "SessionsFull":
      return answer(
        503,
        failure.cap === "user"
          ? `You have as many sessions at work as one user may have. Wait for a call to be answered, or try again in ${failure.retryAfter} s.`
          : `All session slots of this broker are at work. Try again in ${failure.retryAfter} s.`,
        { "retry-after": String(failure.retryAfter) }
      )
    case "StartsThrottled":
      return answer(
        503,
        `You have started ${failure.limit} tool processes within a minute, which is as many as one user may. Try again in ${failure.retryAfter} s.`,
        { "retry-after": String(failure.retryAfter) }
      )
    case "Restarting":
      return restarting(id)
    case "SessionBusy":
      return answer(200, `This session has as many calls in flight as it may have (${failure.limit}). Wait for one to be answered.`)
    case "StartFailed":
      return answer(
        200,
        `The Forgejo tool process could not be started: ${failure.category}. Try again in a minute; if it stays so, give the operator this id: ${failure.flowId}`
      )
    case "InitializeRefused":
      return answer(200, "The Forgejo tool process refused to begin a session for requests without Mcp-Session-Id. Send initialize first.")
    // Which of the two comes first is a matter of chance where Forgejo's refusal ends the grant.
    case "GrantOver":
    case "UpstreamGone":
      return answer(401, "Your sign-in is over: it was revoked, here or at Forgejo. Sign in again.", {
        "www-authenticate": challenge(wire.publicUrl, "invalid_token")
      })
    case "UpstreamUnavailable":
      return answer(503, "Forgejo cannot be reached to renew your access. Nothing is lost; try again in a few seconds.", { "retry-after": "5" })
  }
}
