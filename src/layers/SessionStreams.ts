import { Effect } from "effect"
import type { Scope } from "effect"
import type { SessionKey } from "../domain/Ids.ts"
import type { Call } from "../services/Sessions.ts"
import { CallChannel } from "./CallChannel.ts"

/**
 * The GET streams: one for a session at most, so that each message goes to exactly one place (2025-11-25, transports).
 * They belong to their requests and hang from a session, not from a child: parking and rotation do not touch them.
 */
export class SessionStreams {
  private readonly open = new Map<SessionKey, CallChannel>()

  /** Takes the place of an older one, which ends: its connection is often half dead, and nobody would tell. */
  attach(key: SessionKey): Effect.Effect<Call, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => {
        this.close(key)
        const channel = new CallChannel()
        this.open.set(key, channel)
        return channel
      }),
      (channel) =>
        Effect.sync(() => {
          if (this.open.get(key) === channel) this.open.delete(key)
        })
    )
  }

  isOpen(key: SessionKey): boolean {
    return this.open.has(key)
  }

  /** False where there is no stream. A client that does not read loses what is beyond the outbox's limit. */
  publish(key: SessionKey, line: string): boolean {
    const channel = this.open.get(key)
    channel?.interim(line)
    return channel !== undefined
  }

  /** Ends the session's stream. */
  close(key: SessionKey): void {
    this.open.get(key)?.complete("")
    this.open.delete(key)
  }

  closeAll(): void {
    for (const key of [...this.open.keys()]) this.close(key)
  }
}
