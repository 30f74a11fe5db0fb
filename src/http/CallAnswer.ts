import type { Scope } from "effect"
import { Effect } from "effect"
import type { Call, CallEvent, EventStream } from "../services/Sessions.ts"
import type { McpAnswer } from "./McpAnswer.ts"
import type { Accepted } from "./McpRequest.ts"

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
  json: (line: string) => McpAnswer,
  streamed: (stream: EventStream) => McpAnswer
): Effect.Effect<McpAnswer, never, Scope.Scope> => {
  if (!accept.sse) return Effect.map(untilFinal(call), ({ line }) => json(line))
  if (!accept.json) return Effect.map(call.stream([]), streamed)
  return Effect.flatMap(call.takeSoon, (events) => {
    const [first] = events
    return first?.final === true ? Effect.succeed(json(first.line)) : Effect.map(call.stream(events), streamed)
  })
}
