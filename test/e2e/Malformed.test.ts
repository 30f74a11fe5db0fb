import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { rpc, SharedBroker, sharedBroker } from "./TestBroker.ts"
import { response } from "./Wire.ts"

const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`
const deep = (levels: number) => `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"deep":${nested(levels - 2)}}}`
const notJson = "The body is not JSON; send one JSON-RPC 2.0 message as UTF-8 text."
const notOneObject = "A JSON-RPC message is one object with \"jsonrpc\": \"2.0\"."
const badId = "The member \"id\" must be a string or an integer of at most 53 bits."
const badJsonRpc = "The member \"jsonrpc\" must be \"2.0\"."
const badMethod = "The member \"method\" must be a string."
const badParams = "The member \"params\" must be an object."
const badOutcome = "A message without \"method\" is a response: it must have either \"result\" or \"error\"."
const badResponseId = "A response must have the id of its request: a string or an integer of at most 53 bits."
const tooDeep = "The JSON nests deeper than 64 levels; send a flatter message."
const unexpected = "No request of this session is waiting for a response with this id: it was answered, taken back or given up."

/** What is sent, the code and the sentence of the answer, and the id that it echoes. */
const cases: ReadonlyArray<readonly [name: string, body: string, code: number, message: string, id?: string | number]> = [
  ["an empty body", "", -32700, notJson],
  ["half an object", "{\"jsonrpc\":\"2.0\",\"id\":1,", -32700, notJson],
  ["words", "hello", -32700, notJson],
  ["a text", "\"hello\"", -32600, notOneObject],
  ["null", "null", -32600, notOneObject],
  ["no jsonrpc", JSON.stringify({ id: "a", method: "ping" }), -32600, badJsonRpc, "a"],
  ["jsonrpc 1.0", JSON.stringify({ jsonrpc: "1.0", id: 3, method: "ping" }), -32600, badJsonRpc, 3],
  ["a method that is no text", JSON.stringify({ jsonrpc: "2.0", id: 4, method: 5 }), -32600, badMethod, 4],
  ["parameters in a list", JSON.stringify({ jsonrpc: "2.0", id: "b", method: "ping", params: [1] }), -32600, badParams, "b"],
  ["the id null", JSON.stringify({ jsonrpc: "2.0", id: null, method: "ping" }), -32600, badId],
  ["an id that is a fraction", "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}", -32600, badId],
  ["an id that no client could find again", "{\"jsonrpc\":\"2.0\",\"id\":9007199254740993,\"method\":\"ping\"}", -32600, badId],
  ["an id that is an object", "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}", -32600, badId],
  ["neither method nor outcome", JSON.stringify({ jsonrpc: "2.0", id: 6 }), -32600, badOutcome, 6],
  ["result and error", JSON.stringify({ jsonrpc: "2.0", id: 6, result: {}, error: { code: 1 } }), -32600, badOutcome, 6],
  ["a response without an id", JSON.stringify({ jsonrpc: "2.0", result: {} }), -32600, badResponseId],
  ["a response to nothing", JSON.stringify({ jsonrpc: "2.0", id: 1, result: { action: "accept" } }), -32600, unexpected, 1],
  ["an error to nothing", JSON.stringify({ jsonrpc: "2.0", id: "q", error: { code: -1, message: "no" } }), -32600, unexpected, "q"],
  ["an empty batch", "[]", -32600, "The batch is empty; send at least one JSON-RPC message."],
  ["65 levels", deep(65), -32600, tooDeep],
  ["a hundred thousand levels", nested(100_000), -32600, tooDeep]
]

layer(sharedBroker(), { excludeTestServices: true })("what is no message of a session", (it) => {
  for (const [name, body, code, message, id] of cases) {
    it.effect(`400: ${name}`, () =>
      Effect.gen(function*() {
        const { broker, client } = yield* SharedBroker
        const answer = yield* broker.post(client, body)
        assert.strictEqual(answer.status, 400)
        assert.deepStrictEqual(JSON.parse(answer.text), { jsonrpc: "2.0", ...(id === undefined ? {} : { id }), error: { code, message } })
      }))
  }

  it.effect("400: a body that is no UTF-8", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const answer = yield* Effect.promise(() =>
        fetch(broker.mcpUrl, {
          method: "POST",
          headers: { authorization: `Bearer ${client.token}`, "content-type": "application/json" },
          body: Buffer.from([0x22, 0xff, 0x22])
        }))
      assert.strictEqual(answer.status, 400)
      const error = { code: -32700, message: "The body is not UTF-8; send one JSON-RPC 2.0 message as UTF-8 text." }
      assert.deepStrictEqual(yield* Effect.promise(() => answer.json()), { jsonrpc: "2.0", error })
    }))

  it.effect("64 levels, and brackets in texts, are fine", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      for (const body of [deep(64), JSON.stringify(rpc(1, "ping", { text: "[".repeat(500) + "\\\"{" }))]) {
        assert.strictEqual((yield* broker.post(client, body, { session: "0".repeat(48) })).status, 410)
      }
    }))

  it.effect("case 8: a revision that nobody knows is 400 and names the known ones; a known one need not be the session's", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const session = yield* broker.open(client)
      const ask = (version: string) => broker.post(client, rpc(5, "ping"), { session, headers: { "mcp-protocol-version": version } })
      const unknown = yield* ask("1999-01-01")
      assert.strictEqual(unknown.status, 400)
      assert.strictEqual(
        response(unknown).error?.message,
        "MCP-Protocol-Version \"1999-01-01\" is not known here; send one of 2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25, 2026-07-28."
      )
      for (const version of ["", "2025-11-25", "2025-06-18", " 2024-11-05 "]) assert.strictEqual((yield* ask(version)).status, 200, version)
      const deleted = yield* broker.delete(client, session, { "mcp-protocol-version": "1999-01-01" })
      assert.strictEqual(deleted.status, 400)
      assert.strictEqual((yield* broker.delete(client, session)).status, 204)
    }))
})
