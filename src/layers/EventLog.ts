import { Deferred, Effect, Exit, FiberId } from "effect"
import type { Resumability } from "../domain/Era.ts"
import type { EventId } from "../domain/EventId.ts"
import { encodeEventId } from "../domain/EventId.ts"
import type { GrantId } from "../domain/Ids.ts"
import { encodeError, ErrorCode } from "../domain/JsonRpc.ts"
import type { KeptStream, SessionReplay, StreamEvent } from "../domain/ReplayBuffer.ts"
import type { CallEvent, EventStream } from "../services/Sessions.ts"
import { maxWaiting } from "./CallChannel.ts"
import type { Timed, Wheel } from "./Wheel.ts"

const look = "The call may have run; look before you repeat it."
const tooLong = "Answered while you were disconnected, and longer than what is kept for clients that come back. The call has run."
/** Why a client that comes back gets no response. */
export const lost = {
  inRestart: `Lost in a restart of the broker. ${look}`,
  forgotten: `What this stream brought while you were disconnected is no longer kept. ${look}`
}

export interface EventLogOptions {
  readonly stream: Pick<EventId, "run" | "stream"> & { readonly of: "standing" | Exclude<EventId["of"], string> }
  readonly revision: Resumability
  /** Nothing is kept where there is none. */
  readonly replay: SessionReplay | undefined
  /** Its length is how long a reader is left without a word. */
  readonly silence: Wheel
  /** It has no reader, and nothing is left of it that one could come for. */
  readonly onSpent: () => void
}

const end: CallEvent = { line: "", final: true }

/**
 * One stream of events: what has happened on it, in its order, and the one who reads it. What its reader has got is kept in
 * the session's replay buffer, and so is what comes while there is none. For one that reads slowly 1 MiB waits, and the
 * response in any case.
 */
export class EventLog implements KeptStream {
  readonly kept: Array<StreamEvent> = []
  private readonly options: EventLogOptions
  private waiting: Array<StreamEvent> = []
  private waitingSize = 0
  /** The last event; the last that a reader was given. */
  private seq = 0
  private given = 0
  private isOver = false
  private current: EventReader | undefined

  constructor(options: EventLogOptions) {
    this.options = options
  }

  get reader(): EventReader | undefined {
    return this.current
  }

  get number(): number {
    return this.options.stream.stream
  }

  /** Nothing that comes after the final one counts. False where its reader is too slow, and it is dropped. */
  put(line: string, final: boolean): boolean {
    if (this.isOver || (!final && this.current !== undefined && this.waitingSize + line.length > maxWaiting)) return false
    this.isOver = final
    const event = { seq: ++this.seq, line, final }
    if (this.current === undefined) this.keep(event)
    else {
      this.waiting.push(event)
      this.waitingSize += line.length
      this.current.wake()
    }
    return true
  }

  /** Whether a reader that has got everything up to `seq` has nothing to wait for. */
  isDone(seq: number): boolean {
    return this.isOver && seq >= this.seq
  }

  /**
   * Takes the place of the reader that there is, which ends: its connection is often half dead. Begins behind the event
   * `after`, or behind the last that a reader was given.
   */
  attach(after: number = this.given, grantId?: GrantId): EventReader {
    const before = this.current
    this.current = new EventReader(this, Math.min(after, this.given), this.options.silence, grantId)
    before?.end()
    return this.current
  }

  detach(reader: EventReader): void {
    if (this.current !== reader) return
    this.current = undefined
    const left = this.waiting
    this.forgetWaiting()
    for (const event of left) this.keep(event)
    this.forgotten()
  }

  /** What `reader` has not got yet; where it cannot get its response any more, an error that says so. */
  read(reader: EventReader): ReadonlyArray<CallEvent> {
    if (this.current !== reader) return []
    const { waiting } = this
    const again = (this.kept.at(-1)?.seq ?? 0) > reader.cursor ? this.kept.filter(({ seq }) => seq > reader.cursor) : []
    const events = [...again, ...waiting]
    this.forgetWaiting()
    for (const event of waiting) this.keep(event)
    const isShort = this.isOver && events.length === 0 && reader.cursor < this.seq
    reader.cursor = this.given = Math.max(this.given, reader.cursor, events.at(-1)?.seq ?? 0)
    if (isShort) return [this.encoded({ seq: this.seq, line: this.error(lost.forgotten), final: true })]
    return events.map((event) => this.encoded(event))
  }

  /** The id with which a client comes back behind the event `seq`; nothing where its revision would stumble over it. */
  primer(seq: number): string | undefined {
    return this.options.revision.takesPriming ? this.idOf(seq, false) : undefined
  }

  get isStanding(): boolean {
    return this.options.stream.of === "standing"
  }

  readonly forgotten = (): void => {
    if (this.current === undefined && this.kept.length === 0 && (this.isOver || this.isStanding)) this.options.onSpent()
  }

  private keep(event: StreamEvent): void {
    const { replay } = this.options
    if (replay === undefined) return
    if (replay.fits(event.line.length)) return replay.keep(this, event)
    if (event.final) replay.keep(this, { ...event, line: this.error(tooLong) })
  }

  private forgetWaiting(): void {
    this.waiting = []
    this.waitingSize = 0
  }

  private error(sentence: string): string {
    const { of } = this.options.stream
    return encodeError(of === "standing" ? undefined : of.request, ErrorCode.internal, sentence)
  }

  private idOf(seq: number, final: boolean): string {
    const { of, run, stream } = this.options.stream
    return encodeEventId({ run, stream, seq, of: final ? "answered" : of })
  }

  private encoded({ final, line, seq }: StreamEvent): CallEvent {
    return this.options.revision.hasIds ? { line, final, id: this.idOf(seq, final) } : { line, final }
  }
}

/** One who reads a stream: a request that is answered with it. */
export class EventReader implements EventStream, Timed {
  readonly log: EventLog
  /** The last event that it has got. */
  cursor: number
  /** With whose access it listens, where it has come by itself: the reader of its own call stays for the answer. */
  readonly grantId: GrantId | undefined
  readonly primer: string | undefined
  readonly isStanding: boolean
  private readonly silence: Wheel
  private waiter: Deferred.Deferred<void> | undefined
  private isEnded = false
  /** Something has happened while nobody waited. */
  private isAwake = false

  constructor(log: EventLog, cursor: number, silence: Wheel, grantId: GrantId | undefined) {
    this.log = log
    this.cursor = cursor
    this.silence = silence
    this.grantId = grantId
    this.primer = log.primer(cursor)
    this.isStanding = log.isStanding
  }

  readonly take: Effect.Effect<ReadonlyArray<CallEvent>> = Effect.suspend(() => {
    this.isAwake = false
    const events = this.next()
    return events.length > 0 ? Effect.succeed(events) : Effect.map(this.wait, () => this.next())
  })

  readonly onDue: Effect.Effect<void> = Effect.sync(() => this.wake())

  wake(): void {
    this.silence.stop(this)
    this.isAwake = true
    if (this.waiter === undefined) return
    Deferred.unsafeDone(this.waiter, Exit.void)
    this.waiter = undefined
  }

  /** Ends it behind what waits for it. */
  end(): void {
    this.isEnded = true
    this.wake()
  }

  /** It reads no more. */
  detach(): void {
    this.silence.stop(this)
    this.log.detach(this)
  }

  private next(): ReadonlyArray<CallEvent> {
    const events = this.log.read(this)
    return events.length === 0 && this.isEnded ? [end] : events
  }

  private readonly wait = Effect.suspend(() => {
    // The fiber may have been made to yield since it looked.
    if (this.isAwake) return Effect.void
    this.silence.start(this)
    return Deferred.await(this.waiter ??= Deferred.unsafeMake<void>(FiberId.none))
  })
}
