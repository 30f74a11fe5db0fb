import { Cause, Clock, Deferred, Duration, Effect, Exit } from "effect"
import { changesSince, revisionTold } from "../domain/Handshake.ts"
import { handshakeOnlyIdle, inUseWindow } from "../domain/Lifetimes.ts"
import { hasRow } from "../domain/SessionRegistry.ts"
import type { Departure } from "../domain/SessionState.ts"
import { ask, closeAsk, crash, end, finish, forChild, isInUse, leave, park, started, untilIdle } from "../domain/SessionState.ts"
import { AppConfig } from "../services/AppConfig.ts"
import type { Child, ChildGone } from "../services/Children.ts"
import { untilNothingRemains } from "../services/Schedules.ts"
import type { SessionRow } from "../services/SessionRows.ts"
import { SessionRows } from "../services/SessionRows.ts"
import { UpstreamTokens } from "../services/UpstreamTokens.ts"
import { CallChannel } from "./CallChannel.ts"
import { sessionEnded } from "./Generation.ts"
import type { Generations } from "./Generations.ts"
import { generationsScope, makeGenerations, Processes } from "./Generations.ts"
import { makeLiveSession } from "./LiveSession.ts"
import { stop } from "./SessionAdmission.ts"
import type { LifeExit } from "./SessionLeaving.ts"
import { departureOf, whyNotReady } from "./SessionLeaving.ts"
import type { Opening } from "./SessionOpening.ts"
import { makeSessionOpening } from "./SessionOpening.ts"
import { makeRotation } from "./SessionRotation.ts"
import { makeSessionStart } from "./SessionStart.ts"
import type { Outlet } from "./SessionOutlet.ts"
import type { Place, SessionEntry, SessionTable } from "./SessionTable.ts"
import { placeOf } from "./SessionTable.ts"

/** Completes when the session has been idle for its window, and leaves in the same step. `windows` may change meanwhile: it looks again every `most`. */
const becomesIdle = (place: Place, windows: () => Parameters<typeof untilIdle>[2], most: number, departure: Departure): Effect.Effect<Departure> =>
  Effect.zipWith(Clock.currentTimeMillis, place.state, (now, state) => Duration.millis(Math.min(most, untilIdle(state, now, windows())))).pipe(
    Effect.repeat(untilNothingRemains),
    Effect.zipRight(place.leaveIf((state, now) => untilIdle(state, now, windows()) === 0, departure)),
    Effect.repeat({ until: (left) => left }),
    Effect.as(departure)
  )

/** What a session's fiber is surrounded by. */
export interface SessionSurroundings {
  readonly table: SessionTable
  readonly outletOf: (entry: SessionEntry) => Outlet
  /** Other sessions have ended, for their grant has too many parked ones. */
  readonly crowdedOut: (others: ReadonlyArray<SessionRow>) => Effect.Effect<void>
  /** The session's child has come up, or has answered a call. */
  readonly atRest: (entry: SessionEntry) => Effect.Effect<void>
}

/** The body of a session's fiber: its child comes up, is spoken to, is replaced when its token ends, and goes. */
export const makeSessionBody = ({ atRest, crowdedOut, outletOf, table }: SessionSurroundings) =>
  Effect.gen(function*() {
    const config = yield* AppConfig
    const rows = yield* SessionRows
    const tokens = yield* UpstreamTokens
    const start = yield* makeSessionStart
    const bringUp = yield* makeSessionOpening(start)
    const isStateful = config.childStateful
    const idle = Duration.toMillis(config.sessionIdle)
    const streamIdle = Math.max(idle, Duration.toMillis(config.streamIdle))

    /** `victim`: the session that gave its slot to this one, and has it until its process is gone. */
    return (entry: SessionEntry, opening: Opening, victim: SessionEntry | undefined): Effect.Effect<void> => {
      const { handle, key, userId } = entry
      // One without a row cannot come back: who waits for it looks for another at once.
      const leaving = (departure: Departure) => forChild(departure, isStateful || !hasRow(entry))
      const place = placeOf(table, entry)
      const outlet = outletOf(entry)
      const processes = new Processes()
      const slotIsFree = victim === undefined ? Effect.void : Effect.asVoid(Deferred.await(victim.handle.done))
      let running: Generations | undefined
      let crashes: ReadonlyArray<number> | undefined

      const startOptions = {
        label: key.slice(0, 12),
        onSpawn: processes.register,
        subscriptions: outlet.subscriptions,
        onUnrelated: (line: string, from: Child) => {
          if (running?.isCurrent(from) === true) outlet.publish(line)
        },
        asking: { mayWait: outlet.takesRequests, hasStream: () => outlet.takesRequests && outlet.isOpen(), publish: outlet.publish, opened: place.change(ask), closed: place.change(closeAsk) }
      }
      /** What a stateful child keeps is not known: to stop it early could lose something. */
      const windows = () => {
        const used = isStateful && outlet.isOpen() ? streamIdle : idle
        return { used, handshakeOnly: isStateful ? used : Math.min(idle, handshakeOnlyIdle) }
      }
      const crashed = Effect.fnUntraced(function*({ code, signal }: ChildGone) {
        const [departure, times] = crash(crashes ?? [], yield* Clock.currentTimeMillis)
        crashes = times
        yield* Effect.annotateLogs(Effect.logWarning("session.crashed"), { code, signal, crashes: times.length })
        return departure
      })

      const life = Effect.gen(function*() {
        yield* slotIsFree
        const scope = yield* generationsScope
        const opened = yield* bringUp(entry, opening, startOptions, scope)
        crashes = opened.crashes
        const generations = yield* makeGenerations(opened.first, scope, (token) =>
          Effect.suspend(() => {
            const handshake = session.handshake()
            return start.next({ ...startOptions, userId, opening: { _tag: "Again", handshake } }, token, scope).pipe(
              // What the present child has granted while the next one shook hands.
              Effect.tap(({ generation }) => Effect.forEach(changesSince(handshake, session.handshake()), (again) => generation.begin(again, () => Effect.void, new CallChannel(false))))
            )
          }))
        const rotation = yield* makeRotation({
          userId,
          generations,
          tokens,
          isStateful,
          parkUnlessInUse: place.leaveIf((state, now) => !isInUse(state, now, inUseWindow), park("rotated")),
          expire: place.change((state) => leave(state, leaving(park("token_expired")))),
          onReplaced: ({ result }) => Effect.zipRight(session.met(result), Effect.logInfo("session.rotated"))
        })
        const session = makeLiveSession({
          generations,
          handshake: opened.handshake,
          initializeLine: opened.first.line,
          publish: outlet.tell,
          finished: (method, outcome) => {
            // It may be at that call still, and would ask the next one's client.
            const isSpent = entry.openedBy === "exclusive" && outcome === "abandoned"
            const finished = place.change((state, now) => finish(isSpent ? leave(state, end("call_abandoned")) : state, now, method !== "ping"))
            return entry.openedBy === "exclusive" ? Effect.zipRight(finished, isSpent ? stop(entry) : atRest(entry)) : finished
          },
          // A store that fails must not take the child's pump along.
          keepHandshake: (handshake) =>
            Effect.catchAllCause(rows.keepHandshake(key, handshake), (cause) => Effect.logError("session.handshake_not_kept", cause)),
          doubt: rotation.doubt
        })
        outlet.open(revisionTold(opened.handshake))
        yield* session.met(opened.first.result)
        running = generations
        yield* outlet.watch(generations.onStream)
        yield* place.change(started)
        if (opening._tag === "Again") yield* Effect.flatMap(rows.takeMissed(key), Effect.forEach(session.notify))
        yield* Effect.logInfo(opening._tag === "New" ? "session.opened" : "session.revived")
        if (yield* Deferred.succeed(handle.ready, session)) handle.live = session
        yield* atRest(entry)
        const departure = yield* Effect.raceAll([
          Effect.flatMap(generations.crashed, crashed),
          becomesIdle(place, windows, idle, leaving(park("idle"))),
          rotation.keepFresh
        ])
        if (departure.reason === "token_expired") {
          // What Forgejo took before the token ended may finish; whoever calls now waits for the next child.
          yield* Effect.timeoutOption(generations.drained, config.drainGrace)
        }
        return departure
      })

      const stopped = Deferred.await(handle.stop).pipe(
        Effect.zipRight(place.state),
        // Whoever completes it has put the state on `Leaving` before.
        Effect.map((state) => state._tag === "Leaving" ? state.to : park("shutdown")),
        // A revoked client's calls must not go on for the seconds of a polite stop.
        Effect.tap(({ reason }) => reason === "grant_ended" ? processes.kill : Effect.void),
        // Nor does anybody wait for those seconds to hear that there will be no answer.
        Effect.tap((departure) => Deferred.failCause(handle.ready, whyNotReady(Exit.succeed(departure), departure, opening))),
        Effect.tap(() => running?.giveUp(sessionEnded) ?? Effect.void)
      )

      /** From here on the session has no child as far as anybody can see, although it holds its slot until the process is gone. */
      const retire = (exit: LifeExit) =>
        Effect.gen(function*() {
          yield* place.change((state) => leave(state, leaving(departureOf(exit, opening))))
          const state = yield* place.state
          if (state._tag !== "Leaving" || !hasRow(entry)) return
          const ended = yield* rows.leave(key, state.to, state.lastActivity, crashes)
          if (state.to._tag === "Ended") return
          // Its grant has too many parked ones: it may be the one that goes.
          if (ended.some((row) => row.key === key)) yield* place.change((now) => leave(now, end("too_many_parked")))
          yield* crowdedOut(ended.filter((row) => row.key !== key))
        })
      const settle = (exit: LifeExit) =>
        Effect.gen(function*() {
          yield* slotIsFree
          const state = yield* place.state
          const departure = state._tag === "Leaving" ? state.to : leaving(departureOf(exit, opening))
          if (departure._tag === "Ended") outlet.close()
          else outlet.park()
          yield* place.release
          yield* Deferred.failCause(handle.ready, whyNotReady(exit, departure, opening))
          yield* Deferred.succeed(handle.done, departure)
          const event = departure._tag === "Ended" ? "session.ended" : "session.parked"
          yield* Effect.annotateLogs(Effect.logInfo(event), { reason: departure.reason })
        })

      return Effect.raceFirst(life, stopped).pipe(
        Effect.onExit(retire),
        Effect.scoped,
        Effect.onExit(settle),
        Effect.catchAllCause((cause) => Cause.isDie(cause) ? Effect.logError("session.died", cause) : Effect.void),
        Effect.annotateLogs({ session: key.slice(0, 12), grant: entry.grantId, user: userId, client: entry.clientKey.slice(0, 12) }),
        Effect.interruptible
      )
    }
  })
