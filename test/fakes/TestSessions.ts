import { SqlClient } from "@effect/sql"
import { Effect, Layer, Redacted } from "effect"
import type { JsonObject, Notification, Request } from "../../src/domain/JsonRpc.ts"
import { sha256 } from "../../src/domain/Secrets.ts"
import { DeadlinesLive } from "../../src/layers/DeadlinesLive.ts"
import { ServerSnapshotLive } from "../../src/layers/ServerSnapshotLive.ts"
import { SessionCoreLive } from "../../src/layers/SessionCore.ts"
import { SessionRowsLive } from "../../src/layers/SessionRowsLive.ts"
import { SessionsLive } from "../../src/layers/SessionsLive.ts"
import { SqliteMemory } from "../../src/layers/SqliteLive.ts"
import type { Settings } from "../../src/services/AppConfig.ts"
import type { Grant } from "../../src/services/Grants.ts"
import type { Call } from "../../src/services/Sessions.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { FakeChildrenLive } from "./FakeChildren.ts"
import { FakeGrantsLive } from "./FakeGrants.ts"
import { FakeUpstreamTokensLive } from "./FakeUpstreamTokens.ts"
import { settingsLayer } from "./TestSettings.ts"

/** What sessions need: a real store in memory, and played children, grants and tokens. */
export const sessionsWorld = (changes: Partial<Settings> = {}) =>
  Layer.mergeAll(FakeChildrenLive, FakeGrantsLive, FakeUpstreamTokensLive, DeadlinesLive).pipe(
    Layer.provideMerge(SqliteMemory),
    Layer.provideMerge(settingsLayer(changes))
  )

/** The sessions of both eras, over rows. */
export const sessionsOverRows = SessionsLive.pipe(Layer.provide(SessionCoreLive), Layer.provide(ServerSnapshotLive))

/** The real sessions in that world. */
export const testSessions = (changes: Partial<Settings> = {}) =>
  sessionsOverRows.pipe(Layer.provideMerge(SessionRowsLive), Layer.provideMerge(sessionsWorld(changes)))

export const request = (method: string, id: string | number = 1, params?: JsonObject): Request => ({ _tag: "Request", id, method, params })

export const initialize = (id: string | number = 0): Request =>
  request("initialize", id, { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "test", version: "1" } })

/** All messages of a call, parsed; the last is the response. */
export const messagesOf = (call: Pick<Call, "take">): Effect.Effect<Array<Record<string, unknown>>> =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    for (;;) {
      const events = yield* call.take
      lines.push(...events.map((event) => event.line))
      if (events.some((event) => event.final)) return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    }
  })

export const responseTo = (call: Pick<Call, "take">): Effect.Effect<Record<string, unknown>> => Effect.map(messagesOf(call), (messages) => messages.at(-1) ?? {})

/** A session as its client holds it. */
export interface Held {
  readonly id: string
  readonly initializeLine: string
  readonly call: (request: Request) => Effect.Effect<Call, { readonly _tag: string }, Sessions>
  readonly notify: (method: string, params?: JsonObject) => Effect.Effect<void, { readonly _tag: string }, Sessions>
}

const held = (grant: Grant, id: string, initializeLine: string): Held => ({
  id,
  initializeLine,
  call: (request) => Effect.flatMap(Sessions, (sessions) => sessions.call(grant, id, request, { isStreamed: true })),
  notify: (method, params) => {
    const notification: Notification = { _tag: "Notification", method, params }
    return Effect.flatMap(Sessions, (sessions) => sessions.notify(grant, id, notification))
  }
})

export const open = (grant: Grant, request: Request = initialize()) =>
  Effect.flatMap(Sessions, (sessions) =>
    Effect.map(sessions.open(grant, request), ({ id, initializeLine }) => held(grant, Redacted.value(id), initializeLine)))

/** Calls a tool that answers by itself. */
export const use = (session: Held) => Effect.flatMap(session.call(request("tools/list", 1)), responseTo)

/** Makes the store say what it says after a `kill -9`. */
export const asIfKilled = ({ id }: Pick<Held, "id">) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.orDie(sql`update sessions set state = 'live', end_reason = null where key = ${sha256(id)}`))

/** What the store says of a session: `live`, `parked`, or why it ended. */
export const fateOf = ({ id }: Pick<Held, "id">) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql<{ readonly state: string; readonly reason: string | null }>`select state, end_reason as reason from sessions where key = ${sha256(id)}`,
      ([row]) => row?.state === "ended" ? row.reason : row?.state
    )).pipe(Effect.orDie)
