/** One message of a stream. `final`: nothing follows. */
export interface StreamEvent {
  /** Counts from 1. */
  readonly seq: number
  readonly line: string
  readonly final: boolean
}

/** Whose events are kept. */
export interface KeptStream {
  /** What is kept, oldest first: the buffer adds at the end and takes away at the front. */
  readonly kept: Array<StreamEvent>
  /** Something has been taken away to make room. */
  readonly forgotten: () => void
}

/** In characters, which take one or two bytes each. */
export interface ReplayLimits {
  readonly perSession: number
  readonly inAll: number
}

/** What product limits say: 256 KiB of each session, 64 MiB of all together. */
export const replayLimits: ReplayLimits = { perSession: 256 * 1024, inAll: 64 * 1024 * 1024 }

/** What an event costs besides its text: small ones are mostly objects. */
const overhead = 128

/** A place in the order in which the events of all sessions came. */
interface Kept {
  readonly owner: SessionReplay
  readonly stream: KeptStream
  readonly cost: number
  older: Kept | undefined
  newer: Kept | undefined
}

/**
 * The events of all sessions that are kept for clients that come back. Whatever goes beyond a limit pushes out what came
 * first, of the same session or of all; so of each stream the end is kept. Each step costs the same, however much is kept.
 */
export class ReplayBuffer {
  readonly limits: ReplayLimits
  private size = 0
  private oldest: Kept | undefined
  private newest: Kept | undefined

  constructor(limits: ReplayLimits = replayLimits) {
    this.limits = limits
  }

  /** Room for one session, which closes it at its end. */
  session(): SessionReplay {
    return new SessionReplay(this, this.limits.perSession)
  }

  /** Characters that all sessions keep, with what each event costs besides. */
  get total(): number {
    return this.size
  }

  /** Called by `SessionReplay` only. */
  add(place: Kept): void {
    place.older = this.newest
    if (this.newest === undefined) this.oldest = place
    else this.newest.newer = place
    this.newest = place
    this.size += place.cost
    while (this.size > this.limits.inAll && this.oldest !== undefined) this.oldest.owner.forgetOldest()
  }

  /** Called by `SessionReplay` only. */
  remove(place: Kept): void {
    if (place.older === undefined) this.oldest = place.newer
    else place.older.newer = place.newer
    if (place.newer === undefined) this.newest = place.older
    else place.newer.older = place.older
    this.size -= place.cost
  }
}

/** What is kept of one session's streams. */
export class SessionReplay {
  private readonly buffer: ReplayBuffer
  private readonly limit: number
  private places: Array<Kept> = []
  private size = 0
  private isClosed = false

  constructor(buffer: ReplayBuffer, limit: number) {
    this.buffer = buffer
    this.limit = limit
  }

  get isEmpty(): boolean {
    return this.places.length === 0
  }

  /** Characters, with what each event costs besides. */
  get total(): number {
    return this.size
  }

  /** Whether an event of so many characters can be kept at all. */
  fits(length: number): boolean {
    return length + overhead <= Math.min(this.limit, this.buffer.limits.inAll)
  }

  /** Keeps an event that fits; the oldest of the session, and then of all sessions, make room. */
  keep(stream: KeptStream, event: StreamEvent): void {
    if (this.isClosed) return
    const cost = event.line.length + overhead
    while (this.size + cost > this.limit && this.places.length > 0) this.forgetOldest()
    const place: Kept = { owner: this, stream, cost, older: undefined, newer: undefined }
    stream.kept.push(event)
    this.places.push(place)
    this.size += cost
    this.buffer.add(place)
  }

  /** Events come in one order for all: the oldest of the session is the oldest of its stream. */
  forgetOldest(): void {
    const place = this.places.shift()
    if (place === undefined) return
    this.size -= place.cost
    this.buffer.remove(place)
    place.stream.kept.shift()
    place.stream.forgotten()
  }

  /** The session is over: nothing of it is kept any more, whatever still comes. */
  close(): void {
    this.isClosed = true
    while (this.places.length > 0) this.forgetOldest()
  }
}
