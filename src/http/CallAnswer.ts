import type { HttpServerResponse } from "@effect/platform"
import type { Scope } from "effect"
import { Effect } from "effect"
import type { Call, CallEvent, EventStream } from "../services/Sessions.ts"
import type { Accepted } from "./McpRequest.ts"

type Answer = HttpServerResponse.HttpServerResponse

const untilFinal = (call: Call): Effect.Effect<CallEvent> =>
  Effect.flatMap(call.take, (events) => {
    const last = events.at(-1)
    return last?.final === true ? Effect.succeed(last) : untilFinal(call)
  })

/**
 * A call's answer: JSON where nothing precedes the result, and a stream where something does or the call takes its time, as
 * far as the client can read it.
 */
export const answerCall = (
  call: Call,
  accept: Accepted,
  json: (line: string) => Answer,
  streamed: (stream: EventStream) => Answer
): Effect.Effect<Answer, never, Scope.Scope> =>
  Effect.gen(function*() {
    if (!accept.sse) return json((yield* untilFinal(call)).line)
    const events = accept.json ? yield* call.takeSoon : []
    const [first] = events
    return first?.final === true ? json(first.line) : streamed(yield* call.stream(events))
  })
