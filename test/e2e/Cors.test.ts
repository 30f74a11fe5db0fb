import { assert, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { ben, guest, initialize, rpc, SharedBroker, sharedBroker, testBroker } from "./TestBroker.ts"
import { openStream, rawRequest } from "./Wire.ts"

const page = "https://inspector.example"
const origin = { origin: page }
const unknown = "0".repeat(48)

layer(sharedBroker({ allowedOrigins: [page] }), { excludeTestServices: true })("pages of an allowed origin", (it) => {
  it.effect("a preflight needs no token, and allows of the headers it asks for those that the endpoint knows", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const ask = (headers: string) =>
        broker.get("/mcp", { method: "OPTIONS", headers: { ...origin, "access-control-request-method": "POST", "access-control-request-headers": headers } })
      const known = "accept,authorization,baggage,content-type,last-event-id,mcp-method,mcp-name,mcp-protocol-version,mcp-session-id,traceparent,tracestate"
      const all = yield* ask(known)
      assert.deepStrictEqual([all.status, all.text], [204, ""])
      assert.strictEqual(all.headers.get("access-control-allow-headers"), known.split(",").join(", "))
      assert.strictEqual(all.headers.get("access-control-allow-origin"), page)
      assert.strictEqual(all.headers.get("access-control-allow-methods"), "POST, GET, DELETE, OPTIONS")
      assert.strictEqual(all.headers.get("access-control-max-age"), "600")
      assert.strictEqual(all.headers.get("vary"), "Origin, Access-Control-Request-Headers")
      assert.isNull(all.headers.get("access-control-allow-credentials"))
      const some = yield* ask("Authorization, x-forwarded-for,  Mcp-Param-Region, cookie, mcp-param-, mcp-param-a b, mcp-session-id-2")
      assert.strictEqual(some.headers.get("access-control-allow-headers"), "authorization, mcp-param-region")
      assert.strictEqual((yield* ask("x-other")).headers.get("access-control-allow-headers"), "")
    }))

  it.effect("OPTIONS that is no preflight is answered too, and names every header", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const answer = yield* broker.get("/mcp", { method: "OPTIONS" })
      assert.deepStrictEqual([answer.status, answer.headers.get("allow")], [204, "POST, GET, DELETE, OPTIONS"])
      assert.include(answer.headers.get("access-control-allow-headers"), "Mcp-Session-Id, Mcp-Method, Mcp-Name, Last-Event-ID, traceparent")
      assert.isNull(answer.headers.get("access-control-allow-origin"))
    }))

  it.scoped("they can read every answer, also the errors: 200, 202, 204, 400, 401, 403, 404, 405, 406, 410, 413, 415, and a stream", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const stranger = yield* guest(broker, ben)
      const opened = yield* broker.post(client, initialize(), { headers: origin })
      const session = opened.headers.get("mcp-session-id") ?? ""
      const post = (message: unknown, headers: Record<string, string> = {}, id = session) => broker.post(client, message, { session: id, headers: { ...origin, ...headers } })
      const notification = { jsonrpc: "2.0", method: "notifications/initialized" }
      const answers = [
        [200, opened],
        [202, yield* post(notification)],
        [400, yield* post("[")],
        [401, yield* post(rpc(1, "ping"), { authorization: "Bearer nobody" })],
        [403, yield* broker.post(stranger, rpc(1, "ping"), { session, headers: origin })],
        [405, yield* rawRequest(broker.mcpUrl, { method: "PUT", headers: origin })],
        [406, yield* post(rpc(1, "ping"), { accept: "text/html" })],
        [410, yield* post(rpc(1, "ping"), {}, unknown)],
        [413, yield* post("x".repeat(5 * 1024 * 1024))],
        [415, yield* post(rpc(1, "ping"), { "content-type": "text/plain" })],
        [204, yield* broker.delete(client, session, origin)],
        [404, yield* post(rpc(1, "ping"))]
      ] as const
      for (const [status, answer] of answers) {
        assert.strictEqual(answer.status, status)
        assert.strictEqual(answer.headers.get("access-control-allow-origin"), page, String(status))
        assert.strictEqual(answer.headers.get("access-control-expose-headers"), "Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After")
        assert.strictEqual(answer.headers.get("vary"), "Origin", String(status))
      }
      const other = yield* broker.open(client)
      const stream = yield* openStream(broker.mcpUrl, {
        headers: { authorization: `Bearer ${client.token}`, accept: "text/event-stream", "mcp-session-id": other, ...origin }
      })
      assert.deepStrictEqual([stream.status, stream.headers.get("access-control-allow-origin")], [200, page])
      stream.hangUp()
    }))

  it.effect("nothing of it is sent to what is no page", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const plain = yield* broker.post(client, rpc(1, "ping"), { session: unknown })
      assert.deepStrictEqual([plain.status, plain.headers.get("access-control-allow-origin"), plain.headers.get("vary")], [410, null, null])
    }))
})

it.scopedLive("they can read a 503, and when to come back", () =>
  Effect.gen(function*() {
    const broker = yield* testBroker({ allowedOrigins: [page], maxStartsPerMinute: 1 })
    const client = yield* broker.signIn()
    yield* broker.open(client)
    const refused = yield* broker.post(client, initialize(), { headers: origin })
    assert.deepStrictEqual([refused.status, refused.headers.get("access-control-allow-origin")], [503, page])
    assert.match(refused.headers.get("retry-after") ?? "", /^\d+$/)
    assert.include(refused.headers.get("access-control-expose-headers"), "Retry-After")
  }))
