import { Effect } from "effect"
import type { Scope } from "effect"
import type { GrantId, SessionKey } from "../domain/Ids.ts"
import type { Call } from "../services/Sessions.ts"
import { CallChannel } from "./CallChannel.ts"

/**
 * The GET streams: one for a session at most, so that each message goes to exactly one place (2025-11-25, transports).
 * They belong to their requests and hang from a session, not from a child: parking and rotation do not touch them.
 */
export class SessionStreams {
  private readonly open = new Map<SessionKey, { readonly channel: CallChannel; readonly grantId: GrantId }>()
  private readonly watchers = new Map<SessionKey, () => void>()
  private isOver = false

  /**
   * A stream that is listened to with a grant. Takes the place of an older one, which ends: its connection is often half
   * dead, and nobody would tell.
   */
  attach(key: SessionKey, grantId: GrantId): Effect.Effect<Call, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => {
        this.close(key)
        const channel = new CallChannel(true)
        if (this.isOver) channel.complete("")
        else {
          this.open.set(key, { channel, grantId })
          this.watchers.get(key)?.()
        }
        return channel
      }),
      (channel) =>
        Effect.sync(() => {
          if (this.open.get(key)?.channel === channel) this.open.delete(key)
        })
    )
  }

  /** `opened` hears of each stream of the session that opens, until the scope closes. */
  watch(key: SessionKey, opened: () => void): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => void this.watchers.set(key, opened)),
      () => Effect.sync(() => void this.watchers.delete(key))
    )
  }

  isOpen(key: SessionKey): boolean {
    return this.open.has(key)
  }

  /** False where there is no stream. A client that does not read loses what is beyond the outbox's limit. */
  publish(key: SessionKey, line: string): boolean {
    const stream = this.open.get(key)
    stream?.channel.interim(line)
    return stream !== undefined
  }

  /** Ends the session's stream. */
  close(key: SessionKey): void {
    this.open.get(key)?.channel.complete("")
    this.open.delete(key)
  }

  /** Ends the streams that are listened to with this grant. */
  closeOf(grantId: GrantId): void {
    for (const [key, stream] of [...this.open]) if (stream.grantId === grantId) this.close(key)
  }

  /** For the daemon stops: what is just being opened ends, too. */
  closeAll(): void {
    this.isOver = true
    for (const key of [...this.open.keys()]) this.close(key)
  }
}
