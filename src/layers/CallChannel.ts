import { Deferred, Effect, Exit, FiberId } from "effect"
import { legacyAnswer } from "../domain/LegacyAnswer.ts"
import type { Call, CallEvent } from "../services/Sessions.ts"
import type { Answer, Ask, CallSink } from "./CallSink.ts"

/** Characters that may wait for a client that reads slowly; what comes before the result is dropped beyond, the result never. */
const maxWaiting = 1024 * 1024

/**
 * What passes between the pump of a child, which must never wait, and the one reader of a call or of a GET stream. Without a reader it
 * keeps the bounded rest and costs nothing else.
 */
export class CallChannel implements Call, CallSink {
  readonly isStreamed: boolean
  private events: Array<CallEvent> = []
  private waiting = 0
  private arrived = Deferred.unsafeMake<void>(FiberId.none)
  private over = false

  constructor(isStreamed: boolean) {
    this.isStreamed = isStreamed
  }

  render({ body, clientId, line, method }: Answer): string {
    return legacyAnswer(line, body, clientId, method)
  }

  /** Something that precedes the response. */
  interim(line: string): void {
    if (this.over || this.waiting + line.length > maxWaiting) return
    this.put({ line, final: false })
  }

  asked({ line }: Ask): void {
    this.interim(line)
  }

  withdrawn(_id: string, line: string): void {
    this.interim(line)
  }

  /** The response, or the end of a stream that has none (an empty line); only the first counts. */
  complete(line: string): void {
    if (this.over) return
    this.over = true
    this.put({ line, final: true })
  }

  readonly take: Effect.Effect<ReadonlyArray<CallEvent>> = Effect.suspend(() => {
    if (this.events.length === 0) return Effect.zipRight(Deferred.await(this.arrived), this.take)
    const taken = this.events
    this.events = []
    this.waiting = 0
    this.arrived = Deferred.unsafeMake<void>(FiberId.none)
    return Effect.succeed(taken)
  })

  private put(event: CallEvent): void {
    this.events.push(event)
    this.waiting += event.line.length
    Deferred.unsafeDone(this.arrived, Exit.void)
  }
}
