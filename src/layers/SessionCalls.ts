import { Deferred, Effect, Option } from "effect"
import type { GrantId } from "../domain/Ids.ts"
import type { Request } from "../domain/JsonRpc.ts"
import { encodeError, encodeResponse, ErrorCode } from "../domain/JsonRpc.ts"
import * as Registry from "../domain/SessionRegistry.ts"
import type { Begun } from "../domain/SessionState.ts"
import { begin, countOn, finish } from "../domain/SessionState.ts"
import { refusal } from "../domain/ToolPolicy.ts"
import type { CallError } from "../services/Sessions.ts"
import { SessionBusy, SessionEnded } from "../services/Sessions.ts"
import type { CallSink } from "./CallSink.ts"
import type { Admission, Newcomer } from "./SessionAdmission.ts"
import type { Incarnation, SessionEntry, SessionTable } from "./SessionTable.ts"
import { placeOf } from "./SessionTable.ts"
import type { SessionUses } from "./SessionUses.ts"

type Found =
  /** A call that has begun keeps its session: nobody can park it before the call has been made. */
  | { readonly _tag: Exclude<Begun, "over">; readonly entry: SessionEntry }
  | { readonly _tag: "over" }
  | { readonly _tag: "parked" }

type Restore = <A, E>(wait: Effect.Effect<A, E>) => Effect.Effect<A, E>

/** The way of a request to a child: a session that has none gets one first. */
export const makeSessionCalls = (table: SessionTable, admit: Admission, uses: SessionUses, maxCalls: number) => {
  const findAndBegin = (key: Newcomer["key"], isActivity: boolean): Found =>
    table.step((registry, now): [Found, Registry.Registry<Incarnation>] => {
      if (isActivity) uses.mark(key, now)
      const entry = Option.getOrUndefined(Registry.find(registry, key))
      if (entry === undefined) return [{ _tag: "parked" }, registry]
      const [begun, state] = begin(entry.state, now, maxCalls, isActivity)
      return [begun === "over" ? { _tag: "over" } : { _tag: begun, entry }, begun === "begun" || begun === "leaving" ? Registry.changeState(registry, key, () => state) : registry]
    })

  /** Waits for the child where it is just coming up. A caller that leaves until then has not called. False where the child has just gone. */
  const make = (entry: SessionEntry, request: Request, grantId: GrantId, sink: CallSink, isActivity: boolean, restore: Restore) =>
    entry.handle.live?.call(request, grantId, sink) ??
      Effect.matchCauseEffect(restore(Deferred.await(entry.handle.ready)), {
        onSuccess: (session) => session.call(request, grantId, sink),
        onFailure: (cause) => Effect.zipRight(placeOf(table, entry).change((state, now) => finish(state, now, isActivity)), Effect.failCause(cause))
      })

  const dispatch = <S extends CallSink>(who: Newcomer, request: Request, grantId: GrantId, makeSink: () => S): Effect.Effect<S, CallError> => {
    const isPing = request.method === "ping"
    const again = () => dispatch(who, request, grantId, makeSink)
    const unbegin = (entry: SessionEntry) => placeOf(table, entry).change((state, now) => finish(state, now, false))
    /** For a call that counts. What has ended meanwhile must cost nobody a slot. */
    const later = (entry: SessionEntry, restore: Restore) =>
      Effect.onInterrupt(
        restore(Effect.flatMap(Deferred.await(entry.handle.done), ({ _tag }) => _tag === "Ended" ? new SessionEnded() : again())),
        () => unbegin(entry)
      )
    const pong = () => Effect.sync(() => answered(makeSink(), encodeResponse(request.id, { result: {} })))
    // Nobody can be interrupted between begin and call: a call that has begun and is never made would keep its session for ever.
    return Effect.uninterruptibleMask((restore): Effect.Effect<S, CallError> => {
      const found = findAndBegin(who.key, !isPing)
      switch (found._tag) {
        case "begun": {
          const sink = makeSink()
          return Effect.flatMap(make(found.entry, request, grantId, sink, !isPing, restore), (isMade) =>
            isMade ? Effect.succeed(sink) : isPing ? pong() : Effect.zipRight(placeOf(table, found.entry).change(countOn), later(found.entry, restore)))
        }
        case "full":
          return new SessionBusy({ limit: maxCalls })
        case "over":
          return new SessionEnded()
        case "leaving":
          return isPing ? Effect.zipRight(unbegin(found.entry), pong()) : later(found.entry, restore)
        case "parked":
          // Of several requests one revives it, and the others find it starting.
          return isPing ? pong() : restore(Effect.zipRight(
            admit(who, { _tag: "Again" }, (registry) => Registry.find(registry, who.key)),
            Effect.suspend(again)
          ))
      }
    })
  }

  /**
   * `who`: whose row it is that has the key, where the session is parked; `grantId`: with whose access the call is made;
   * `makeSink`: where what the child says of it goes, made anew for each child that it is tried with.
   */
  return <S extends CallSink>(who: Newcomer, request: Request, grantId: GrantId, makeSink: () => S): Effect.Effect<S, CallError> => {
    const refused = refusal(request.method, request.params)
    return refused === undefined
      ? dispatch(who, request, grantId, makeSink)
      : Effect.sync(() => answered(makeSink(), encodeError(request.id, ErrorCode.invalidParams, refused)))
  }
}

/** A session without a child is there all the same. */
const answered = <S extends CallSink>(sink: S, line: string): S => {
  sink.complete(line)
  return sink
}
