import { HttpServerResponse } from "@effect/platform"
import { Effect, Option, Stream } from "effect"
import type { Call, CallEvent } from "../services/Sessions.ts"

/** One message as an event. JSON text may hold a carriage return between its tokens, which would end an SSE line. */
const encode = (line: string): string => `event: message\ndata: ${line.includes("\r") ? line.replaceAll("\r", " ") : line}\n\n`

/** A call as a stream of its messages that ends behind its response. `first` are those that were taken to decide for a stream. */
export const eventStream = (
  first: ReadonlyArray<CallEvent>,
  call: Call,
  headers: Readonly<Record<string, string>>
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.stream(
    // What came is on its way before the next is waited for.
    Stream.paginateEffect(Effect.succeed(first), (take: Call["take"]) =>
      Effect.map(take, (events) => {
        const text = events.map((event) => encode(event.line)).join("")
        return [text, events.some((event) => event.final) ? Option.none<Call["take"]>() : Option.some(call.take)] as const
      })).pipe(Stream.encodeText),
    { contentType: "text/event-stream", headers: { ...headers, "x-accel-buffering": "no" } }
  )
