import { Effect } from "effect"
import type { CallEvent, EventStream } from "../services/Sessions.ts"

/** Characters of a message from which on it is written by itself: joined to others it would be copied. */
const large = 64 * 1024

/** Messages as events, in the pieces in which they are written: one, but for large messages. */
const encode = (events: ReadonlyArray<CallEvent>): ReadonlyArray<string> => {
  const pieces: Array<string> = []
  let text = ""
  for (const { id, line } of events) {
    if (line === "") continue
    text += `${id === undefined ? "" : `id: ${id}\n`}event: message\ndata: `
    // JSON text may hold a carriage return between its tokens, which would end an SSE line.
    const data = line.includes("\r") ? line.replaceAll("\r", " ") : line
    if (data.length < large) text += data
    else {
      pieces.push(text, data)
      text = ""
    }
    text += "\n\n"
  }
  if (text !== "") pieces.push(text)
  return pieces
}

/** Milliseconds after which a client whose stream has ended, or was cut, is asked to come back. */
const comeBackAfter = 2_000

/** The headers go out with the first bytes: they are there at once, whatever follows. */
const beginningOf = ({ primer }: EventStream): string => primer === undefined ? ": stream\n\n" : `id: ${primer}\nretry: ${comeBackAfter}\ndata: \n\n`

/**
 * Writes a stream of events until its final one. The last word of a standing stream is the time after which to come back:
 * session or daemon has ended it, or a newer one has taken its place; while the daemon is stopping (`isStopping`) that of
 * others is, too, where the client understands it. `write` waits while the client reads more slowly than events come.
 */
export const writeEvents = (stream: EventStream, isStopping: () => boolean, write: (text: string) => Effect.Effect<void>): Effect.Effect<void> => {
  const lastWord = Effect.suspend(() =>
    stream.isStanding || (isStopping() && stream.primer !== undefined) ? write(`retry: ${comeBackAfter}\n\n`) : Effect.void)
  // What came is on its way before the next is waited for.
  const rest: Effect.Effect<void> = Effect.flatMap(stream.take, (events) => {
    const pieces = events.length === 0 ? [": keep-alive\n\n"] : encode(events)
    const [first = ""] = pieces
    const written = pieces.length > 1 ? Effect.forEach(pieces, write, { discard: true }) : first === "" ? Effect.void : write(first)
    return Effect.zipRight(written, events.some(({ final }) => final) ? lastWord : rest)
  })
  return Effect.zipRight(write(beginningOf(stream)), rest)
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
