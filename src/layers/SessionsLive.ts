import { Deferred, Effect, Either, Layer, Option, PubSub, Queue, Redacted } from "effect"
import { version } from "../domain/Build.ts"
import { revisionTold } from "../domain/Handshake.ts"
import type { GrantId } from "../domain/Ids.ts"
import { SessionKey } from "../domain/Ids.ts"
import type { Notification, Request, Response } from "../domain/JsonRpc.ts"
import { randomHex, sha256 } from "../domain/Secrets.ts"
import * as Registry from "../domain/SessionRegistry.ts"
import { end, forChild, isIdle, park, touch } from "../domain/SessionState.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { sweep } from "../services/Schedules.ts"
import type { Grant } from "../services/Grants.ts"
import { Grants } from "../services/Grants.ts"
import type { SessionRow } from "../services/SessionRows.ts"
import { SessionRows } from "../services/SessionRows.ts"
import type { CallOptions, LookUpError } from "../services/Sessions.ts"
import { GrantOver, SessionEnded, SessionForeign, Sessions, SessionUnknown } from "../services/Sessions.ts"
import type { Newcomer } from "./SessionAdmission.ts"
import { dismiss, stop } from "./SessionAdmission.ts"
import { makeSessionCalls } from "./SessionCalls.ts"
import { SessionCore } from "./SessionCore.ts"
import type { SessionEntry } from "./SessionTable.ts"
import { placeOf } from "./SessionTable.ts"

/** Without the schema's check: a hash is never empty. */
const keyOf = (id: string): SessionKey => sha256(id) as SessionKey

/** An id belongs to one user and client. */
const isOf = (grant: Grant, { clientKey, userId }: Pick<SessionEntry, "userId" | "clientKey">): boolean => userId === grant.userId && clientKey === grant.clientKey

const isOver = ({ state }: SessionEntry | SessionRow): boolean => typeof state === "string" ? state === "ended" : state._tag === "Leaving" && state.to._tag === "Ended"

/** Whether nothing stands in the way of whoever sends the id, and nothing is to be done. */
const isPlain = (grant: Grant, entry: SessionEntry): boolean => entry.claimed && isOf(grant, entry) && !isOver(entry)

const make = Effect.gen(function*() {
  const config = yield* AppConfig
  const grants = yield* Grants
  const rows = yield* SessionRows
  const { admit, close, listens, over, streams, table, uses } = yield* SessionCore
  const dispatch = makeSessionCalls(table, admit, uses, config.maxCallsPerSession)
  const entries = Effect.map(table.get, Registry.entriesOf)

  /** Whose the id is: an entry while there is a child, a row otherwise. The first that sends the id back claims it. */
  const lookUp = (grant: Grant, id: string): Effect.Effect<SessionEntry | SessionRow, LookUpError> =>
    Effect.suspend(() => {
      const key = keyOf(id)
      const entry = Registry.find(table.current, key)
      return Option.isSome(entry) && isPlain(grant, entry.value) ? Effect.succeed(entry.value) : lookUpAll(grant, key, entry)
    })
  const lookUpAll = Effect.fnUntraced(function*(grant: Grant, key: SessionKey, entry: Option.Option<SessionEntry>) {
    const known: Option.Option<SessionEntry | SessionRow> = Option.isSome(entry) ? entry : yield* rows.find(key)
    if (Option.isNone(known)) return yield* new SessionUnknown()
    const found = known.value
    if (!isOf(grant, found)) return yield* new SessionForeign()
    if (isOver(found)) return yield* new SessionEnded()
    if (found.claimed) return found
    // The row first: what is claimed in the table is not asked of the row again.
    yield* rows.claim(key)
    yield* table.update((registry) => Registry.change(registry, key, (unclaimed) => ({ ...unclaimed, claimed: true })))
    return { ...found, claimed: true }
  })

  /** What the session's client was told; the store is asked only where nothing of the session is in memory. */
  const revisionOf = (key: SessionKey): Effect.Effect<string, SessionEnded> =>
    Effect.suspend(() => Option.match(streams.versionOf(key), {
      onSome: Effect.succeed,
      onNone: () => Effect.flatMap(rows.kept(key), Option.match({ onNone: () => new SessionEnded(), onSome: ({ handshake }) => Effect.succeed(revisionTold(handshake)) }))
    }))

  const notify = (key: SessionKey, notification: Notification): Effect.Effect<void> =>
    Effect.flatMap(table.get, (registry) => {
      const entry = Option.getOrUndefined(Registry.find(registry, key))
      // One that is just coming up takes from its row what was missed.
      return entry === undefined || entry.state._tag !== "Live"
        ? rows.miss(key, notification)
        : Effect.zipRight(
          placeOf(table, entry).change(touch),
          Effect.ignore(Effect.flatMap(Deferred.await(entry.handle.ready), (session) => session.notify(notification)))
        )
    })

  const respond = (key: SessionKey, { body, id }: Response): Effect.Effect<boolean> =>
    Effect.flatMap(table.get, (registry) => Option.match(Registry.find(registry, key), {
      // What had asked is gone.
      onNone: () => Effect.succeed(false),
      onSome: (entry) =>
        placeOf(table, entry).change(touch).pipe(
          Effect.zipRight(Effect.flatMap(Deferred.await(entry.handle.ready), (session) => session.answer(id, body))),
          Effect.orElseSucceed(() => false)
        )
    }))

  const newcomer = (grant: Grant, openedBy: SessionEntry["openedBy"], key: SessionKey): Newcomer => ({
    key,
    userId: grant.userId,
    clientKey: grant.clientKey,
    grantId: grant.id,
    openedBy,
    claimed: false
  })
  const newId = Effect.sync(() => {
    const id = Redacted.make(randomHex(24))
    return { id, key: SessionKey.make(sha256(Redacted.value(id))) }
  })

  /** The grant's other sessions whose ids nobody sent back are left over from clients that began anew. */
  const adopt = Effect.fnUntraced(function*(grant: Grant, key: SessionKey) {
    const registry = yield* table.get
    if (Option.exists(Registry.find(registry, key), (entry) => entry.adopted)) return
    yield* table.update((current) => Registry.change(current, key, (entry) => ({ ...entry, adopted: true })))
    const older = Registry.ofGrant(registry, grant.id).filter((entry) => !entry.claimed && entry.key !== key)
    const superseded = forChild(park("superseded"), config.childStateful)
    yield* Effect.forEach(older, (entry) => Effect.whenEffect(stop(entry), placeOf(table, entry).leaveIf(isIdle, superseded)), { discard: true })
  })

  const callDefault = Effect.fnUntraced(function*(grant: Grant, protocolVersion: string, request: Request, options: CallOptions) {
    const callOf = (key: SessionKey) => () => streams.call(key, request.id, options.isStreamed)
    const newest = yield* rows.newestUnclaimed(grant.id)
    if (Option.isSome(newest)) {
      yield* adopt(grant, newest.value.key)
      // One that turns out to be over is nobody's loss: no id was sent.
      const call = yield* Effect.either(dispatch(newest.value, request, grant.id, callOf(newest.value.key)))
      if (Either.isRight(call)) return { call: call.right, opened: undefined }
      if (call.left._tag !== "SessionEnded") return yield* call.left
    }
    const initialize: Request = {
      _tag: "Request",
      id: 0,
      method: "initialize",
      params: { protocolVersion, capabilities: {}, clientInfo: { name: "fjmcp-broker", version } }
    }
    const { id, key } = yield* newId
    const { entry, isNew } = yield* admit(newcomer(grant, "broker", key), { _tag: "New", initialize }, (registry) => Registry.brokersOwn(registry, grant.id))
    return { call: yield* dispatch(entry, request, grant.id, callOf(entry.key)), opened: isNew ? id : undefined }
  })

  /** Revocation reaches everything that hangs from the grant: children, streams, and what is only a row. */
  const endOfGrant = Effect.fnUntraced(function*(grantId: GrantId) {
    // With other sessions of the user and client, too, which other grants have opened: what it asked there is over.
    streams.closeOf(grantId)
    for (const { handle } of yield* entries) {
      const session = yield* Deferred.poll(handle.ready)
      if (Option.isSome(session)) yield* Effect.ignore(Effect.flatMap(session.value, ({ giveUp }) => giveUp("The sign-in with which this was called is over.", grantId)))
    }
    const held = Registry.ofGrant(yield* table.get, grantId)
    yield* Effect.forEach(held, (entry) => dismiss(table, entry, end("grant_ended")), { discard: true })
    const keys = new Set(held.map(({ key }) => key))
    yield* Effect.flatMap(rows.endOfGrant(grantId), (ended) => over("grant_ended")(ended.filter(({ key }) => !keys.has(key))))
  })
  const ended = yield* PubSub.subscribe(grants.ended)
  yield* Queue.take(ended).pipe(
    Effect.flatMap((grantId) => Effect.catchAllCause(endOfGrant(grantId), (cause) => Effect.logError("session.end_of_grant_failed", cause))),
    Effect.forever,
    Effect.interruptible,
    Effect.forkScoped
  )

  yield* Effect.flatMap(rows.sweep, over("kept_too_long")).pipe(
    Effect.catchAllCause((cause) => Effect.logError("sweep.sessions.failed", cause)),
    Effect.repeat(sweep),
    Effect.interruptible,
    Effect.forkScoped
  )

  return Sessions.of({
    open: Effect.fn("Sessions.open")(function*(grant, initialize) {
      const { id, key } = yield* newId
      return yield* Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(admit(newcomer(grant, "client", key), { _tag: "New", initialize }, Option.none), ({ entry }) =>
          restore(Deferred.await(entry.handle.ready)).pipe(
            // Nobody else knows the id: without its client the session is nobody's.
            Effect.onInterrupt(() => dismiss(table, entry, end("closed"))),
            Effect.catchTag("SessionEnded", Effect.die),
            Effect.map(({ initializeLine }) => ({ id, initializeLine }))
          ))
      )
    }),
    call: (grant, id, request, { isStreamed }) =>
      Effect.flatMap(lookUp(grant, id), (found) => dispatch(found, request, grant.id, () => streams.call(found.key, request.id, isStreamed))).pipe(
        // Where the session ended because the caller's sign-in did, that is what the caller has to know.
        Effect.catchTag("SessionEnded", (over) =>
          Effect.flatMap(grants.isLive(grant.id), (isLive): Effect.Effect<never, SessionEnded | GrantOver> => isLive ? over : new GrantOver()))
      ),
    // The broker's own one may end between being found and being called.
    callDefault: (grant, protocolVersion, request, options) =>
      Effect.retry(callDefault(grant, protocolVersion, request, options), { times: 1, while: (error) => error._tag === "SessionEnded" }),
    notify: (grant, id, notification) => Effect.flatMap(lookUp(grant, id), ({ key }) => notify(key, notification)),
    respond: (grant, id, response) => Effect.flatMap(lookUp(grant, id), ({ key }) => respond(key, response)),
    respondDefault: (grant, response) =>
      // Its newest may be another than the one that has asked; the id finds it.
      Effect.flatMap(table.get, (registry) =>
        Effect.exists(Registry.ofGrant(registry, grant.id).filter(({ claimed, state }) => !claimed && state._tag !== "Starting"), ({ key }) =>
          respond(key, response))),
    negotiated: (grant, id) => Effect.flatMap(lookUp(grant, id), ({ key }) => revisionOf(key)),
    notifyDefault: (grant, notification) =>
      Effect.flatMap(rows.newestUnclaimed(grant.id), Option.match({ onNone: () => Effect.void, onSome: ({ key }) => notify(key, notification) })),
    stream: (grant, id, lastEventId) =>
      Effect.flatMap(lookUp(grant, id), ({ key }) =>
        Effect.flatMap(revisionOf(key), (version) => streams.attach(key, version, grant.id, lastEventId))).pipe(
          // A session, or a grant, that has ended since has closed the streams that it had.
          Effect.tap(() => lookUp(grant, id)),
          Effect.tap(() => Effect.filterOrFail(grants.isLive(grant.id), (isLive) => isLive, () => new GrantOver()))
        ),
    end: Effect.fn("Sessions.end")(function*(grant, id) {
      const { key } = yield* lookUp(grant, id)
      const entry = Registry.find(yield* table.get, key)
      if (Option.isSome(entry)) yield* dismiss(table, entry.value, end("closed"))
      const ended = yield* rows.end(key, "closed")
      if (Option.isNone(entry)) return yield* over("closed")(ended)
      streams.close(key)
      yield* Deferred.await(entry.value.handle.done)
    }),
    endStreams: Effect.sync(() => {
      streams.closeAll()
      listens.closeAll()
    }),
    parkAll: Effect.flatMap(Effect.zipRight(close, entries), (all) =>
      Effect.forEach(all, (entry) => dismiss(table, entry, forChild(park("shutdown"), config.childStateful)), { discard: true })),
    size: Effect.map(table.get, ({ slots }) => slots)
  })
})

export const SessionsLive = Layer.scoped(Sessions, make)
