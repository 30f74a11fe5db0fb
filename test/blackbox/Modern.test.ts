import { assert, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { ben, rpc, SharedBroker, sharedBroker, testBroker } from "../e2e/TestBroker.ts"
import type { Answer, Rpc } from "../e2e/Wire.ts"
import { messages, openStream, response } from "../e2e/Wire.ts"
import type { Seen } from "./EchoChild.ts"
import { echoChild } from "./EchoChild.ts"
import type { ModernRequest } from "./Modern.ts"
import { meta, modern, send, version } from "./Modern.ts"

const subscriptionId = "io.modelcontextprotocol/subscriptionId"
const shape = (answer: Answer) => [answer.status, response(answer).error?.code, response(answer).id]
const resultOf = (answer: Answer) => response(answer).result ?? assert.fail(`${answer.status} ${answer.text.slice(0, 300)}`)
const textOf = (answer: Answer): unknown => JSON.parse((resultOf(answer)["content"] as ReadonlyArray<{ readonly text: string }>)[0]?.text ?? "")
const metaOf = (of: Readonly<Record<string, unknown>> | undefined) => of?.["_meta"] as Readonly<Record<string, unknown>> | undefined
const discover: ModernRequest = { id: "d", method: "server/discover" }
const list: ModernRequest = { id: "l", method: "tools/list" }
const echo = (headers: Readonly<Record<string, string>> = {}): ModernRequest => ({ id: "c", method: "tools/call", params: { name: "echo", arguments: { text: "x" } }, headers })
const base64 = (text: string) => `=?base64?${Buffer.from(text).toString("base64")}?=`

layer(sharedBroker(), { excludeTestServices: true })("black-box cases of the stateless era", (it) => {
  it.effect("case 13: server/discover; before the first child has come up it is a guess, which nobody may keep and which names no server", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const isRight = (answer: Answer) => {
        const result = resultOf(answer)
        assert.deepStrictEqual([answer.status, response(answer).id, result["resultType"], result["cacheScope"]], [200, "d", "complete", "private"])
        assert.include(result["supportedVersions"] as ReadonlyArray<string>, version)
        assert.isNull(answer.headers.get("mcp-session-id"))
        return result
      }
      const guess = isRight(yield* send(broker, client, discover))
      assert.deepStrictEqual([guess["ttlMs"], broker.log.all("session.opened").length], [0, 0])
      assert.strictEqual((yield* send(broker, client, list)).status, 200)
      const known = isRight(yield* send(broker, client, discover))
      assert.isAbove(Number(known["ttlMs"]), 0)
      assert.deepStrictEqual((metaOf(known)?.["io.modelcontextprotocol/serverInfo"] as { readonly name: unknown }).name, "Forgejo MCP Server")
    }))

  it.effect("case 14: without clientInfo 200; without _meta or clientCapabilities 400 -32602", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const { headers } = modern(discover)
      const post = (params: unknown) => broker.post(client, rpc("d", "server/discover", params), { headers })
      const { "io.modelcontextprotocol/clientInfo": _, ...noInfo } = meta()
      assert.deepStrictEqual(shape(yield* post({ _meta: noInfo })), [200, undefined, "d"])
      const { "io.modelcontextprotocol/clientCapabilities": __, ...noCapabilities } = meta()
      for (const params of [undefined, {}, { _meta: {} }, { _meta: noCapabilities }]) assert.deepStrictEqual(shape(yield* post(params)), [400, -32602, "d"], JSON.stringify(params))
    }))

  it.effect("case 15: header and body differ, or the header is missing: -32020; a revision that nobody knows: -32022", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const v999 = { "io.modelcontextprotocol/protocolVersion": "v999" }
      assert.deepStrictEqual(shape(yield* send(broker, client, { ...discover, meta: v999 })), [400, -32020, "d"])
      assert.deepStrictEqual(shape(yield* send(broker, client, { ...discover, headers: { "mcp-protocol-version": "" } })), [400, -32020, "d"])
      const unknown = yield* send(broker, client, { ...discover, meta: v999, headers: { "mcp-protocol-version": "v999" } })
      assert.deepStrictEqual(shape(unknown), [400, -32022, "d"])
      const { data } = response(unknown).error as unknown as { readonly data: { readonly supported: ReadonlyArray<string>; readonly requested: string } }
      assert.deepStrictEqual(data, { supported: resultOf(yield* send(broker, client, discover))["supportedVersions"] as ReadonlyArray<string>, requested: "v999" })
    }))

  it.effect("case 16: Mcp-Method must be there and be the method, whatever the header's own case and the spaces around it", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const ask = (headers: Readonly<Record<string, string>>) => Effect.map(send(broker, client, { ...list, headers }), shape)
      assert.deepStrictEqual(yield* ask({ "mcp-method": "" }), [400, -32020, "l"])
      assert.deepStrictEqual(yield* ask({ "mcp-method": "TOOLS/LIST" }), [400, -32020, "l"])
      assert.deepStrictEqual(yield* ask({ "mcp-method": "", "MCP-METHOD": "tools/list" }), [200, undefined, "l"])
      assert.deepStrictEqual(yield* ask({ "mcp-method": "  tools/list  " }), [200, undefined, "l"])
    }))

  it.effect("case 17: Mcp-Name must be there and be the name, which may be written in base64", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const ask = (name: string) => Effect.map(send(broker, client, echo({ "mcp-name": name })), shape)
      for (const wrong of ["other", "", "Echo", "=?base64?ZWNobw?=", base64("other")]) assert.deepStrictEqual(yield* ask(wrong), [400, -32020, "c"], wrong)
      for (const right of ["echo", base64("echo")]) assert.deepStrictEqual(yield* ask(right), [200, undefined, "c"], right)
    }))

  it.effect("case 18: methods that are gone, that nobody knows, and that the child has not: 404 -32601", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      for (const method of ["initialize", "ping", "logging/setLevel", "resources/subscribe", "nope/x", "prompts/list"]) {
        assert.deepStrictEqual(shape(yield* send(broker, client, { id: method, method })), [404, -32601, method])
      }
    }))

  it.effect("case 19: tools/list twice at once, without discover: the same, for this sign-in only, and nothing of other eras in it", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* broker.signIn()
      const [one, two] = yield* Effect.all([send(broker, client, list), send(broker, client, list)], { concurrency: 2 })
      assert.deepStrictEqual(resultOf(one), resultOf(two))
      const { cacheScope, resultType, tools, ttlMs } = resultOf(one)
      assert.deepStrictEqual([resultType, cacheScope], ["complete", "private"])
      assert.isAtLeast(Number(ttlMs), 0)
      assert.isAbove((tools as ReadonlyArray<unknown>).length, 100)
      for (const word of ["\"execution\"", "x-mcp-header", "download_release_attachment"]) assert.notInclude(one.text, word)
    }))

  it.effect("case 20: a resource that is not there: -32602", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const answer = yield* send(broker, client, { id: 3, method: "resources/read", params: { uri: "forgejo://nobody/nothing" } })
      assert.deepStrictEqual(shape(answer), [200, -32602, 3])
    }))

  it.effect("case 24: a stale Mcp-Session-Id is not looked at, and none is given", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const answer = yield* send(broker, client, { ...list, headers: { "mcp-session-id": "0".repeat(48) } })
      assert.deepStrictEqual([...shape(answer), answer.headers.get("mcp-session-id")], [200, undefined, "l", null])
    }))
})

const work = (nonce: string, steps: number, pause: number, progressToken?: string): ModernRequest => ({
  id: "same",
  method: "tools/call",
  params: { name: "work", arguments: { nonce, steps, pause, log: true } },
  meta: progressToken === undefined ? {} : { progressToken }
})
const tool = (name: string, args: unknown = {}): ModernRequest => ({ id: name, method: "tools/call", params: { name, arguments: args } })

layer(sharedBroker(echoChild), { excludeTestServices: true })("black-box cases of the stateless era, over a child that tells all", (it) => {
  it.effect("case 21: progress goes to its own call, under the client's token: two clients, one of them twice, with the same id and token", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const other = yield* broker.signIn(ben)
      const callers = [["a", client], ["b", other], ["c", client]] as const
      const answers = yield* Effect.forEach(callers, ([nonce, who]) => send(broker, who, work(nonce, 3, 20, "same")), { concurrency: "unbounded" })
      for (const [n, answer] of answers.entries()) {
        const nonce = callers[n]?.[0]
        assert.deepStrictEqual([answer.status, answer.headers.get("content-type"), answer.headers.get("x-accel-buffering")], [200, "text/event-stream", "no"])
        const progress = [1, 2, 3].map((step) => ({ progressToken: "same", progress: step, total: 3, message: nonce }))
        // No log messages: they have not been asked for.
        assert.deepStrictEqual(messages(answer).map(({ id, params }) => params ?? id), [...progress, "same"])
        assert.strictEqual((textOf(answer) as { readonly nonce: string }).nonce, nonce)
        assert.notMatch(answer.text, /^(id|retry):/m)
      }
    }))

  it.effect("case 22: a client that hangs up has cancelled, and only what it asked; a legacy one has not", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const open = (request: ModernRequest) => {
        const { headers, message } = modern(request)
        return openStream(broker.mcpUrl, broker.init(client, message, { headers }))
      }
      const left = yield* open(work("left", 1000, 20, "t"))
      yield* Effect.orDie(left.until("\"message\":\"left\""))
      const stays = yield* open(work("stays", 5, 50, "t"))
      yield* Effect.orDie(stays.until("\"message\":\"stays\""))
      left.hangUp()
      assert.isTrue(textOf(yield* send(broker, client, tool("cancelled", { nonce: "left" }))))
      assert.include(yield* Effect.orDie(stays.until("\"id\":\"same\"")), "\\\"nonce\\\":\\\"stays\\\"")

      const session = yield* broker.open(client)
      const legacy = (id: string, name: string, args: unknown) => rpc(id, "tools/call", { name, arguments: args, _meta: { progressToken: "t" } })
      const hungUp = yield* openStream(broker.mcpUrl, broker.init(client, legacy("l", "work", { nonce: "legacy", steps: 10, pause: 20 }), { session }))
      yield* Effect.orDie(hungUp.until("\"message\":\"legacy\""))
      hungUp.hangUp()
      yield* broker.post(client, legacy("w", "work", { nonce: "longer", steps: 0, pause: 500 }), { session })
      const seen = textOf(yield* broker.post(client, legacy("s", "seen", {}), { session })) as ReadonlyArray<Seen>
      assert.deepStrictEqual(seen.filter(({ method }) => method === "notifications/cancelled"), [])
      yield* broker.delete(client, session)
    }))
})

it.scopedLive("case 23: subscriptions/listen: what was asked for and is there, under the subscription's id; a last result when the broker stops", () =>
  Effect.gen(function*() {
    const broker = yield* testBroker(echoChild)
    const client = yield* broker.signIn()
    const notifications = { toolsListChanged: true, promptsListChanged: true }
    const { headers, message } = modern({ id: 7, method: "subscriptions/listen", params: { notifications } })
    const stream = yield* openStream(broker.mcpUrl, broker.init(client, message, { headers }))
    assert.deepStrictEqual([stream.status, stream.headers.get("content-type"), stream.headers.get("x-accel-buffering")], [200, "text/event-stream", "no"])
    yield* Effect.orDie(stream.until("acknowledged"))
    const worked = yield* send(broker, client, { id: 8, method: "tools/call", params: { name: "work", arguments: { nonce: "n", steps: 0, pause: 0, changed: true } } })
    assert.notInclude(worked.text, "list_changed")
    const soFar = yield* Effect.orDie(stream.until("list_changed"))
    yield* broker.stop
    const all = messages({ status: 200, headers: stream.headers, text: soFar + (yield* Effect.orDie(stream.rest)) })
    assert.deepStrictEqual(all.map(({ method }) => method), ["notifications/subscriptions/acknowledged", "notifications/tools/list_changed", undefined])
    const [acknowledged, changed, last] = all as readonly [Rpc, Rpc, Rpc]
    assert.deepStrictEqual(acknowledged.params?.["notifications"], { toolsListChanged: true })
    assert.deepStrictEqual([acknowledged.params, changed.params, last.result].map((of) => metaOf(of)?.[subscriptionId]), [7, 7, 7])
    assert.deepStrictEqual([last.id, last.result?.["resultType"]], [7, "complete"])
  }))

it.scopedLive("case 25: a child that asks: refused where the client cannot be asked; else rounds, whose state is nobody else's and cannot be changed", () =>
  Effect.gen(function*() {
    const broker = yield* testBroker({ ...echoChild, childPreset: "custom", childInteractive: true })
    const client = yield* broker.signIn()
    const ask = (id: string, more: Readonly<Record<string, unknown>> = {}, capabilities: unknown = { elicitation: {} }): ModernRequest => ({
      id,
      method: "tools/call",
      params: { name: "ask", arguments: { nonce: "really?" }, ...more },
      capabilities
    })
    const without = yield* send(broker, client, ask("without", {}, {}))
    assert.deepStrictEqual([without.status, textOf(without)], [200, { refused: -32021 }], "a child that can do without the answer")
    const cannot = yield* send(broker, client, ask("none", { arguments: { nonce: "really?", mustKnow: true } }, {}))
    assert.deepStrictEqual(shape(cannot), [400, -32021, "none"])
    assert.property((response(cannot).error as unknown as { readonly data: { readonly requiredCapabilities: unknown } }).data.requiredCapabilities, "elicitation")
    const first = yield* send(broker, client, ask("first"))
    const { inputRequests, requestState, resultType } = resultOf(first) as { readonly inputRequests: Readonly<Record<string, Rpc>>; readonly requestState: string; readonly resultType: string }
    const [key = "", question] = Object.entries(inputRequests)[0] ?? []
    assert.deepStrictEqual([resultType, question?.method, question?.params?.["message"]], ["input_required", "elicitation/create", "really?"])
    assert.notProperty(question, "id")
    const inputResponses = { [key]: { action: "accept", content: { answer: "yes" } } }
    const other = yield* broker.signIn(ben)
    const changed = `${requestState.slice(0, -2)}${requestState.endsWith("AA") ? "BB" : "AA"}`
    const refusals = [
      yield* send(broker, client, ask("tampered", { inputResponses, requestState: changed })),
      yield* send(broker, other, ask("foreign", { inputResponses, requestState })),
      yield* send(broker, client, { ...ask("other call", { inputResponses, requestState, arguments: { nonce: "other" } }) })
    ]
    assert.deepStrictEqual(refusals.map((answer) => [response(answer).error?.code, response(answer).id]), [[-32602, "tampered"], [-32602, "foreign"], [-32602, "other call"]])
    const done = yield* send(broker, client, ask("second", { inputResponses, requestState }))
    assert.deepStrictEqual([response(done).id, resultOf(done)["resultType"], textOf(done)], ["second", "complete", { result: { action: "accept", content: { answer: "yes" } } }])
    const again = yield* send(broker, client, ask("again", { inputResponses, requestState }))
    assert.strictEqual(response(again).error?.code, -32602)
  }))
