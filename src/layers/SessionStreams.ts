import type { Scope } from "effect"
import { Effect, Option } from "effect"
import type { Resumability } from "../domain/Era.ts"
import { resumabilityOf } from "../domain/Era.ts"
import type { EventId } from "../domain/EventId.ts"
import { decodeEventId } from "../domain/EventId.ts"
import type { GrantId, SessionKey } from "../domain/Ids.ts"
import type { RequestId } from "../domain/JsonRpc.ts"
import { encodeError, ErrorCode } from "../domain/JsonRpc.ts"
import type { SessionReplay } from "../domain/ReplayBuffer.ts"
import { ReplayBuffer } from "../domain/ReplayBuffer.ts"
import { randomHex } from "../domain/Secrets.ts"
import { beforeModernStream, beforeStream, keepAlive } from "../services/Schedules.ts"
import type { EventStream } from "../services/Sessions.ts"
import { NothingFollows } from "../services/Sessions.ts"
import type { EventReader } from "./EventLog.ts"
import { EventLog, lost } from "./EventLog.ts"
import { StreamableCall } from "./StreamableCall.ts"
import type { Wheel } from "./Wheel.ts"
import { makeWheel } from "./Wheel.ts"

/** The streams of one session. */
interface Home {
  /** What its client was told. */
  readonly version: string
  readonly revision: Resumability
  readonly replay: SessionReplay
  /** One, so that each message goes to exactly one place (2025-11-25, transports). */
  readonly standing: EventLog
  /** Of calls that are not answered, or whose events are kept, by their numbers. */
  readonly calls: Map<number, EventLog>
  /** Whether the session has a child. */
  isLive: boolean
}

/**
 * The streams of all sessions, and what is kept of them. They hang from a session, not from a child: parking, rotation and
 * crashes do not touch them. One without a child is here only as long as somebody listens or something is kept.
 */
export class SessionStreams {
  /** Tells event ids of this run of the broker from those of others. */
  private readonly run = randomHex(4)
  private readonly buffer = new ReplayBuffer()
  private readonly homes = new Map<SessionKey, Home>()
  private readonly watchers = new Map<SessionKey, () => void>()
  private readonly patience: Wheel
  private readonly modernPatience: Wheel
  private readonly silence: Wheel
  private streams = 0
  private isOver = false

  constructor(patience: Wheel, modernPatience: Wheel, silence: Wheel) {
    this.patience = patience
    this.modernPatience = modernPatience
    this.silence = silence
  }

  /** The session has a child, and its client was told this revision. */
  open(key: SessionKey, version: string): void {
    this.homeOf(key, version).isLive = true
  }

  /** The session has given its child up, and may come back. */
  park(key: SessionKey): void {
    const home = this.homes.get(key)
    if (home === undefined) return
    home.isLive = false
    this.forgetIfEmpty(key, home)
  }

  /** The session is over: its standing stream ends and nothing is kept; who reads a call gets its answer yet. */
  close(key: SessionKey): void {
    const home = this.homes.get(key)
    if (home === undefined) return
    this.homes.delete(key)
    home.replay.close()
    home.standing.reader?.end()
  }

  /** What the session's client was told, where anything of the session is here. */
  versionOf(key: SessionKey): Option.Option<string> {
    return Option.fromNullable(this.homes.get(key)?.version)
  }

  /** Whether somebody listens to the session's standing stream. */
  isOpen(key: SessionKey): boolean {
    return this.homes.get(key)?.standing.reader !== undefined
  }

  /** What belongs to no request: to the standing stream, or kept for the next one. False where its reader is too slow. */
  publish(key: SessionKey, line: string): boolean {
    return this.homes.get(key)?.standing.put(line, false) ?? false
  }

  /** The same, but only where somebody listens; false where nobody does. */
  tell(key: SessionKey, line: string): boolean {
    const isOpen = this.isOpen(key)
    if (isOpen) this.publish(key, line)
    return isOpen
  }

  /** A stream for a request that comes by itself: see `Sessions.stream`. `version`: what the session's client was told. */
  attach(key: SessionKey, version: string, grantId: GrantId, lastEventId: string | undefined): Effect.Effect<EventStream, NothingFollows, Scope.Scope> {
    return Effect.suspend(() => {
      const home = this.homeOf(key, version)
      const attached = Effect.suspend(() => {
        const reader = this.readerFor(home, grantId, Option.flatMap(Option.fromNullable(lastEventId), decodeEventId))
        if (reader === undefined) return new NothingFollows()
        if (reader.isStanding) {
          if (this.isOver) reader.end()
          else this.watchers.get(key)?.()
        }
        return Effect.succeed(reader)
      })
      const forget = Effect.sync(() => this.forgetIfEmpty(key, home))
      return Effect.acquireRelease(Effect.tapError(attached, () => forget), (reader) => Effect.zipRight(Effect.sync(() => reader.detach()), forget))
    })
  }

  /** `opened` hears of each standing stream of the session that opens, until the scope closes. */
  watch(key: SessionKey, opened: () => void): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => void this.watchers.set(key, opened)),
      () => Effect.sync(() => void this.watchers.delete(key))
    )
  }

  /** A call of the session, for the request that asks; `isStreamed`: see `CallOptions`. */
  call(key: SessionKey, request: RequestId, isStreamed: boolean): StreamableCall {
    return new StreamableCall(isStreamed, this.patience, () => {
      const home = this.homes.get(key)
      return home?.revision.hasIds === true ? this.resumable(key, home, request) : this.lone(request, resumabilityOf(""))
    })
  }

  /** A call of 2026-07-28, which knows no way to come back to a stream. */
  modernCall(request: RequestId): StreamableCall {
    return new StreamableCall(true, this.modernPatience, () => this.lone(request, resumabilityOf("")))
  }

  /** Ends the streams that are listened to with this grant. Who reads the answer to a call waits for it. */
  closeOf(grantId: GrantId): void {
    for (const { calls, standing } of this.homes.values()) {
      for (const { reader } of [standing, ...calls.values()]) if (reader?.grantId === grantId) reader.end()
    }
  }

  /** For the daemon stops: what is just being opened ends, too. */
  closeAll(): void {
    this.isOver = true
    for (const { standing } of this.homes.values()) standing.reader?.end()
  }

  private homeOf(key: SessionKey, version: string): Home {
    const known = this.homes.get(key)
    if (known !== undefined) return known
    const revision = resumabilityOf(version)
    const replay = this.buffer.session()
    const onSpent = () => this.forgetIfEmpty(key, home)
    const standing = new EventLog({ stream: { ...this.nextStream(), of: "standing" }, revision, replay, silence: this.silence, onSpent })
    const home: Home = { version, revision, replay, standing, calls: new Map(), isLive: false }
    this.homes.set(key, home)
    return home
  }

  private forgetIfEmpty(key: SessionKey, home: Home): void {
    const isEmpty = !home.isLive && home.calls.size === 0 && home.replay.isEmpty && home.standing.reader === undefined
    if (isEmpty && this.homes.get(key) === home) this.homes.delete(key)
  }

  private nextStream() {
    return { run: this.run, stream: ++this.streams }
  }

  private resumable(key: SessionKey, home: Home, request: RequestId): EventLog {
    const onSpent = () => {
      home.calls.delete(log.number)
      this.forgetIfEmpty(key, home)
    }
    const { replay, revision } = home
    const log: EventLog = new EventLog({ stream: { ...this.nextStream(), of: { request } }, revision, replay, silence: this.silence, onSpent })
    home.calls.set(log.number, log)
    return log
  }

  /** One that nobody can come back to. */
  private lone(request: RequestId, revision: Resumability): EventLog {
    return new EventLog({ stream: { ...this.nextStream(), of: { request } }, revision, replay: undefined, silence: this.silence, onSpent: () => {} })
  }

  private readerFor(home: Home, grantId: GrantId, last: Option.Option<EventId>): EventReader | undefined {
    const { calls, revision, standing } = home
    if (Option.isNone(last)) return standing.attach(undefined, grantId)
    const { of, run, seq, stream } = last.value
    const isOurs = run === this.run
    if (of === "standing") return standing.attach(isOurs && stream === standing.number ? seq : undefined, grantId)
    const log = isOurs ? calls.get(stream) : undefined
    if (log !== undefined) return log.isDone(seq) ? undefined : log.attach(seq, grantId)
    if (typeof of === "string") return undefined
    const gone = this.lone(of.request, revision)
    const reader = gone.attach(undefined, grantId)
    gone.put(encodeError(of.request, ErrorCode.internal, isOurs ? lost.forgotten : lost.inRestart), true)
    return reader
  }
}

/** The wheels belong to the scope. */
export const makeSessionStreams: Effect.Effect<SessionStreams, never, Scope.Scope> = Effect.map(
  Effect.all([makeWheel(beforeStream), makeWheel(beforeModernStream), makeWheel(keepAlive)]),
  (wheels) => new SessionStreams(...wheels)
)
