import { SqlClient } from "@effect/sql"
import { Effect, Layer, TestClock } from "effect"
import type { JsonObject } from "../../src/domain/JsonRpc.ts"
import type { ListenFilter } from "../../src/domain/ListenFilter.ts"
import type { Envelope } from "../../src/domain/ModernEnvelope.ts"
import * as Registry from "../../src/domain/SessionRegistry.ts"
import { ModernCallsLive } from "../../src/layers/ModernCallsLive.ts"
import { ServerSnapshotLive } from "../../src/layers/ServerSnapshotLive.ts"
import { SessionCore, SessionCoreLive } from "../../src/layers/SessionCore.ts"
import { SessionRowsLive } from "../../src/layers/SessionRowsLive.ts"
import { SessionsLive } from "../../src/layers/SessionsLive.ts"
import type { Settings } from "../../src/services/AppConfig.ts"
import type { Grant } from "../../src/services/Grants.ts"
import type { ModernCall } from "../../src/services/ModernCalls.ts"
import { ModernCalls } from "../../src/services/ModernCalls.ts"
import { gatherQuestions } from "../../src/services/Schedules.ts"
import { FakeChildren } from "./FakeChildren.ts"
import type { FakeChild } from "./FakeChildren.ts"
import { fakeSealing } from "./FakeSealing.ts"
import { responseTo, sessionsWorld } from "./TestSessions.ts"

/** Both eras over one table, without the world that they are in. */
export const bothEras = Layer.merge(SessionsLive, ModernCallsLive).pipe(
  Layer.provideMerge(SessionCoreLive),
  Layer.provideMerge(Layer.mergeAll(SessionRowsLive, ServerSnapshotLive, fakeSealing()))
)

/** Children list their tools by themselves: that a call asks for first. */
const listing = Layer.effectDiscard(Effect.map(FakeChildren, (play) => void play.results.set("tools/list", () => ({ tools: [] }))))

export const testModern = (changes: Partial<Settings> = {}) =>
  bothEras.pipe(Layer.provideMerge(listing), Layer.provideMerge(sessionsWorld(changes)))

/** The same over children that ask. */
export const testInteractive = (changes: Partial<Settings> = {}) => testModern({ childPreset: "custom", childInteractive: true, ...changes })

export type Parts = Partial<Omit<Envelope, "request">> & { readonly id?: string | number; readonly params?: JsonObject }

export const envelope = (method: string, { id = 1, params = {}, ...parts }: Parts = {}): Envelope => ({
  capabilities: {},
  logLevel: undefined,
  inputResponses: undefined,
  requestState: undefined,
  ...parts,
  request: { _tag: "Request", id, method, params }
})

/** A tool's call with this number among its arguments. */
export const toolCall = (n: number, parts: Parts = {}): Envelope =>
  envelope("tools/call", { ...parts, params: { name: "work", arguments: { n }, ...parts.params } })

export const call = (grant: Grant, asked: Envelope) => Effect.flatMap(ModernCalls, (calls) => calls.call(grant, asked, new Map()))

/** The response to a request, parsed. */
export const ask = (grant: Grant, asked: Envelope) => Effect.flatMap(call(grant, asked), responseTo)

type Line = FakeChild["received"][number]

/** The requests with this method that a child has got. */
export const got = (child: FakeChild | undefined, method = "tools/call"): ReadonlyArray<Line> => (child?.received ?? []).filter((line) => line.method === method)

/** Ids of the requests that a child was told to give up. */
export const cancelledAt = (child: FakeChild | undefined): ReadonlyArray<unknown> =>
  got(child, "notifications/cancelled").map(({ params }) => (params as JsonObject)["requestId"])

export const answer = (child: FakeChild | undefined, request: Line | undefined, result: JsonObject = { content: [] }): void =>
  child?.emit({ jsonrpc: "2.0", id: request?.id, result })

/** What each question in a round wants. */
export const form = { elicitation: {} }
export const question = (id: string | number, message = "which?") => ({
  jsonrpc: "2.0",
  id,
  method: "elicitation/create",
  params: { message, requestedSchema: { type: "object", properties: {} } }
})
export const accept = (content: JsonObject = {}): JsonObject => ({ action: "accept", content })

/** What the client gets that is to answer questions, once no more of them are gathered. */
export const roundOf = (waiting: ModernCall) =>
  Effect.map(Effect.zipRight(TestClock.adjust(gatherQuestions), responseTo(waiting)), ({ id, result }) => {
    const { inputRequests = {}, requestState, resultType } = result as { readonly inputRequests?: JsonObject; readonly requestState?: string; readonly resultType: string }
    return { id, inputRequests, keys: Object.keys(inputRequests), requestState, resultType }
  })

/** What the child was answered, without what it has asked to be called. */
export const answersAt = (child: FakeChild | undefined): ReadonlyArray<readonly [unknown, unknown]> =>
  (child?.received ?? []).filter(({ method }) => method === undefined).map(({ error, id, result }) => [id, error === undefined ? result : (error as { readonly code: number }).code])

export const filter = (wanted: Partial<ListenFilter> = {}): ListenFilter => ({
  toolsListChanged: false,
  promptsListChanged: false,
  resourcesListChanged: false,
  resourceSubscriptions: [],
  ...wanted
})

/** Every session that holds a child, by whose `initialize` it answers. */
export const kinds = Effect.map(Effect.flatMap(SessionCore, ({ table }) => table.get), (registry) =>
  Registry.entriesOf(registry).map(({ openedBy }) => openedBy).sort())

/** How many sessions the store has ever been told of. */
export const rowCount = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(Effect.orDie(sql<{ readonly n: number }>`select count(*) as n from sessions`), ([row]) => row?.n))
