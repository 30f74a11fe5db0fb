import { Effect, Layer } from "effect"
import type { JsonObject, Request } from "../../src/domain/JsonRpc.ts"
import { DeadlinesLive } from "../../src/layers/DeadlinesLive.ts"
import { SessionRowsLive } from "../../src/layers/SessionRowsLive.ts"
import { SessionsLive } from "../../src/layers/SessionsLive.ts"
import { SqliteMemory } from "../../src/layers/SqliteLive.ts"
import type { Settings } from "../../src/services/AppConfig.ts"
import type { Call } from "../../src/services/Sessions.ts"
import { FakeChildrenLive } from "./FakeChildren.ts"
import { FakeGrantsLive } from "./FakeGrants.ts"
import { FakeUpstreamTokensLive } from "./FakeUpstreamTokens.ts"
import { settingsLayer } from "./TestSettings.ts"

/** The real registry over a real store in memory, with played children, grants and tokens. */
export const testSessions = (changes: Partial<Settings> = {}) =>
  SessionsLive.pipe(
    Layer.provideMerge(Layer.mergeAll(FakeChildrenLive, FakeGrantsLive, FakeUpstreamTokensLive, DeadlinesLive, SessionRowsLive)),
    Layer.provideMerge(SqliteMemory),
    Layer.provideMerge(settingsLayer(changes))
  )

export const request = (method: string, id: string | number = 1, params?: JsonObject): Request => ({ _tag: "Request", id, method, params })

export const initialize = (id: string | number = 0): Request =>
  request("initialize", id, { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "test", version: "1" } })

/** All messages of a call, parsed; the last is the response. */
export const messagesOf = (call: Call): Effect.Effect<Array<Record<string, unknown>>> =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    for (;;) {
      const events = yield* call.take
      lines.push(...events.map((event) => event.line))
      if (events.some((event) => event.final)) return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    }
  })

export const responseTo = (call: Call): Effect.Effect<Record<string, unknown>> => Effect.map(messagesOf(call), (messages) => messages.at(-1) ?? {})
