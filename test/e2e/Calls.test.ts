import { assert, layer } from "@effect/vitest"
import { Effect, Ref } from "effect"
import { createHash } from "node:crypto"
import { plainServer } from "../fakes/PlainServer.ts"
import { ada, guest, initialize, notification, rpc, SharedBroker, sharedBroker, toolCall } from "./TestBroker.ts"
import type { Answer } from "./Wire.ts"
import { errorOf, messages, openStream, response, toolResult } from "./Wire.ts"

const typeOf = (answer: Answer) => (answer.headers.get("content-type") ?? "").split(";")[0]

layer(sharedBroker(), { excludeTestServices: true })("calls", (it) => {
  it.scoped("case 10: two slow calls of one session are answered each on its own, the later one first", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const order = yield* Ref.make<ReadonlyArray<unknown>>([])
      const slow = (id: string, ms: number) =>
        Effect.tap(broker.post(client, toolCall(id, "slow", { ms }), { session }), (answer) => {
          // What takes its time is a stream, so that its connection is kept and its answer is not lost with it.
          const type = id === "first" ? "text/event-stream" : "application/json"
          assert.deepStrictEqual([messages(answer).length, typeOf(answer), toolResult(answer)], [1, type, "done"])
          return Ref.update(order, (ids) => [...ids, response(answer).id])
        })
      yield* Effect.all([slow("first", 800), slow("second", 20)], { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* Ref.get(order), ["second", "first"])
    }))

  it.scoped("a stream as soon as something precedes the result: progress under the client's token, log messages; the result ends it", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      for (const token of ["my token", 7]) {
        const answer = yield* broker.post(client, toolCall("p", "progress", { steps: 3 }, token), { session })
        assert.deepStrictEqual([answer.status, typeOf(answer)], [200, "text/event-stream"])
        assert.strictEqual(answer.headers.get("cache-control"), "no-store")
        assert.strictEqual(answer.headers.get("x-accel-buffering"), "no")
        assert.match(answer.text, /^id: \S+\nretry: 2000\ndata: \n\n(id: \S+\nevent: message\ndata: \{[^\n]*\}\n\n){4}$/)
        const kinds = messages(answer).map(({ id, method }) => method ?? id)
        assert.deepStrictEqual(kinds, [...Array<string>(3).fill("notifications/progress"), "p"])
        assert.deepStrictEqual(
          messages(answer).slice(0, 3).map(({ params }) => params),
          [1, 2, 3].map((progress) => ({ progressToken: token, progress, total: 3 }))
        )
      }
      const logged = yield* broker.post(client, toolCall("l", "log", { text: "a\nb" }), { session })
      assert.strictEqual(typeOf(logged), "text/event-stream")
      assert.deepStrictEqual(messages(logged).map(({ id, params }) => params?.["data"] ?? id), ["a\nb", "l"])
    }))

  it.scoped("a stream comes as it is made, not at its end", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const call = toolCall("p", "progress", { steps: 2, ms: 300 }, "t")
      const stream = yield* openStream(broker.mcpUrl, broker.init(client, call, { session }))
      assert.notInclude(yield* stream.until("\"progress\":1"), "\"progress\":2")
      assert.include(yield* stream.rest, "\"id\":\"p\"")
    }))

  it.scoped("Accept decides: JSON alone drops what precedes the result, SSE alone is a stream of one, initialize too", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const progress = toolCall("j", "progress", { steps: 2 }, "t")
      const json = yield* broker.post(client, progress, { session, headers: { accept: "application/json" } })
      assert.deepStrictEqual([typeOf(json), messages(json).length, toolResult(json)], ["application/json", 1, "done"])
      const accept = "text/event-stream"
      const sse = yield* broker.post(client, toolCall("s", "echo", { text: "x" }), { session, headers: { accept } })
      assert.deepStrictEqual([typeOf(sse), messages(sse).length, toolResult(sse)], [accept, 1, "x"])
      const opened = yield* broker.post(client, initialize(), { headers: { accept } })
      assert.deepStrictEqual([opened.status, typeOf(opened), response(opened).id], [200, accept, 1])
      assert.match(opened.headers.get("mcp-session-id") ?? "", /^[0-9a-f]{48}$/)
    }))

  it.scoped("a call that the client cancels is answered, and reaches nobody else", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const call = toolCall("gone", "progress", { steps: 8, ms: 150 }, "t")
      const stream = yield* openStream(broker.mcpUrl, broker.init(client, call, { session }))
      yield* stream.until("notifications/progress")
      const cancelled = yield* broker.post(client, notification("notifications/cancelled", { requestId: "gone" }), { session })
      assert.strictEqual(cancelled.status, 202)
      assert.match(yield* stream.rest, /"id":"gone","error":\{"code":-32603,"message":"Cancelled by the client\."\}\}\n\n$/)
      assert.strictEqual((yield* broker.post(client, rpc(1, "ping"), { session })).status, 200)
    }))

  it.scoped("download_release_attachment is hidden and refused, and no token goes to where an asset leads", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const thief = yield* plainServer((_, answer) => void answer.end("ok"))
      const asset = { name: "free.zip", url: `${thief.url}/free.zip` }
      const { assetId, releaseId } = broker.forgejo.addExternalAsset(ada.login, "playground", asset)
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const list = yield* broker.post(client, rpc(1, "tools/list"), { session })
      const names = (response(list).result?.["tools"] as ReadonlyArray<{ readonly name: string }>).map(({ name }) => name)
      assert.isAbove(list.text.length, 64 * 1024)
      assert.include(names, "create_issue")
      assert.notInclude(names, "download_release_attachment")
      const place = { owner: ada.login, repo: "playground", release_id: releaseId, attachment_id: assetId }
      for (const token of [undefined, "t"]) {
        const refused = yield* broker.post(client, toolCall("d", "download_release_attachment", place, token), { session })
        assert.deepStrictEqual([refused.status, response(refused).id, errorOf(refused).code], [200, "d", -32602])
        assert.strictEqual(
          errorOf(refused).message,
          "The tool \"download_release_attachment\" is not available here: it can give your Forgejo token away to a third party. "
            + "Download the file in the browser."
        )
      }
      assert.deepStrictEqual(thief.received, [])
    }))

  it.scoped("the child has the user's own Forgejo token, nothing else of the broker, and cannot ask the client for what it has not declared", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const fingerprint = toolResult(yield* broker.post(client, toolCall(1, "token_fingerprint"), { session }))
      const token = broker.childTokens().at(-1) ?? ""
      assert.strictEqual(createHash("sha256").update(token).digest("hex").slice(0, 16), fingerprint)
      const names = toolResult(yield* broker.post(client, toolCall(2, "env"), { session })) as ReadonlyArray<string>
      assert.include(names, "FORGEJO_ACCESS_TOKEN")
      assert.deepStrictEqual(names.filter((name) => /FJMCP|SECRET|BROKER/.test(name)), [])
      const asked = yield* broker.post(client, toolCall(3, "ask", { text: "?" }), { session })
      const { error } = toolResult(asked) as { readonly error: { readonly code: number; readonly message: string } }
      assert.strictEqual(error.code, -32601)
      assert.include(error.message, "The client has not declared that it can be asked for \"sampling/createMessage\".")
    }))
})
