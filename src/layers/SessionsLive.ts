import { Cause, Clock, Context, Deferred, Duration, Effect, Either, Exit, FiberMap, HashMap, Layer, Option, PubSub, Queue, Redacted, Ref, Scope } from "effect"
import { version } from "../domain/Build.ts"
import type { GrantId } from "../domain/Ids.ts"
import { SessionKey } from "../domain/Ids.ts"
import { handshakeOnlyIdle } from "../domain/Lifetimes.ts"
import type { Request } from "../domain/JsonRpc.ts"
import { randomHex, sha256 } from "../domain/Secrets.ts"
import * as Registry from "../domain/SessionRegistry.ts"
import type { SessionEnd } from "../domain/SessionState.ts"
import { end, started, starting, untilIdle } from "../domain/SessionState.ts"
import { AppConfig } from "../services/AppConfig.ts"
import type { Grant } from "../services/Grants.ts"
import { Grants } from "../services/Grants.ts"
import { SessionRows } from "../services/SessionRows.ts"
import type { OpenedSession, OpenError } from "../services/Sessions.ts"
import { GrantOver, SessionEnded, SessionForeign, Sessions, SessionsFull, SessionUnknown } from "../services/Sessions.ts"
import type { Running } from "./SessionBody.ts"
import { becomesIdle, makeSession } from "./SessionBody.ts"
import { makeSessionStart } from "./SessionStart.ts"

type Entry = Registry.Entry<Running>

const make = Effect.gen(function*() {
  const config = yield* AppConfig
  const grants = yield* Grants
  const rows = yield* SessionRows
  const start = yield* makeSessionStart
  const registry = yield* Ref.make(Registry.empty<Running>())
  // Owner of all session fibers. They get this layer's context, and neither its scope nor a request's.
  const fibers = yield* FiberMap.make<SessionKey>()
  const run = yield* Effect.mapInputContext(FiberMap.runtime(fibers)<never>(), (context: Context.Context<never>) => Context.omit(Scope.Scope)(context))

  const used = Duration.toMillis(config.sessionIdle)
  // What a custom child keeps between calls is not known: to end it early could lose something.
  const windows = { used, handshakeOnly: config.childPreset === "custom" ? used : Math.min(used, handshakeOnlyIdle) }

  /** The life of a session: the child comes up, is spoken to, and goes; whatever happens, its process group goes with the scope. */
  const body = (entry: Entry, grant: Grant, initialize: Request, id: Redacted.Redacted) => {
    const { handle: running, key } = entry
    const stopped = Deferred.await(running.stop)
    const live = Effect.gen(function*() {
      const up = yield* Effect.raceFirst(Effect.asSome(start(grant, initialize, key.slice(0, 12))), Effect.as(stopped, Option.none()))
      if (Option.isNone(up)) return yield* stopped
      const { generation, initializeLine, tokenExpiresAt } = up.value
      // A grant that ended while the child came up was not in time to stop us.
      if (!(yield* grants.isLive(grant.id))) return "grant_ended" as const
      yield* rows.insert({
        key,
        grantId: grant.id,
        userId: grant.userId,
        clientKey: grant.clientKey,
        openedBy: entry.openedBy,
        initializeParams: JSON.stringify(initialize.params ?? {}),
        initializeResult: initializeLine
      })
      const now = yield* Clock.currentTimeMillis
      yield* Ref.update(running.state, (state) => started(state, now))
      const session = makeSession(key, running, generation, { maxCalls: config.maxCallsPerSession }, Deferred.await(running.done))
      if (entry.openedBy === "broker") {
        yield* Effect.ignore(session.notify({ _tag: "Notification", method: "notifications/initialized", params: undefined }))
      }
      yield* Ref.update(registry, (current) => Registry.publish(current, key))
      yield* Effect.logInfo("session.opened")
      yield* Deferred.succeed(running.ready, { session, id, initializeLine })
      return yield* Effect.raceAll([
        Effect.as(generation.gone, "child_gone" as const),
        becomesIdle(running.state, windows),
        // A revoked client's calls must not go on for the seconds of a polite stop.
        Effect.tap(stopped, (reason) => reason === "grant_ended" ? generation.kill : Effect.void),
        // Until children are replaced in time: a session that says it is over beats one whose every call fails.
        Effect.as(Effect.sleep(Duration.millis(tokenExpiresAt - now)), "token_expired" as const)
      ])
    })

    /** Nobody finds the session any more, although it holds its slot until the process is gone. */
    const retire = (reason: SessionEnd) =>
      Ref.update(running.state, (state) => end(state, reason)).pipe(
        Effect.zipRight(Ref.update(registry, (current) => Registry.retire(current, key))),
        Effect.zipRight(rows.end(key, reason))
      )
    const settle = (exit: Exit.Exit<SessionEnd, OpenError>) =>
      Effect.gen(function*() {
        const reason = endOf(exit)
        yield* Ref.update(registry, (current) => Registry.release(current, key))
        yield* Deferred.failCause(running.ready, Exit.isFailure(exit) ? exit.cause : Cause.fail(new GrantOver()))
        yield* Deferred.succeed(running.done, reason)
        yield* Effect.annotateLogs(Effect.logInfo("session.ended"), { reason })
      })

    return live.pipe(
      Effect.onExit((exit) => retire(endOf(exit))),
      Effect.scoped,
      Effect.onExit(settle),
      Effect.ignore,
      Effect.annotateLogs({ session: key.slice(0, 12), grant: grant.id, user: grant.userId, client: grant.clientKey.slice(0, 12) }),
      Effect.interruptible
    )
  }

  const secondsUntilASlot = (entries: Iterable<Entry>) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      let soonest = 60_000
      for (const entry of entries) soonest = Math.min(soonest, untilIdle(yield* Ref.get(entry.handle.state), now, windows))
      return Math.max(1, Math.ceil(soonest / 1000))
    })

  /** Takes a slot and starts the session's fiber, or joins what `existing` finds: one step, so that no two can pass the check. */
  const admit = (grant: Grant, openedBy: Entry["openedBy"], initialize: Request, existing: (current: Registry.Registry<Running>) => Option.Option<Entry>) =>
    Effect.uninterruptible(Effect.gen(function*() {
      const id = Redacted.make(randomHex(24))
      const running: Running = {
        state: yield* Ref.make(starting),
        stop: yield* Deferred.make<SessionEnd>(),
        ready: yield* Deferred.make<OpenedSession, OpenError>(),
        done: yield* Deferred.make<SessionEnd>()
      }
      const fresh = { key: SessionKey.make(sha256(Redacted.value(id))), userId: grant.userId, clientKey: grant.clientKey, grantId: grant.id, openedBy, handle: running }
      type Admission = Either.Either<{ readonly entry: Entry; readonly isNew: boolean }, "user" | "total">
      const admission = yield* Ref.modify(registry, (current): [Admission, Registry.Registry<Running>] => {
        const found = existing(current)
        if (Option.isSome(found)) return [Either.right({ entry: found.value, isNew: false }), current]
        const reserved = Registry.reserve(current, fresh, { total: config.maxSessions, perUser: config.maxSessionsPerUser })
        return Either.isLeft(reserved)
          ? [Either.left(reserved.left), current]
          : [Either.right({ entry: { ...fresh, claimed: false, phase: "starting" }, isNew: true }), reserved.right]
      })
      if (Either.isLeft(admission)) {
        const current = yield* Ref.get(registry)
        const held = admission.left === "user" ? Registry.ofUser(current, grant.userId) : HashMap.values(current.entries)
        return yield* new SessionsFull({ cap: admission.left, retryAfter: yield* secondsUntilASlot(held) })
      }
      if (admission.right.isNew) run(fresh.key, body(admission.right.entry, grant, initialize, id))
      return admission.right
    }))

  const stop = (entry: Entry, reason: SessionEnd) => Deferred.succeed(entry.handle.stop, reason)

  /** The entry that holds a slot under this id, or what the rows remember of the id. */
  const lookUp = Effect.fnUntraced(function*(grant: Grant, id: string) {
    const key = SessionKey.make(sha256(id))
    const entry = Registry.find(yield* Ref.get(registry), key)
    const known: Option.Option<Pick<Entry, "userId" | "clientKey">> = Option.isSome(entry) ? entry : yield* rows.find(key)
    if (Option.isNone(known)) return yield* new SessionUnknown()
    if (known.value.userId !== grant.userId || known.value.clientKey !== grant.clientKey) return yield* new SessionForeign()
    if (Option.isNone(entry) || entry.value.phase === "ending") return yield* new SessionEnded()
    if (!entry.value.claimed) {
      yield* Ref.update(registry, (current) => Registry.claim(current, key))
      yield* rows.claim(key)
    }
    return entry.value
  })

  const endOfGrant = (grantId: GrantId) =>
    Effect.flatMap(Ref.get(registry), (current) => Effect.forEach(Registry.ofGrant(current, grantId), (entry) => stop(entry, "grant_ended"), { discard: true }))
  const ended = yield* PubSub.subscribe(grants.ended)
  yield* Queue.take(ended).pipe(Effect.flatMap(endOfGrant), Effect.forever, Effect.interruptible, Effect.forkScoped)

  return Sessions.of({
    open: Effect.fn("Sessions.open")(function*(grant, initialize) {
      return yield* Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(admit(grant, "client", initialize, Option.none), ({ entry }) =>
          // Nobody else knows the id: without its client the session is nobody's.
          Effect.onInterrupt(restore(Deferred.await(entry.handle.ready)), () => stop(entry, "closed")))
      )
    }),
    find: (grant, id) =>
      Effect.flatMap(lookUp(grant, id), (entry) =>
        Effect.mapBoth(Deferred.await(entry.handle.ready), { onSuccess: ({ session }) => session, onFailure: () => new SessionEnded() })),
    defaultOf: Effect.fn("Sessions.defaultOf")(function*(grant, protocolVersion) {
      const initialize: Request = {
        _tag: "Request",
        id: 0,
        method: "initialize",
        params: { protocolVersion, capabilities: {}, clientInfo: { name: "fjmcp-broker", version } }
      }
      const { entry, isNew } = yield* admit(grant, "broker", initialize, (current) => Registry.defaultOf(current, grant.id))
      const { id, session } = yield* Deferred.await(entry.handle.ready)
      return { session, opened: isNew ? id : undefined }
    }),
    findDefault: (grant) =>
      Effect.gen(function*() {
        const entry = Registry.defaultOf(yield* Ref.get(registry), grant.id)
        if (Option.isNone(entry)) return Option.none()
        return yield* Effect.option(Effect.map(Deferred.await(entry.value.handle.ready), ({ session }) => session))
      }),
    end: Effect.fn("Sessions.end")(function*(grant, id) {
      const entry = yield* lookUp(grant, id)
      yield* stop(entry, "closed")
      yield* Deferred.await(entry.handle.done)
    }),
    // One that is still starting ends with this layer: it has no calls, and its client would be told that its sign-in is over.
    endAll: Effect.flatMap(Ref.get(registry), ({ entries }) =>
      Effect.forEach(
        [...HashMap.values(entries)].filter(({ phase }) => phase === "live"),
        (entry) => stop(entry, "shutdown"),
        { discard: true }
      )),
    size: Effect.map(Ref.get(registry), Registry.size)
  })
})

const endOf = (exit: Exit.Exit<SessionEnd, unknown>): SessionEnd =>
  Exit.match(exit, {
    onSuccess: (reason) => reason,
    onFailure: (cause) => Cause.isInterrupted(cause) ? "shutdown" : "start_failed"
  })

export const SessionsLive = Layer.scoped(Sessions, make)
