import { Option } from "effect"
import type { RequestId } from "./JsonRpc.ts"

/**
 * The id of an event of a stream (2025-11-25, transports, resumability). It names its stream, so that a client that comes
 * back with it gets what followed on that stream and on no other. It is no secret: it is only looked up in the session that
 * its request may use anyway.
 */
export interface EventId {
  /** Which run of the broker made it: lower-case hex. */
  readonly run: string
  /** Numbered within the run, across sessions; a session never has two streams of one number. */
  readonly stream: number
  /** Counts the events of the stream from 1; 0 stands before the first. */
  readonly seq: number
  /**
   * What the stream is for: a session's `standing` one, or a call, which is `answered` by this very event, or else waits
   * for the response to this request. `unnamed`: it waits for one whose id is too long to be carried along.
   */
  readonly of: "standing" | "answered" | "unnamed" | { readonly request: RequestId }
}

/** Characters of a request's id as JSON, which stand in each event. */
const maxRequestId = 64

const words = { standing: "g", answered: "a", unnamed: "u" } as const

const markOf = (of: EventId["of"]): string => {
  if (typeof of === "string") return words[of]
  const json = JSON.stringify(of.request)
  return json.length > maxRequestId ? words.unnamed : `r${Buffer.from(json).toString("base64url")}`
}

/** Letters, digits and `.`, `-`, `_`, so that it is the same in an SSE line and in a header. */
export const encodeEventId = ({ of, run, seq, stream }: EventId): string => `${run}.${stream.toString(36)}.${seq.toString(36)}.${markOf(of)}`

const form = /^([0-9a-f]{1,32})\.([0-9a-z]{1,10})\.([0-9a-z]{1,10})\.(?:([gau])|r([A-Za-z0-9_-]{1,256}))$/

const requestOf = (encoded: string): Option.Option<RequestId> => {
  try {
    const id: unknown = JSON.parse(Buffer.from(encoded, "base64url").toString())
    return typeof id === "string" || Number.isSafeInteger(id) ? Option.some(id as RequestId) : Option.none()
  } catch {
    return Option.none()
  }
}

const ofOf = (word: string | undefined, request: string | undefined): Option.Option<EventId["of"]> => {
  if (word !== undefined) return Option.some(word === words.standing ? "standing" : word === words.answered ? "answered" : "unnamed")
  return Option.map(requestOf(request ?? ""), (id) => ({ request: id }))
}

/** Reads a `Last-Event-ID`; nothing where it is not one of ours. */
export const decodeEventId = (text: string): Option.Option<EventId> => {
  const [, run = "", stream = "", seq = "", word, request] = form.exec(text) ?? []
  return run === "" ? Option.none() : Option.map(ofOf(word, request), (of) => ({ run, stream: parseInt(stream, 36), seq: parseInt(seq, 36), of }))
}
