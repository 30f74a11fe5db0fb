import { Context, Effect, FiberSet, Layer, Scope } from "effect"
import type { GrantId } from "../domain/Ids.ts"
import { hasRow } from "../domain/SessionRegistry.ts"
import * as Registry from "../domain/SessionRegistry.ts"
import type { EndReason } from "../domain/SessionState.ts"
import { end, isIdle, lastActivityOf } from "../domain/SessionState.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { ServerSnapshot } from "../services/ServerSnapshot.ts"
import type { SessionRow } from "../services/SessionRows.ts"
import { SessionRows } from "../services/SessionRows.ts"
import { ListenStreams } from "./ListenStreams.ts"
import type { Admission } from "./SessionAdmission.ts"
import { makeAdmission, stop } from "./SessionAdmission.ts"
import { makeSessionBody } from "./SessionBody.ts"
import type { Outlet } from "./SessionOutlet.ts"
import { grantOutlet, sessionOutlet } from "./SessionOutlet.ts"
import type { SessionStreams } from "./SessionStreams.ts"
import { makeSessionStreams } from "./SessionStreams.ts"
import type { Incarnation, SessionEntry } from "./SessionTable.ts"
import { placeOf, SessionTable } from "./SessionTable.ts"
import type { SessionUses } from "./SessionUses.ts"
import { makeSessionUses } from "./SessionUses.ts"

/** What the sessions of both eras stand on: one table with its slots, the fibers of those that have a child, and the streams. */
export class SessionCore extends Context.Tag("fjmcp/SessionCore")<SessionCore, {
  readonly table: SessionTable
  readonly admit: Admission
  readonly streams: SessionStreams
  readonly listens: ListenStreams
  readonly uses: SessionUses
  /** Nobody gets a child any more. */
  readonly close: Effect.Effect<void>
  /** Sessions without a child have ended: nobody else says so. */
  readonly over: (reason: EndReason) => (ended: ReadonlyArray<SessionRow>) => Effect.Effect<void>
}>() {}

/** Children with one call at a time that a grant keeps, although none of them has one. */
const maxIdleExclusive = 2

/** Those beyond, the least recently used first. */
const surplus = (registry: Registry.Registry<Incarnation>, grantId: GrantId): ReadonlyArray<SessionEntry> =>
  Registry.ofGrant(registry, grantId)
    .filter(({ openedBy, state }) => openedBy === "exclusive" && isIdle(state))
    .sort((a, b) => lastActivityOf(a.state) - lastActivityOf(b.state))
    .slice(0, -maxIdleExclusive)

const make = Effect.gen(function*() {
  const config = yield* AppConfig
  const rows = yield* SessionRows
  const snapshot = yield* ServerSnapshot
  const table = new SessionTable(yield* Effect.clock)
  const streams = yield* makeSessionStreams
  const listens = new ListenStreams(() => snapshot.current().told, (id) => streams.modernCall(id))

  const over = (reason: EndReason) => (ended: ReadonlyArray<SessionRow>) =>
    Effect.forEach(ended, ({ clientKey, grantId, key, userId }) => {
      streams.close(key)
      const who = { session: key.slice(0, 12), grant: grantId, user: userId, client: clientKey.slice(0, 12) }
      return Effect.annotateLogs(Effect.logInfo("session.ended"), { reason, ...who })
    }, { discard: true })

  const outletOf = (entry: SessionEntry): Outlet => hasRow(entry) ? sessionOutlet(streams, entry.key) : grantOutlet(listens, entry)
  const trim = ({ grantId, openedBy }: SessionEntry): Effect.Effect<void> =>
    openedBy !== "exclusive" ? Effect.void : Effect.flatMap(table.get, (registry) =>
      Effect.forEach(surplus(registry, grantId), (entry) => Effect.whenEffect(stop(entry), placeOf(table, entry).leaveIf(isIdle, end("superseded"))), { discard: true }))

  const body = yield* makeSessionBody({ table, outletOf, crowdedOut: over("too_many_parked"), atRest: trim })
  // Owner of all session fibers. They get this layer's context, and neither its scope nor a request's.
  const fibers = yield* FiberSet.make<void>()
  const run = yield* Effect.mapInputContext(FiberSet.runtime(fibers)<never>(), (context: Context.Context<never>) => Context.omit(Scope.Scope)(context))
  // Known before the fibers are interrupted: finalizers run in reverse.
  let isClosing = false
  const close = Effect.sync(() => void (isClosing = true))
  yield* Effect.addFinalizer(() => close)
  return SessionCore.of({
    table,
    admit: makeAdmission(table, config, () => isClosing, (entry, opening, victim) => void run(body(entry, opening, victim))),
    streams,
    listens,
    uses: yield* makeSessionUses(rows),
    close,
    over
  })
})

/** Closing the layer parks every session and stops its child, side by side. */
export const SessionCoreLive = Layer.scoped(SessionCore, make)
