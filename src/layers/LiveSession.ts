import { Effect } from "effect"
import type { Change, Handshake } from "../domain/Handshake.ts"
import { after, changeOf, listsThatMayHaveChanged, requestOf } from "../domain/Handshake.ts"
import type { GrantId } from "../domain/Ids.ts"
import type { JsonObject, Notification, Request } from "../domain/JsonRpc.ts"
import type { CallSink } from "./CallSink.ts"
import type { Generations } from "./Generations.ts"
import type { Outcome } from "./InFlightCalls.ts"

/** A session with a child, as those see it who talk to it. */
export interface LiveSession {
  /** The child's answer to the client's `initialize`; nothing of use where the session was revived. */
  readonly initializeLine: string
  /** A call that has begun (`SessionState.begin`) is made; it finishes by itself. False where the child has just gone and did not get it. */
  readonly call: (request: Request, grantId: GrantId, sink: CallSink) => Effect.Effect<boolean>
  /** See `Generation.cancel`. */
  readonly cancel: Generations["cancel"]
  /** See `Generations.answer`. */
  readonly answer: Generations["answer"]
  /** Answers calls that will not be, with this sentence: those made with a grant, or all. */
  readonly giveUp: Generations["giveUp"]
  readonly notify: (notification: Notification) => Effect.Effect<void>
  /** Another child has answered `initialize` with `result`: what differs is told on the client's stream, or else ahead of its next answer. */
  readonly met: (result: JsonObject) => Effect.Effect<void>
  /** What the next child has to hear. */
  readonly handshake: () => Handshake
}

export interface LiveSessionOptions {
  readonly generations: Generations
  readonly handshake: Handshake
  readonly initializeLine: string
  /** False where there is no stream to put it on. */
  readonly publish: (line: string) => boolean
  /** A call has been answered or given up. */
  readonly finished: (method: string, outcome: Outcome) => Effect.Effect<void>
  readonly keepHandshake: (handshake: Handshake) => Effect.Effect<void>
  /** The child has refused a call. */
  readonly doubt: Effect.Effect<void>
}

export const makeLiveSession = (options: LiveSessionOptions): LiveSession => {
  const { doubt, finished, generations, initializeLine, keepHandshake, publish } = options
  let { handshake } = options
  let untold: ReadonlyArray<string> = []

  const keep = (next: Handshake): Effect.Effect<void> => {
    handshake = next
    return keepHandshake(next)
  }
  // Not the request itself: it may be large, and the call may outlive its client by far.
  const settled = (method: string, change: Change | undefined) => (outcome: Outcome): Effect.Effect<void> => {
    const done = finished(method, outcome)
    if (outcome === "refused") return Effect.zipRight(done, doubt)
    if (outcome !== "granted" || change === undefined) return done
    const next = after(handshake, change)
    // The client may rely on what it was granted, whatever happens to us in the next moment.
    const kept = next === handshake ? Effect.void : keep(next)
    return kept.pipe(Effect.zipRight(generations.passOn(requestOf(change))), Effect.zipRight(done))
  }

  return {
    initializeLine,
    giveUp: generations.giveUp,
    cancel: generations.cancel,
    answer: generations.answer,
    call: (request, grantId, sink) =>
      Effect.suspend(() => {
        const lines = sink.isStreamed && request.method !== "ping" ? untold : []
        for (const line of lines) sink.interim(line)
        const begun = generations.begin(request, settled(request.method, changeOf(request)), sink, grantId)
        return lines.length === 0 ? begun : Effect.tap(begun, (isMade) => {
          if (isMade) untold = untold.slice(lines.length)
        })
      }),
    notify: generations.notify,
    met: (result) =>
      Effect.suspend(() => {
        if (JSON.stringify(result.serverInfo) === JSON.stringify(handshake.told.serverInfo)) return Effect.void
        for (const line of listsThatMayHaveChanged(handshake.told, result)) if (!publish(line)) untold = [...untold, line]
        return keep({ ...handshake, told: { ...handshake.told, serverInfo: result.serverInfo } })
      }),
    handshake: () => handshake
  }
}
