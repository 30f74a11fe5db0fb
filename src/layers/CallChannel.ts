import { Effect } from "effect"
import { legacyAnswer } from "../domain/LegacyAnswer.ts"
import type { CallEvent } from "../services/Sessions.ts"
import type { Answer, Ask, CallSink } from "./CallSink.ts"

/** Characters that may wait for a client that reads slowly; what comes before the result is dropped beyond, the result never. */
export const maxWaiting = 1024 * 1024

/** What passes between the pump of a child, which must never wait, and the one who answers a call. Where nobody takes it, it keeps the bounded rest. */
export class CallChannel implements CallSink {
  readonly isStreamed: boolean
  readonly ownsAsks = false
  protected events: Array<CallEvent> = []
  private waiting = 0
  private waiter: ((resumed: Effect.Effect<void>) => void) | undefined
  private elsewhere: ((line: string, final: boolean) => boolean) | undefined
  private over = false

  constructor(isStreamed: boolean) {
    this.isStreamed = isStreamed
  }

  render({ body, clientId, line, method }: Answer): string {
    return legacyAnswer(line, body, clientId, method)
  }

  /** Something that precedes the response. False where too much waits already, and it is dropped. */
  interim(line: string): boolean {
    if (this.over) return false
    if (this.elsewhere !== undefined) return this.elsewhere(line, false)
    if (this.waiting + line.length > maxWaiting) return false
    this.put({ line, final: false })
    return true
  }

  asked({ line }: Ask): Effect.Effect<boolean> {
    return Effect.sync(() => this.interim(line))
  }

  withdrawn(_ask: Pick<Ask, "id">, line: string): void {
    this.interim(line)
  }

  /** The response; only the first counts. */
  complete(line: string): void {
    if (this.over) return
    this.over = true
    if (this.elsewhere !== undefined) this.elsewhere(line, true)
    else this.put({ line, final: true })
  }

  /** Waits for at least one event. */
  get take(): Effect.Effect<ReadonlyArray<CallEvent>> {
    return Effect.suspend(() => this.events.length === 0 ? Effect.zipRight(this.wait, this.take) : Effect.succeed(this.taken()))
  }

  protected nudge(): void {
    const { waiter } = this
    this.waiter = undefined
    waiter?.(Effect.void)
  }

  /** From now on everything goes there at once, beginning with what waits; nobody takes any more. */
  protected divert(to: (line: string, final: boolean) => boolean): void {
    this.elsewhere = to
    for (const { final, line } of this.taken()) to(line, final)
  }

  /** For one taker at a time: a second one would take the place of the first, which is right only where that was interrupted. */
  protected get wait(): Effect.Effect<void> {
    return Effect.async((resume) => {
      // A fiber may be made to yield since it looked.
      if (this.events.length > 0) resume(Effect.void)
      else this.waiter = resume
    })
  }

  protected taken(): ReadonlyArray<CallEvent> {
    const taken = this.events
    this.events = []
    this.waiting = 0
    return taken
  }

  private put(event: CallEvent): void {
    this.events.push(event)
    this.waiting += event.line.length
    this.nudge()
  }
}
