import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ben, children, initialize, notification, rpc, testBroker, toolCall } from "./TestBroker.ts"
import { errorOf, openStream, response } from "./Wire.ts"

describe("settings of sessions", () => {
  it.scopedLive("at a user's cap an idle session is parked and comes back; with all at work: 503, and the seconds until a slot can come free", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker({ maxSessions: 2, maxSessionsPerUser: 1 })
      const client = yield* broker.signIn()
      const [first, second] = [yield* broker.open(client), yield* broker.open(client)]
      assert.strictEqual(children().length, 1)
      for (const session of [first, second, first]) assert.strictEqual((yield* broker.post(client, rpc(1, "tools/list"), { session })).status, 200)
      assert.strictEqual(children().length, 1)
      const call = yield* openStream(broker.mcpUrl, broker.init(client, toolCall("w", "progress", { steps: 1000, ms: 100 }, "t"), { session: first }))
      for (const refused of [broker.post(client, initialize("2025-11-25", "mine")), broker.post(client, rpc("mine", "tools/list"), { session: second })]) {
        const full = yield* refused
        assert.deepStrictEqual([full.status, full.headers.get("retry-after"), response(full).id], [503, "60", "mine"])
        assert.strictEqual(errorOf(full).message, "You have as many sessions at work as one user may have. Wait for a call to be answered, or try again in 60 s.")
      }
      yield* broker.open(yield* broker.signIn(ben))
      yield* broker.delete(client, first)
      yield* call.rest
      assert.strictEqual((yield* broker.post(client, rpc(1, "tools/list"), { session: second })).status, 200)
    }))

  it.scopedLive("at the broker's own cap the sentence is another one, and the default session is no way round it", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker({ maxSessions: 1 })
      const client = yield* broker.signIn()
      const session = yield* broker.open(client)
      const call = yield* openStream(broker.mcpUrl, broker.init(client, toolCall("w", "progress", { steps: 1000, ms: 100 }, "t"), { session }))
      const other = yield* broker.signIn(ben)
      for (const message of [initialize(), rpc(1, "tools/list")]) {
        const full = yield* broker.post(other, message)
        assert.deepStrictEqual([full.status, full.headers.get("retry-after")], [503, "60"])
        assert.strictEqual(errorOf(full).message, "All session slots of this broker are at work. Try again in 60 s.")
      }
      yield* broker.delete(client, session)
      yield* call.rest
      assert.strictEqual((yield* broker.post(other, rpc(1, "tools/list"))).status, 200)
    }))

  it.scopedLive("more starts within a minute than one user may make: 503 with a sentence, and other users are not concerned", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker({ maxStartsPerMinute: 1 })
      const client = yield* broker.signIn()
      yield* broker.open(client)
      const refused = yield* broker.post(client, initialize())
      assert.strictEqual(refused.status, 503)
      assert.match(
        errorOf(refused).message,
        /^You have started 1 tool processes within a minute, which is as many as one user may\. Try again in \d+ s\.$/
      )
      yield* broker.open(yield* broker.signIn(ben))
    }))

  it.scopedLive("413: an initialize with more about the client than is worth storing", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker()
      const client = yield* broker.signIn()
      const clientInfo = { name: "x".repeat(70_000), version: "1" }
      const refused = yield* broker.post(client, rpc("big", "initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo }))
      assert.deepStrictEqual([refused.status, response(refused).id], [413, "big"])
      assert.strictEqual(errorOf(refused).message, "The parameters of initialize are longer than 65536 characters. Send less about the client.")
      assert.strictEqual(children().length, 0)
    }))

  it.scopedLive("SESSIONLESS=reject: 400 with a sentence, and initialize is as ever; UNKNOWN_SESSION_STATUS=404", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker({ sessionless: "reject", unknownSessionStatus: 404 })
      const client = yield* broker.signIn()
      const refused = yield* broker.post(client, rpc("r", "tools/list"))
      assert.deepStrictEqual([refused.status, response(refused).id], [400, "r"])
      assert.strictEqual(errorOf(refused).message, "Send the Mcp-Session-Id that initialize was answered with.")
      assert.strictEqual((yield* broker.post(client, notification("notifications/initialized"))).status, 400)
      const session = yield* broker.open(client)
      assert.strictEqual((yield* broker.post(client, rpc(1, "tools/list"), { session })).status, 200)
      assert.strictEqual((yield* broker.post(client, rpc(1, "tools/list"), { session: "0".repeat(48) })).status, 404)
    }))
})
