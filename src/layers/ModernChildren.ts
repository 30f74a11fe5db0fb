import { Deferred, Effect, Option } from "effect"
import { version } from "../domain/Build.ts"
import type { GrantId } from "../domain/Ids.ts"
import { SessionKey } from "../domain/Ids.ts"
import type { JsonObject, Request } from "../domain/JsonRpc.ts"
import { randomHex, sha256 } from "../domain/Secrets.ts"
import * as Registry from "../domain/SessionRegistry.ts"
import { isIdle } from "../domain/SessionState.ts"
import type { Grant } from "../services/Grants.ts"
import type { CallError, OpenError, SessionEnded } from "../services/Sessions.ts"
import { CallChannel } from "./CallChannel.ts"
import type { CallSink } from "./CallSink.ts"
import { makeSessionCalls } from "./SessionCalls.ts"
import type { SessionCore } from "./SessionCore.ts"
import type { SessionEntry } from "./SessionTable.ts"

type Kind = "modern" | "exclusive"

/** What a child is told that serves clients of 2026-07-28: their capabilities come with each request. */
const capabilitiesOf: Readonly<Record<Kind, JsonObject>> = {
  modern: {},
  exclusive: { elicitation: { form: {}, url: {} }, sampling: { tools: {} }, roots: {} }
}

const initializeOf = (kind: Kind): Request => ({
  _tag: "Request",
  id: 0,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: capabilitiesOf[kind], clientInfo: { name: "fjmcp-broker", version } }
})

/** How often a call looks for another child where the one that it found has gone or is taken. */
const maxTries = 5

/**
 * The children of grants that serve 2026-07-28. They are sessions of the one table, with its slots, rotation and idleness,
 * but without row and id: when the child goes the session is over, and the next request starts another.
 */
export const makeModernChildren = ({ admit, table }: SessionCore["Type"], maxCalls: number) => {
  const uses = { mark: () => {} }
  const callShared = makeSessionCalls(table, admit, uses, maxCalls)
  const callExclusive = makeSessionCalls(table, admit, uses, 1)
  const keys = new Map<GrantId, { modern: SessionKey | undefined; readonly exclusive: Set<SessionKey> }>()
  const keysOf = (grantId: GrantId) => {
    const known = keys.get(grantId) ?? { modern: undefined, exclusive: new Set() }
    keys.set(grantId, known)
    return known
  }
  const isUsable = ({ state }: SessionEntry): boolean => state._tag !== "Leaving"
  const usable = (key: SessionKey | undefined) =>
    Effect.map(table.get, (registry) => key === undefined ? Option.none() : Option.filter(Registry.find(registry, key), isUsable))

  const open = (grant: Grant, kind: Kind, existing: Parameters<typeof admit>[2]) => {
    const newcomer = {
      key: SessionKey.make(sha256(randomHex(24))),
      userId: grant.userId,
      clientKey: grant.clientKey,
      grantId: grant.id,
      openedBy: kind,
      // Nobody could send an id back.
      claimed: true
    }
    return admit(newcomer, { _tag: "New", initialize: initializeOf(kind) }, existing)
  }
  /** The grant's child for any number of requests; it is started where there is none. */
  const shared = (grant: Grant): Effect.Effect<SessionEntry, OpenError> =>
    Effect.gen(function*() {
      const known = yield* usable(keys.get(grant.id)?.modern)
      if (Option.isSome(known)) return known.value
      const { entry } = yield* open(grant, "modern", (registry) =>
        Option.fromNullable(Registry.ofGrant(registry, grant.id).find((other) => other.openedBy === "modern" && isUsable(other))))
      keysOf(grant.id).modern = entry.key
      return entry
    })
  /** One that has no call, else a new one. Somebody else may take it until the call is made. */
  const exclusive = (grant: Grant): Effect.Effect<SessionEntry, OpenError> =>
    Effect.gen(function*() {
      const own = keysOf(grant.id).exclusive
      const registry = yield* table.get
      for (const key of own) {
        const entry = Option.getOrUndefined(Registry.find(registry, key))
        if (entry === undefined) own.delete(key)
        else if (isIdle(entry.state)) return entry
      }
      const { entry } = yield* open(grant, "exclusive", Option.none)
      own.add(entry.key)
      return entry
    })

  /** `makeSink` learns which session it is. */
  const call = <S extends CallSink>(grant: Grant, kind: Kind, request: Request, makeSink: (key: SessionKey) => S): Effect.Effect<S, CallError> => {
    const attempt = Effect.flatMap(kind === "modern" ? shared(grant) : exclusive(grant), (entry) =>
      (kind === "modern" ? callShared : callExclusive)(entry, request, grant.id, () => makeSink(entry.key)))
    const isElsewhere = ({ _tag }: CallError): boolean => _tag === "SessionEnded" || (kind === "exclusive" && _tag === "SessionBusy")
    return Effect.retry(attempt, { times: maxTries, while: isElsewhere })
  }

  return {
    call,
    /** A request of the broker's own; gives the child's response. */
    ask: (grant: Grant, request: Request): Effect.Effect<JsonObject, CallError> =>
      Effect.flatMap(call(grant, "modern", request, () => new CallChannel(false)), (channel) =>
        Effect.map(Effect.repeat(channel.take, { until: (events) => events.some(({ final }) => final) }), (events) =>
          JSON.parse(events.at(-1)?.line ?? "{}") as JsonObject)),
    /** Returns when the grant's shared child is up. */
    start: (grant: Grant): Effect.Effect<void, OpenError | SessionEnded> =>
      Effect.flatMap(shared(grant), ({ handle }) => Effect.asVoid(Deferred.await(handle.ready))),
    /** The same, to the grant's shared child if it is up; nobody waits for the answer. */
    tell: (grant: Grant, request: Request): Effect.Effect<void> =>
      Effect.flatMap(usable(keys.get(grant.id)?.modern), Option.match({
        onNone: () => Effect.void,
        onSome: (entry) => entry.state._tag === "Live" ? Effect.ignore(callShared(entry, request, grant.id, () => new CallChannel(false))) : Effect.void
      })),
    cancel: (key: SessionKey, sink: CallSink): Effect.Effect<void> =>
      Effect.flatMap(table.get, (registry) => Option.match(Registry.find(registry, key), {
        onNone: () => Effect.void,
        // No call has been made of a child that is not up.
        onSome: ({ handle }) => Effect.flatMap(Deferred.poll(handle.ready), Option.match({
          onNone: () => Effect.void,
          onSome: (ready) => Effect.ignore(Effect.flatMap(ready, (session) => session.cancel(sink, "The client has gone.")))
        }))
      })),
    forget: (grantId: GrantId): void => void keys.delete(grantId)
  }
}
