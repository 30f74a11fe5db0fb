import { HttpServerResponse } from "@effect/platform"
import { Effect, Option, Stream } from "effect"
import { keepAlive } from "../services/Schedules.ts"
import type { Call, CallEvent } from "../services/Sessions.ts"

/** One message as an event. JSON text may hold a carriage return between its tokens, which would end an SSE line. */
const encode = (line: string): string => line === "" ? "" : `event: message\ndata: ${line.includes("\r") ? line.replaceAll("\r", " ") : line}\n\n`

/** The messages of a call from `first` on, until the final one. */
const events = (first: Call["take"], call: Call): Stream.Stream<string> =>
  // What came is on its way before the next is waited for.
  Stream.paginateEffect(first, (take: Call["take"]) =>
    Effect.map(take, (taken) => {
      const text = taken.map((event) => encode(event.line)).join("")
      return [text, taken.some((event) => event.final) ? Option.none<Call["take"]>() : Option.some(call.take)] as const
    }))

const respond = (text: Stream.Stream<string>, headers: Readonly<Record<string, string>>): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.stream(Stream.encodeText(text), { contentType: "text/event-stream", headers: { ...headers, "x-accel-buffering": "no" } })

/** A call as a stream of its messages that ends behind its response. `first` are those that were taken to decide for a stream. */
export const eventStream = (
  first: ReadonlyArray<CallEvent>,
  call: Call,
  headers: Readonly<Record<string, string>>
): HttpServerResponse.HttpServerResponse => respond(events(Effect.succeed(first), call), headers)

/** Milliseconds after which a client whose GET stream has ended is asked to come back. */
const comeBackAfter = 2_000

/**
 * A GET stream. It begins with a comment, because the headers go out with the first bytes, and ends with the time after
 * which to come back: the session or the daemon has ended it, or a newer stream has taken its place.
 */
export const standingStream = (call: Call, headers: Readonly<Record<string, string>>): HttpServerResponse.HttpServerResponse => {
  const messages = Stream.concat(events(call.take, call), Stream.make(`retry: ${comeBackAfter}\n\n`))
  const comments = Stream.as(Stream.fromSchedule(keepAlive), ": keep-alive\n\n")
  return respond(Stream.concat(Stream.make(": stream\n\n"), Stream.merge(messages, comments, { haltStrategy: "left" })), headers)
}
