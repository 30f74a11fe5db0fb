import type { Scope } from "effect"
import { Data, Effect, Option } from "effect"
import type { Change, Handshake } from "../domain/Handshake.ts"
import { after, initialized, requestOf } from "../domain/Handshake.ts"
import type { Request } from "../domain/JsonRpc.ts"
import { isObject } from "../domain/JsonRpc.ts"
import { hasRow } from "../domain/SessionRegistry.ts"
import { Grants } from "../services/Grants.ts"
import { ServerSnapshot } from "../services/ServerSnapshot.ts"
import { SessionRows } from "../services/SessionRows.ts"
import type { OpenError } from "../services/Sessions.ts"
import { GrantOver, SessionEnded } from "../services/Sessions.ts"
import { CallChannel } from "./CallChannel.ts"
import type { Outlet } from "./SessionOutlet.ts"
import type { SessionStart, Started, StartRequest } from "./SessionStart.ts"
import type { SessionEntry } from "./SessionTable.ts"

/** What a session begins with: a client's `initialize` (or the broker's own), or what its row remembers. */
export type Opening = { readonly _tag: "New"; readonly initialize: Request } | { readonly _tag: "Again" }

/** A session whose child is up and whose row says so. */
export interface Opened {
  readonly first: Started
  readonly handshake: Handshake
  /** When the session's last children crashed. */
  readonly crashes: ReadonlyArray<number>
}

/** The session cannot go on with the child that there is now. */
export class CannotResume extends Data.TaggedError("CannotResume") {}

export type StartOptions = Pick<StartRequest, "label" | "onSpawn" | "onUnrelated" | "asking"> & Pick<Outlet, "subscriptions">

export const makeSessionOpening = (start: SessionStart) =>
  Effect.gen(function*() {
    const grants = yield* Grants
    const rows = yield* SessionRows
    const snapshot = yield* ServerSnapshot

    const openNew = (entry: SessionEntry, initialize: Request, options: StartOptions, scope: Scope.Scope): Effect.Effect<Opened, OpenError> =>
      Effect.gen(function*() {
        const { clientKey, grantId, key, openedBy, userId } = entry
        const first = yield* start.first({ ...options, userId, opening: { _tag: "New", initialize } }, scope).pipe(
          // Nothing was told yet that it could be incompatible with.
          Effect.catchTag("Incompatible", Effect.die)
        )
        // A grant that ended while the child came up was not in time to stop us.
        if (!(yield* grants.isLive(grantId))) return yield* new GrantOver()
        const handshake: Handshake = { initializeParams: initialize.params ?? {}, told: first.result, logLevel: undefined, subscriptions: [] }
        if (hasRow(entry)) yield* rows.insert({ key, grantId, userId, clientKey, openedBy: entry.openedBy }, handshake)
        if (openedBy !== "client") yield* first.generation.notify(initialized)
        // What a client's parameters of initialize may have changed of it counts for no other client.
        if (openedBy === "modern") yield* snapshot.learn(first.result)
        const hasLog = isObject(first.result.capabilities) && "logging" in first.result.capabilities
        const changes: ReadonlyArray<Change> = [
          // Which messages a client wants it says with each request.
          ...(openedBy === "exclusive" && hasLog ? [{ logLevel: "debug" }] : []),
          ...options.subscriptions().map((subscribe) => ({ subscribe }))
        ]
        yield* Effect.forEach(changes, (change) => first.generation.begin(requestOf(change), () => Effect.void, new CallChannel(false)), { discard: true })
        return { first, handshake: changes.reduce(after, handshake), crashes: [] }
      })

    const reopen = (entry: SessionEntry, options: StartOptions, scope: Scope.Scope): Effect.Effect<Opened, OpenError | SessionEnded | CannotResume> =>
      Effect.gen(function*() {
        const { grantId, key, userId } = entry
        const kept = yield* rows.kept(key)
        if (Option.isNone(kept)) return yield* new SessionEnded()
        if (!(yield* grants.isLive(grantId))) return yield* new GrantOver()
        const { crashes, handshake } = kept.value
        // From here on: what is only parked may be crowded out or swept.
        if (!(yield* rows.revive(key))) return yield* new SessionEnded()
        const first = yield* start.first({ ...options, userId, opening: { _tag: "Again", handshake } }, scope).pipe(
          Effect.catchTags({ Incompatible: () => new CannotResume(), InitializeRefused: () => new CannotResume() })
        )
        // The row is asked last: whoever ends a session says so there.
        if (!(yield* grants.isLive(grantId)) || !(yield* rows.revive(key))) return yield* new SessionEnded()
        return { first, handshake, crashes }
      })

    return (entry: SessionEntry, opening: Opening, options: StartOptions, scope: Scope.Scope) =>
      opening._tag === "New" ? openNew(entry, opening.initialize, options, scope) : reopen(entry, options, scope)
  })

export type SessionOpening = Effect.Effect.Success<ReturnType<typeof makeSessionOpening>>
