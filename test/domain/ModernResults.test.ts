import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import type { JsonObject } from "../../src/domain/JsonRpc.ts"
import type { Refused } from "../../src/domain/ModernEnvelope.ts"
import { completeResult, modernAnswer, modernError } from "../../src/domain/ModernResults.ts"

const serverInfo = { name: "s", version: "1" }
const told = { serverInfo }
const meta = { "io.modelcontextprotocol/serverInfo": serverInfo }
const once = { retried: false }
const complete = (method: string, result: unknown, options = once): JsonObject =>
  Either.getOrThrowWith(completeResult(method, result, told, options), ({ message }) => new Error(message))
const call = { method: "tools/call", params: { name: "t" } }

describe("a child's result for 2026-07-28", () => {
  it("says that it is complete and who made it, and keeps all else", () => {
    assert.deepStrictEqual(complete("tools/call", { content: [{ type: "text", text: "x" }], isError: true, _meta: { "v/x": 1 } }), {
      content: [{ type: "text", text: "x" }],
      isError: true,
      resultType: "complete",
      _meta: { "v/x": 1, ...meta }
    })
  })

  it("is what the broker says it is, whatever the child says", () => {
    const claimed = { resultType: "input_required", cacheScope: "public", ttlMs: 9e9, tools: [] }
    assert.deepStrictEqual(complete("tools/list", claimed), { tools: [], resultType: "complete", ttlMs: 300_000, cacheScope: "private", _meta: meta })
    const other = { "io.modelcontextprotocol/serverInfo": { name: "other", version: "9" }, "io.modelcontextprotocol/related-task": { taskId: "1" } }
    assert.deepStrictEqual(complete("tools/call", { content: [], _meta: other })._meta, meta)
  })

  it("says nothing of caching where it must not be kept, whatever the child says", () => {
    for (const method of ["tools/call", "prompts/get", "completion/complete"]) {
      for (const options of [once, { retried: true }]) {
        assert.deepStrictEqual(complete(method, { content: [], cacheScope: "public", ttlMs: 9e9 }, options), { content: [], resultType: "complete", _meta: meta })
      }
    }
  })

  it.each([
    ["tools/list", 300_000, 0],
    ["prompts/list", 300_000, 0],
    ["resources/list", 300_000, 0],
    ["resources/templates/list", 300_000, 0],
    ["resources/read", 0, 0],
    ["tools/call", undefined, undefined],
    ["prompts/get", undefined, undefined],
    ["completion/complete", undefined, undefined]
  ])("of %s may be kept %s ms, after a retry %s", (method, fresh, retried) => {
    for (const [ttlMs, options] of [[fresh, once], [retried, { retried: true }]] as const) {
      const result = complete(method, {}, options)
      assert.strictEqual(result.ttlMs, ttlMs)
      assert.strictEqual(result.cacheScope, ttlMs === undefined ? undefined : "private")
    }
  })

  it("lists no tool that needs a task, nothing about tasks, and the annotations for headers as they are, in the child's order", () => {
    const inputSchema = { type: "object", properties: { r: { type: "string", "x-mcp-header": "R" } } }
    const tools = [
      { name: "z", inputSchema },
      { name: "needs", inputSchema, execution: { taskSupport: "required" } },
      { name: "may", inputSchema, execution: { taskSupport: "optional" } },
      { name: "odd", inputSchema, execution: null },
      null
    ]
    assert.deepStrictEqual(complete("tools/list", { tools, nextCursor: "c" }), {
      tools: [{ name: "z", inputSchema }, { name: "may", inputSchema }, { name: "odd", inputSchema }, null],
      nextCursor: "c",
      resultType: "complete",
      ttlMs: 300_000,
      cacheScope: "private",
      _meta: meta
    })
    assert.deepStrictEqual(complete("tools/call", { tools }).tools, tools)
    assert.deepStrictEqual(complete("tools/list", { tools: "none" }).tools, "none")
  })

  it("is an internal error where it is no object", () => {
    for (const result of [undefined, null, [], "x", 1]) {
      const either = completeResult("tools/call", result, told, once)
      assert.isTrue(Either.isLeft(either))
      if (Either.isLeft(either)) assert.deepInclude(either.left, { status: 200, code: -32603 })
    }
  })

  it("replaces a _meta that is no object, and names nobody where the child did not", () => {
    assert.deepStrictEqual(complete("tools/call", { _meta: "x" })._meta, meta)
    assert.deepStrictEqual(Either.getOrThrow(completeResult("tools/call", {}, {}, once))._meta, {})
  })

  it("whatever it is, loses nothing but what is replaced, and moves no prototype", () => {
    const key = fc.oneof(fc.string(), fc.constantFrom("__proto__", "constructor", "tools"))
    const json = fc.jsonValue().map((value): unknown => JSON.parse(JSON.stringify(value)))
    fc.assert(fc.property(fc.array(fc.tuple(key, json)), (entries) => {
      const result = Object.fromEntries(entries.filter(([name]) => name !== "resultType" && name !== "_meta"))
      const { _meta, resultType, ...rest } = complete("prompts/get", result)
      assert.strictEqual(JSON.stringify(rest), JSON.stringify(result))
      assert.strictEqual(resultType, "complete")
      assert.deepStrictEqual(_meta, meta)
      assert.strictEqual(Object.getPrototypeOf(rest), Object.prototype)
    }))
  })
})

describe("a child's error for 2026-07-28", () => {
  it.each<[number, unknown, number, Refused["status"]]>([
    [-32601, undefined, -32601, 404],
    [-32602, { a: 1 }, -32602, 200],
    [-32603, undefined, -32603, 200],
    [-32600, undefined, -32600, 200],
    [-32000, undefined, -32000, 200],
    [-32019, undefined, -32019, 200],
    [-32020, undefined, -32603, 200],
    [-32021, { requiredCapabilities: { sampling: {} } }, -32021, 400],
    [-32021, { requiredCapabilities: ["sampling"] }, -32603, 200],
    [-32021, undefined, -32603, 200],
    [-32022, undefined, -32603, 200],
    [-32042, { elicitations: [] }, -32603, 200],
    [-32099, undefined, -32603, 200],
    [-32100, undefined, -32100, 200],
    [1, undefined, 1, 200]
  ])("%s with %j is %s, HTTP %s; the sentence and the data stay", (code, data, becomes, status) => {
    const expected = { status, code: becomes, message: "m", ...(data === undefined ? {} : { data }) }
    assert.deepStrictEqual(modernError(call, { code, message: "m", ...(data === undefined ? {} : { data }) }), expected)
  })

  it("about a resource that is not there is invalid parameters, with its URI", () => {
    const read = { method: "resources/read", params: { uri: "test://a" } }
    assert.deepStrictEqual(modernError(read, { code: -32002, message: "gone" }), { status: 200, code: -32602, message: "gone", data: { uri: "test://a" } })
    assert.deepStrictEqual(modernError(read, { code: -32002, message: "gone", data: { uri: "other", hint: 1 } }).data, { uri: "test://a", hint: 1 })
    assert.deepStrictEqual(modernError(call, { code: -32002, message: "gone", data: "d" }), { status: 200, code: -32602, message: "gone", data: "d" })
  })

  it("that is not JSON-RPC is an internal error that says so", () => {
    for (const error of [undefined, null, "x", [], {}, { code: "1", message: "m" }, { code: 1 }, { code: 1.5, message: "m" }, { code: 1, message: {} }]) {
      const { code, message, status } = modernError(call, error)
      assert.deepStrictEqual([status, code], [200, -32603])
      assert.match(message, /error that is not JSON-RPC/)
    }
  })
})

describe("the whole answer", () => {
  it("has the client's id in its own type, and the status that goes with it", () => {
    const ok = modernAnswer("7", call, { result: { content: [] } }, told, once)
    assert.deepStrictEqual([ok.status, JSON.parse(ok.line)], [200, { jsonrpc: "2.0", id: "7", result: { content: [], resultType: "complete", _meta: meta } }])
    const unknown = modernAnswer(7, call, { error: { code: -32601, message: "no" } }, told, once)
    assert.deepStrictEqual([unknown.status, JSON.parse(unknown.line)], [404, { jsonrpc: "2.0", id: 7, error: { code: -32601, message: "no" } }])
  })

  it("is an error where the child's nests deeper than the stack reaches", () => {
    const deep = JSON.parse("[".repeat(200_000) + "]".repeat(200_000)) as unknown
    for (const body of [{ result: { deep } }, { error: { code: 1, message: "m", data: deep } }]) {
      const { line, status } = modernAnswer(1, call, body, told, once)
      assert.strictEqual(status, 200)
      assert.match(line, /"code":-32603,"message":"[^"]*\\"tools\/call\\" nests too deep/)
    }
  })
})
