import { HttpServerResponse } from "@effect/platform"
import { Effect, Option, Stream } from "effect"
import type { CallEvent, EventStream } from "../services/Sessions.ts"

/** One message as an event. JSON text may hold a carriage return between its tokens, which would end an SSE line. */
const encode = ({ id, line }: CallEvent): string =>
  line === "" ? "" : `${id === undefined ? "" : `id: ${id}\n`}event: message\ndata: ${line.includes("\r") ? line.replaceAll("\r", " ") : line}\n\n`

/** Milliseconds after which a client whose stream has ended, or was cut, is asked to come back. */
const comeBackAfter = 2_000

/** The headers go out with the first bytes: they are there at once, whatever follows. */
const beginningOf = ({ primer }: EventStream): string => primer === undefined ? ": stream\n\n" : `id: ${primer}\nretry: ${comeBackAfter}\ndata: \n\n`

/**
 * A stream of events as the answer to a request, until its final one. The last word of a standing stream is the time after
 * which to come back: session or daemon has ended it, or a newer one has taken its place; while the daemon is stopping
 * (`isStopping`) that of others is, too, where the client understands it.
 */
export const eventStream = (
  stream: EventStream,
  headers: Readonly<Record<string, string>>,
  isStopping: Effect.Effect<boolean>
): HttpServerResponse.HttpServerResponse => {
  // What came is on its way before the next is waited for.
  const messages = Stream.paginateEffect(undefined, () =>
    Effect.map(stream.take, (events) => {
      const text = events.length === 0 ? ": keep-alive\n\n" : events.map(encode).join("")
      return [text, events.some(({ final }) => final) ? Option.none<undefined>() : Option.some(undefined)] as const
    }))
  const lastWord = Effect.map(isStopping, (isStopping) => stream.isStanding || (isStopping && stream.primer !== undefined) ? `retry: ${comeBackAfter}\n\n` : "")
  const text = Stream.make(beginningOf(stream)).pipe(Stream.concat(messages), Stream.concat(Stream.fromEffect(lastWord)), Stream.filter((text) => text !== ""))
  return HttpServerResponse.stream(Stream.encodeText(text), { contentType: "text/event-stream", headers: { ...headers, "x-accel-buffering": "no" } })
}

/** A stream that nobody can come back to: what was taken, and what is still to be taken. */
export const plainStream = (taken: ReadonlyArray<CallEvent>, take: EventStream["take"]): EventStream => {
  let first: ReadonlyArray<CallEvent> = taken
  return {
    primer: undefined,
    isStanding: false,
    take: Effect.suspend(() => {
      if (first.length === 0) return take
      const events = first
      first = []
      return Effect.succeed(events)
    })
  }
}
