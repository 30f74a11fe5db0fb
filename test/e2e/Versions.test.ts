import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { echoChild } from "../blackbox/EchoChild.ts"
import { guest, initialize, notification, rpc, SharedBroker, sharedBroker } from "./TestBroker.ts"
import { response } from "./Wire.ts"

// The child speaks whatever revision it is asked for.
layer(sharedBroker(echoChild), { excludeTestServices: true })("the revision of a session", (it) => {
  it.scoped("is the newest that begins with initialize where the client asks for one that does not, or that nobody knows", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      for (const asked of ["2026-07-28", "2099-01-01", "1999-01-01"]) {
        const opened = yield* broker.post(client, initialize(asked))
        assert.deepStrictEqual([opened.status, response(opened).result?.["protocolVersion"]], [200, "2025-11-25"], asked)
        const session = opened.headers.get("mcp-session-id") ?? assert.fail("no session")
        const options = { session, headers: { "mcp-protocol-version": "2025-11-25" } }
        assert.strictEqual((yield* broker.post(client, notification("notifications/initialized"), options)).status, 202)
        const listed = yield* broker.post(client, rpc(2, "tools/list"), options)
        assert.deepStrictEqual([listed.status, Array.isArray(response(listed).result?.["tools"])], [200, true], asked)
        assert.strictEqual((yield* broker.delete(client, session)).status, 204)
      }
    }))

  it.scoped("is the client's own where it is known", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      for (const asked of ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]) {
        const opened = yield* broker.post(client, initialize(asked))
        assert.strictEqual(response(opened).result?.["protocolVersion"], asked)
      }
    }))
})
