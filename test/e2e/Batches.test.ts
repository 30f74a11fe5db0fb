import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { SignedIn, TestBroker } from "./TestBroker.ts"
import { ben, guest, initialize, notification, rpc, SharedBroker, sharedBroker, toolCall } from "./TestBroker.ts"
import type { Answer, Rpc } from "./Wire.ts"
import { errorOf, messages, openStream, response } from "./Wire.ts"

const withBatches = "2025-03-26"
const unknown = "0".repeat(48)
const maxCallsPerSession = 6

const openAs = (broker: TestBroker, client: SignedIn, version: string, capabilities: unknown = {}) => {
  const { params, ...message } = initialize(version)
  return Effect.map(broker.post(client, { ...message, params: { ...params, capabilities } }), (answer) => {
    assert.strictEqual(response(answer).result?.["protocolVersion"], version)
    return answer.headers.get("mcp-session-id") ?? ""
  })
}

const typeOf = (answer: Answer) => (answer.headers.get("content-type") ?? "").split(";")[0]
/** The messages of a JSON array, which is the whole answer. */
const arrayOf = (answer: Answer): ReadonlyArray<Rpc> => {
  assert.deepStrictEqual([answer.status, typeOf(answer), answer.headers.get("cache-control")], [200, "application/json", "no-store"], answer.text.slice(0, 300))
  const all = JSON.parse(answer.text) as ReadonlyArray<Rpc>
  assert.isArray(all)
  return all
}
const textOf = ({ result }: Rpc) => (result?.["content"] as ReadonlyArray<{ readonly text: string }> | undefined)?.[0]?.text
const ofId = (all: ReadonlyArray<Rpc>, id: unknown): Rpc => {
  const found = all.filter((message) => message.id === id && message.method === undefined)
  assert.lengthOf(found, 1, `answers to ${String(id)}`)
  return found[0] ?? {}
}
/** Such a body is refused as it is, and nothing of it is done. */
const refusedWith = (answer: Answer, message: string) => assert.deepStrictEqual([answer.status, JSON.parse(answer.text)], [400, { jsonrpc: "2.0", error: { code: -32600, message } }])

layer(sharedBroker({ maxCallsPerSession }), { excludeTestServices: true })("batches", (it) => {
  it.scoped("one response for each request, whatever becomes of it, and none for what asks nothing", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client, withBatches)
      const answer = yield* broker.post(client, [
        notification("notifications/initialized"),
        toolCall("echo", "echo", { text: "x" }),
        rpc(7, "ping"),
        toolCall("denied", "download_release_attachment"),
        rpc("nothing", "no/such/method"),
        { jsonrpc: "1.0", id: "old", method: "ping" },
        { jsonrpc: "2.0", id: null, method: "ping" },
        { jsonrpc: "2.0", id: 99, result: {} }
      ], { session })
      const all = arrayOf(answer)
      assert.lengthOf(all, 6)
      assert.strictEqual(textOf(ofId(all, "echo")), "{\"Result\":\"x\"}")
      assert.deepStrictEqual(ofId(all, 7).result, {})
      assert.deepStrictEqual(["denied", "nothing", "old"].map((id) => ofId(all, id).error?.code), [-32602, -32601, -32600])
      assert.deepStrictEqual(ofId(all, undefined).error, { code: -32600, message: "The member \"id\" must be a string or an integer of at most 53 bits." })
    }))

  it.scoped("only where the session negotiated 2025-03-26, whatever the header says and whether it has a child or not", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const batch = [rpc(1, "ping")]
      for (const version of ["2024-11-05", "2025-06-18", "2025-11-25"]) {
        const session = yield* openAs(broker, client, version)
        const sentence = `Batches belong to revision 2025-03-26, and this is ${version}; send one JSON-RPC message per POST.`
        for (const headers of [{}, { "mcp-protocol-version": withBatches }]) refusedWith(yield* broker.post(client, batch, { session, headers }), sentence)
      }
      const session = yield* openAs(broker, client, withBatches)
      for (const version of ["2025-03-26", "2025-11-25"]) {
        assert.lengthOf(arrayOf(yield* broker.post(client, batch, { session, headers: { "mcp-protocol-version": version } })), 1)
      }
      const stateless = yield* broker.post(client, batch, { session, headers: { "mcp-protocol-version": "2026-07-28" } })
      refusedWith(stateless, "Batches belong to revision 2025-03-26, and this is 2026-07-28; send one JSON-RPC message per POST.")
      const parked = broker.log.all("session.parked").length
      const revivals = broker.log.all("session.revived").length
      arrayOf(yield* broker.post(client, [toolCall("c", "crash")], { session }))
      yield* broker.log.until("session.parked", parked + 1)
      const revived = arrayOf(yield* broker.post(client, [toolCall("a", "echo", { text: "a" }), toolCall("b", "echo", { text: "b" })], { session }))
      assert.deepStrictEqual([textOf(ofId(revived, "a")), textOf(ofId(revived, "b"))], ["{\"Result\":\"a\"}", "{\"Result\":\"b\"}"])
      assert.lengthOf(broker.log.all("session.revived"), revivals + 1)
    }))

  it.scoped("nothing to answer: 202", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client, withBatches)
      const answer = yield* broker.post(client, [notification("notifications/initialized"), notification("notifications/roots/list_changed")], { session })
      assert.deepStrictEqual([answer.status, answer.text], [202, ""])
      const unasked = yield* broker.post(client, [{ jsonrpc: "2.0", id: "q", result: {} }], { session })
      assert.deepStrictEqual([unasked.status, errorOf(unasked).code], [400, -32600])
    }))

  it.scoped("without a session id the header decides, and where there is none it is 2025-03-26; the default session gets them", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const opened = broker.log.all("session.opened").length
      const send = (version: string) => broker.post(client, [toolCall(1, "echo", { text: "x" }), toolCall(2, "echo", { text: "y" })], { headers: { "mcp-protocol-version": version } })
      const first = yield* send("")
      assert.deepStrictEqual(arrayOf(first).map(({ id }) => id).toSorted(), [1, 2])
      assert.match(first.headers.get("mcp-session-id") ?? "", /^[0-9a-f]{48}$/)
      const second = yield* send(withBatches)
      assert.deepStrictEqual([arrayOf(second).length, second.headers.get("mcp-session-id")], [2, null])
      assert.lengthOf(broker.log.all("session.opened"), opened + 1)
      refusedWith(yield* send("2025-06-18"), "Batches belong to revision 2025-03-26, and this is 2025-06-18; send one JSON-RPC message per POST.")
    }))

  it.scoped("what no batch may have is 400, and none of its messages goes anywhere", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client, withBatches)
      const opened = broker.log.all("session.opened").length
      const crashed = broker.log.all("session.crashed").length
      const send = (batch: ReadonlyArray<unknown>) => broker.post(client, batch, { session })
      const crash = toolCall("c", "crash")
      refusedWith(yield* send([]), "The batch is empty; send at least one JSON-RPC message.")
      refusedWith(yield* send([crash, initialize(withBatches)]), "initialize cannot be part of a batch; send it alone.")
      const stateless = rpc(1, "tools/list", { _meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } })
      refusedWith(yield* send([crash, stateless]), "A message of revision 2026-07-28 cannot be part of a batch; send it alone.")
      const many = "A batch may have at most 6 requests, and as many notifications and responses; send several."
      refusedWith(yield* send([crash, ...Array.from({ length: maxCallsPerSession }, (_, id) => rpc(id, "ping"))]), many)
      const nested = `[${JSON.stringify(rpc(1, "ping")).slice(0, -1)},"params":{"deep":${"[".repeat(62)}${"]".repeat(62)}}}]`
      const deep = yield* broker.post(client, nested, { session })
      assert.deepStrictEqual([deep.status, errorOf(deep).message], [400, "The JSON nests deeper than 64 levels; send a flatter message."])
      assert.strictEqual((yield* broker.post(client, rpc(2, "ping"), { session })).status, 200)
      assert.lengthOf(broker.log.all("session.opened"), opened)
      assert.lengthOf(broker.log.all("session.crashed"), crashed)
    }))

  it.scoped("a session that is not there is told as for a single message: 410, 403, 404", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client, withBatches)
      const other = yield* guest(broker, ben)
      const batch = [notification("x"), rpc(1, "ping")]
      assert.strictEqual((yield* broker.post(client, batch, { session: unknown })).status, 410)
      assert.strictEqual((yield* broker.post(other, batch, { session })).status, 403)
      yield* broker.delete(client, session)
      const ended = yield* broker.post(client, batch, { session })
      assert.deepStrictEqual([ended.status, "id" in response(ended)], [404, false])
    }))

  it.scoped("a stream as soon as something precedes a response, and each message as it is made; Accept decides as ever", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client, withBatches)
      const batch = [toolCall("slow", "progress", { steps: 4, ms: 200 }, "s"), toolCall("fast", "progress", { steps: 2 }, "f"), rpc("p", "ping")]
      const stream = yield* openStream(broker.mcpUrl, broker.init(client, batch, { session }))
      assert.deepStrictEqual([stream.status, stream.headers.get("content-type"), stream.headers.get("x-accel-buffering")], [200, "text/event-stream", "no"])
      assert.notInclude(stream.first, "\"id\":\"slow\"")
      const text = stream.first + (yield* stream.rest)
      const all = messages({ status: 200, headers: stream.headers, text })
      assert.deepStrictEqual(all.filter(({ method }) => method === undefined).map(({ id }) => id).toSorted(), ["fast", "p", "slow"])
      assert.strictEqual(all.at(-1)?.id, "slow")
      assert.deepStrictEqual(all.filter(({ params }) => params?.["progressToken"] === "s").map(({ params }) => params?.["progress"]), [1, 2, 3, 4])
      assert.deepStrictEqual(all.filter(({ params }) => params?.["progressToken"] === "f").map(({ params }) => params?.["progress"]), [1, 2])

      const json = arrayOf(yield* broker.post(client, batch, { session, headers: { accept: "application/json" } }))
      assert.deepStrictEqual(json.map(({ id }) => id).toSorted(), ["fast", "p", "slow"])
      const sse = yield* broker.post(client, [rpc(1, "ping"), rpc(2, "ping")], { session, headers: { accept: "text/event-stream" } })
      assert.deepStrictEqual([typeOf(sse), messages(sse).map(({ id }) => id).toSorted()], ["text/event-stream", [1, 2]])
    }))

  it.scoped("the limit of calls in flight holds for each of its requests", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client, withBatches)
      const slow = yield* openStream(broker.mcpUrl, broker.init(client, toolCall("w", "progress", { steps: 1000, ms: 100 }, "t"), { session }))
      const all = arrayOf(yield* broker.post(client, Array.from({ length: maxCallsPerSession }, (_, id) => toolCall(id, "slow", { ms: 300 })), { session }))
      const busy = all.filter(({ error }) => error !== undefined)
      assert.deepStrictEqual(busy.map(({ id }) => id), [maxCallsPerSession - 1])
      assert.strictEqual(busy[0]?.error?.message, "This session has as many calls in flight as it may have (6). Wait for one to be answered.")
      slow.hangUp()
      const cancelled = yield* broker.post(client, [notification("notifications/cancelled", { requestId: "w" }), rpc("after", "ping")], { session })
      assert.deepStrictEqual(arrayOf(cancelled).map(({ id }) => id), ["after"])
    }))

  it.scoped("messages keep their order: a request and its cancellation in one batch", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client, withBatches)
      const batch = [toolCall("gone", "never"), notification("notifications/cancelled", { requestId: "gone" })]
      const [answer] = arrayOf(yield* broker.post(client, batch, { session }))
      assert.deepStrictEqual([answer?.id, answer?.error?.message], ["gone", "Cancelled by the client."])
    }))

  it.scoped("a question of the child comes on the batch's stream, and its answer may come in a batch", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client, withBatches, { sampling: {} })
      const stream = yield* openStream(broker.mcpUrl, broker.init(client, [toolCall("a", "ask", { text: "?" }), rpc("p", "ping")], { session }))
      const first = messages({ status: 200, headers: stream.headers, text: yield* stream.until("sampling/createMessage") })
      const question = first.find(({ method }) => method === "sampling/createMessage")
      assert.isDefined(question?.id)
      const result = { role: "assistant", model: "m", content: { type: "text", text: "42" } }
      const answered = yield* broker.post(client, [{ jsonrpc: "2.0", id: question?.id, result }, notification("notifications/initialized")], { session })
      assert.deepStrictEqual([answered.status, answered.text], [202, ""])
      const rest = messages({ status: 200, headers: stream.headers, text: yield* stream.rest })
      assert.strictEqual(textOf(ofId([...first, ...rest], "a")), "{\"Result\":{\"answer\":{\"type\":\"text\",\"text\":\"42\"}}}")
      ofId([...first, ...rest], "p")
    }))
})
