import type { Effect, Option } from "effect"
import { Context, Schema } from "effect"
import type { Handshake } from "../domain/Handshake.ts"
import { ClientKey, GrantId, SessionKey, UserId } from "../domain/Ids.ts"
import type { Notification } from "../domain/JsonRpc.ts"
import type { Departure, EndReason } from "../domain/SessionState.ts"

/** Whose a session is and what became of it. docs/storage.md has the columns. */
export const SessionRow = Schema.Struct({
  key: SessionKey,
  grantId: GrantId,
  userId: UserId,
  clientKey: ClientKey,
  openedBy: Schema.Literal("client", "broker"),
  state: Schema.Literal("live", "parked", "ended"),
  /** Whether a client has ever sent the id back. */
  claimed: Schema.transform(Schema.Int, Schema.Boolean, { strict: true, decode: (n) => n !== 0, encode: Number }),
  /** Epoch milliseconds. */
  lastUsedAt: Schema.Int
})
export type SessionRow = typeof SessionRow.Type

/** What a parked session is revived with. */
export interface Kept {
  readonly handshake: Handshake
  /** When its last children crashed, in epoch milliseconds. */
  readonly crashes: ReadonlyArray<number>
}

/**
 * The sessions' rows. They outlive child and daemon: a parked session is nothing else. A row is `live` from before its
 * client learns the id until its child is given up, so what a killed daemon leaves as live is parked at the next start.
 */
export class SessionRows extends Context.Tag("fjmcp/SessionRows")<SessionRows, {
  readonly insert: (row: Omit<SessionRow, "state" | "claimed" | "lastUsedAt">, handshake: Handshake) => Effect.Effect<void>
  readonly find: (key: SessionKey) => Effect.Effect<Option.Option<SessionRow>>
  /** Nothing where the session has ended. */
  readonly kept: (key: SessionKey) => Effect.Effect<Option.Option<Kept>>
  /** The client sent the id back for the first time. */
  readonly claim: (key: SessionKey) => Effect.Effect<void>
  /** A parked session has a child again. False where it has ended meanwhile: then nothing was changed. */
  readonly revive: (key: SessionKey) => Effect.Effect<boolean>
  /** All but the client's parameters of `initialize`, which never change. */
  readonly keepHandshake: (key: SessionKey, handshake: Handshake) => Effect.Effect<void>
  /** What a session is told while it has no child is kept for the next one. */
  readonly miss: (key: SessionKey, notification: Notification) => Effect.Effect<void>
  /** Gives what was kept so, once. */
  readonly takeMissed: (key: SessionKey) => Effect.Effect<ReadonlyArray<Notification>>
  /**
   * The session has given its child up. Where its grant has then more parked ones than MAX_PARKED, the least recently
   * used of them end, and are given. What has ended stays so. `crashes`: where they are known.
   */
  readonly leave: (
    key: SessionKey,
    departure: Departure,
    lastUsedAt: number,
    crashes: ReadonlyArray<number> | undefined
  ) => Effect.Effect<ReadonlyArray<SessionRow>>
  /** Gives what has ended by it: nothing where it has ended already. */
  readonly end: (key: SessionKey, reason: EndReason) => Effect.Effect<ReadonlyArray<SessionRow>>
  /** All sessions of a grant that had not ended; gives them. */
  readonly endOfGrant: (grantId: GrantId) => Effect.Effect<ReadonlyArray<SessionRow>>
  /** Ends what is parked for longer than SESSION_KEEP, and gives it; deletes what ended 30 days ago. */
  readonly sweep: Effect.Effect<ReadonlyArray<SessionRow>>
  /** The newest session of the grant whose id nobody has sent back, live or parked. */
  readonly newestUnclaimed: (grantId: GrantId) => Effect.Effect<Option.Option<SessionRow>>
  /** Writes when live sessions were last used. */
  readonly used: (uses: ReadonlyArray<{ readonly key: SessionKey; readonly at: number }>) => Effect.Effect<void>
}>() {}
