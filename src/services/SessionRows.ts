import type { Effect, Option } from "effect"
import { Context, Schema } from "effect"
import { ClientKey, GrantId, SessionKey, UserId } from "../domain/Ids.ts"
import type { SessionEnd } from "../domain/SessionState.ts"

/** What the store knows of a session; docs/storage.md has the columns. */
export const SessionRow = Schema.Struct({
  key: SessionKey,
  grantId: GrantId,
  userId: UserId,
  clientKey: ClientKey,
  state: Schema.Literal("live", "parked", "ended")
})
export type SessionRow = typeof SessionRow.Type

/** The sessions' rows: they outlive the daemon, so that an id can be told from one that never was. */
export class SessionRows extends Context.Tag("fjmcp/SessionRows")<SessionRows, {
  readonly insert: (
    row: Omit<SessionRow, "state"> & {
      readonly openedBy: "client" | "broker"
      /** JSON: what the client said, and what it was told. */
      readonly initializeParams: string
      readonly initializeResult: string
    }
  ) => Effect.Effect<void>
  readonly find: (key: SessionKey) => Effect.Effect<Option.Option<SessionRow>>
  /** The client sent the id back for the first time. */
  readonly claim: (key: SessionKey) => Effect.Effect<void>
  readonly end: (key: SessionKey, reason: SessionEnd) => Effect.Effect<void>
}>() {}
