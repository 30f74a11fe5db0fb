import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { PostOptions, SignedIn, TestBroker } from "./TestBroker.ts"
import { ben, guest, initialize, SharedBroker, sharedBroker, toolCall } from "./TestBroker.ts"
import type { Rpc } from "./Wire.ts"
import { errorOf, messages, openStream, response, toolResult } from "./Wire.ts"

const openAs = (broker: TestBroker, client: SignedIn, capabilities: unknown = { sampling: {}, elicitation: {}, roots: {} }) => {
  const { params, ...message } = initialize("2025-06-18")
  return Effect.map(broker.post(client, { ...message, params: { ...params, capabilities } }), ({ headers }) => headers.get("mcp-session-id") ?? "")
}

type Stream = Effect.Effect.Success<ReturnType<typeof openStream>>
const read = (stream: Stream, text: string) => messages({ status: 200, headers: stream.headers, text })
/** A call whose tool asks: its stream, and the question on it. */
const asking = (broker: TestBroker, client: SignedIn, call: unknown, options: PostOptions) =>
  Effect.gen(function*() {
    const stream = yield* openStream(broker.mcpUrl, broker.init(client, call, options))
    assert.deepStrictEqual([stream.status, stream.headers.get("content-type")], [200, "text/event-stream"])
    const question = read(stream, stream.first).find(({ id, method }) => method !== undefined && id !== undefined)
    return { stream, question, rest: Effect.map(stream.rest, (text) => read(stream, text)) }
  })
const answer = (question: Rpc | undefined, result: unknown) => ({ jsonrpc: "2.0", id: question?.id, result })
const fromModel = { role: "assistant", model: "m", content: { type: "text", text: "42" } }
const valueOf = (message: Rpc | undefined) => {
  const [content] = message?.result?.["content"] as ReadonlyArray<{ readonly text: string }> | undefined ?? []
  return (JSON.parse(content?.text ?? "{}") as { readonly Result?: unknown }).Result
}
const empty = (answer: { readonly status: number; readonly text: string }) => assert.deepStrictEqual([answer.status, answer.text], [202, ""])
const notAsked = "No request of this session is waiting for a response with this id: it was answered, taken back or given up."

layer(sharedBroker(), { excludeTestServices: true })("requests of the child", (it) => {
  it.scoped("come on the stream of the call, and the answer of another POST reaches the tool: sampling, elicitation, roots", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client)
      const cases = [
        ["ask", "sampling/createMessage", fromModel, fromModel.content],
        ["ask_person", "elicitation/create", { action: "accept", content: { name: "Ada" } }, { action: "accept", content: { name: "Ada" } }],
        ["ask_roots", "roots/list", { roots: [{ uri: "file:///x" }] }, { roots: [{ uri: "file:///x" }] }]
      ] as const
      for (const [tool, method, result, seen] of cases) {
        const { question, rest } = yield* asking(broker, client, toolCall("c", tool, { text: "?" }), { session })
        assert.strictEqual(question?.method, method)
        assert.match(String(question?.id), /^[0-9a-f]{48}$/)
        empty(yield* broker.post(client, answer(question, result), { session }))
        const last = (yield* rest).at(-1)
        assert.deepStrictEqual([last?.id, valueOf(last)], ["c", { answer: seen }])
      }
    }))

  it.scoped("are answered by their own user only, and once; an error is an answer, too", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client)
      const { question, rest } = yield* asking(broker, client, toolCall("c", "ask"), { session })
      const other = yield* guest(broker, ben)
      assert.strictEqual((yield* broker.post(other, answer(question, fromModel), { session })).status, 403)
      const foreign = yield* openAs(broker, other)
      for (const refused of [
        yield* broker.post(other, answer(question, fromModel), { session: foreign }),
        yield* broker.post(client, answer({ id: 0 }, fromModel), { session })
      ]) assert.deepStrictEqual([refused.status, errorOf(refused).message], [400, notAsked])
      empty(yield* broker.post(client, { jsonrpc: "2.0", id: question?.id, error: { code: -1, message: "User rejected sampling request" } }, { session }))
      assert.include(JSON.stringify(valueOf((yield* rest).at(-1))), "User rejected sampling request")
      const again = yield* broker.post(client, answer(question, fromModel), { session })
      assert.deepStrictEqual([again.status, errorOf(again).message], [400, notAsked])
    }))

  it.scoped("reach a client without a session id, too, and its answer finds the way back", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      yield* openAs(broker, client)
      const { question, rest } = yield* asking(broker, client, toolCall("c", "ask"), {})
      yield* openAs(broker, client)
      assert.strictEqual((yield* broker.post(yield* guest(broker, ben), answer(question, fromModel))).status, 400)
      empty(yield* broker.post(client, answer(question, fromModel)))
      assert.deepStrictEqual(valueOf((yield* rest).at(-1)), { answer: fromModel.content })
      assert.strictEqual((yield* broker.post(client, answer(question, fromModel))).status, 400)
    }))

  it.scoped("are refused at once where the client has not declared them, or reads only JSON", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const undeclared = yield* openAs(broker, client, { sampling: {} })
      const refused = yield* broker.post(client, toolCall("c", "ask_roots"), { session: undeclared })
      assert.include(JSON.stringify(toolResult(refused)), "The client has not declared that it can be asked for \\\"roots/list\\\".")
      const session = yield* openAs(broker, client)
      const deaf = yield* broker.post(client, toolCall("c", "ask"), { session, headers: { accept: "application/json" } })
      assert.deepStrictEqual([deaf.headers.get("content-type"), response(deaf).id], ["application/json", "c"])
      assert.include(JSON.stringify(toolResult(deaf)), "The client reads no stream")
    }))

  it.scoped("that belong to no call come on the GET stream; where there is none they wait for it", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client)
      yield* broker.post(client, toolCall("c", "ask_later", { text: "later", ms: 0 }), { session })
      const headers = { authorization: `Bearer ${client.token}`, accept: "text/event-stream", "mcp-session-id": session }
      const standing = yield* Effect.promise(async () => {
        const controller = new AbortController()
        const got = await fetch(broker.mcpUrl, { headers, signal: controller.signal })
        const reader = (got.body ?? new ReadableStream<Uint8Array>()).pipeThrough(new TextDecoderStream()).getReader()
        let text = ""
        while (!text.includes("sampling/createMessage")) text += (await reader.read()).value ?? ""
        controller.abort()
        return messages({ status: 200, headers: got.headers, text })
      })
      const questions = standing.filter(({ method }) => method === "sampling/createMessage")
      assert.lengthOf(questions, 1)
      empty(yield* broker.post(client, answer(questions[0], fromModel), { session }))
    }))

  it.scoped("that the child takes back are told where they were asked, and a late answer is refused", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client)
      const { question, rest, stream } = yield* asking(broker, client, toolCall("c", "ask_in_vain", { ms: 50 }), { session })
      const all = [...read(stream, stream.first), ...yield* rest]
      const cancelled = all.find(({ method }) => method === "notifications/cancelled")
      assert.deepStrictEqual(cancelled?.params?.["requestId"], question?.id)
      assert.include(String(cancelled?.params?.["reason"]), "no longer of interest")
      assert.strictEqual((yield* broker.post(client, answer(question, fromModel), { session })).status, 400)
    }))

  it.scoped("are asked no longer when the session ends, and the call's stream says so before its error", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client)
      const { question, rest } = yield* asking(broker, client, toolCall("c", "ask"), { session })
      yield* broker.delete(client, session)
      const [cancelled, last] = yield* rest
      assert.deepStrictEqual([cancelled?.method, cancelled?.params?.["requestId"], last?.id], ["notifications/cancelled", question?.id, "c"])
      assert.strictEqual((yield* broker.post(client, answer(question, fromModel), { session })).status, 404)
    }))
})
