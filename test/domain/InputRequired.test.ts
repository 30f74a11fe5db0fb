import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import type { Ask, AskMethod, AskRefused } from "../../src/domain/InputRequired.ts"
import {
  askOf,
  declares,
  digestOf,
  inputRequiredResult,
  isWellFormed,
  keysFor,
  needs,
  readResponses,
  urlElicitations
} from "../../src/domain/InputRequired.ts"
import type { JsonObject } from "../../src/domain/JsonRpc.ts"

const form = { message: "Who?", requestedSchema: { type: "object", properties: { name: { type: "string" } } } }
const url = { mode: "url", message: "Visit", url: "https://x.example/a", elicitationId: "e1" }
const sampling = { messages: [{ role: "user", content: { type: "text", text: "?" } }], maxTokens: 10 }
const accepted = (either: Either.Either<Ask, AskRefused>): Ask => Either.getOrThrowWith(either, ({ message }) => new Error(message))
const ask = (method: string, params?: JsonObject) => askOf({ method, params })
const plain = (method: AskMethod, key?: string) => ({ method, key })

describe("a question of the child", () => {
  it("is stripped of what 2026-07-28 does not know, and keeps the rest", () => {
    const _meta = { "bridge/inputKey": "user_name", progressToken: 1, "io.modelcontextprotocol/related-task": {}, "v/x": 1 }
    assert.deepStrictEqual(accepted(ask("elicitation/create", { ...form, task: { ttl: 1 }, elicitationId: "e", _meta })), {
      key: "user_name",
      method: "elicitation/create",
      params: { ...form, _meta: { "v/x": 1 } }
    })
    assert.deepStrictEqual(accepted(ask("elicitation/create", url)).params, { mode: "url", message: "Visit", url: "https://x.example/a" })
    assert.deepStrictEqual(accepted(ask("sampling/createMessage", { ...sampling, _meta: { progressToken: 1 } })).params, sampling)
    assert.deepStrictEqual(accepted(ask("roots/list")), { key: undefined, method: "roots/list", params: {} })
    assert.deepStrictEqual(accepted(ask("roots/list", { _meta: "x" })).params, {})
  })

  it("may name its key, in 1 to 64 characters", () => {
    const key = (hint: unknown) => accepted(ask("roots/list", { _meta: { "bridge/inputKey": hint } })).key
    assert.strictEqual(key("k"), "k")
    assert.strictEqual(key("k".repeat(64)), "k".repeat(64))
    for (const hint of ["", "k".repeat(65), 1, null, {}, "__proto__"]) assert.isUndefined(key(hint))
  })

  it.each<[string, JsonObject | undefined, number, RegExp]>([
    ["ping", undefined, -32601, /cannot be asked "ping"/],
    ["constructor", undefined, -32601, /cannot be asked/],
    ["elicitation/create", undefined, -32602, /"message"/],
    ["elicitation/create", { message: "m" }, -32602, /"requestedSchema"/],
    ["elicitation/create", { message: "m", mode: "form" }, -32602, /"requestedSchema"/],
    ["elicitation/create", { message: "m", mode: "url" }, -32602, /"url"/],
    ["elicitation/create", { ...form, mode: "voice" }, -32602, /"mode"/],
    ["sampling/createMessage", { maxTokens: 1 }, -32602, /"messages"/],
    ["sampling/createMessage", { messages: [], maxTokens: "1" }, -32602, /"maxTokens"/]
  ])("is refused where no client could answer it: %s %j", (method, params, code, sentence) => {
    const either = ask(method, params)
    const refused = Either.isLeft(either) ? either.left : assert.fail("it was accepted")
    assert.strictEqual(refused.code, code)
    assert.match(refused.message, sentence)
  })
})

describe("the client's capabilities", () => {
  const needed = (method: AskMethod, params: JsonObject = {}) => needs({ method, params })

  it("that a question needs", () => {
    assert.deepStrictEqual(needed("elicitation/create", form), { elicitation: {} })
    assert.deepStrictEqual(needed("elicitation/create", url), { elicitation: { url: {} } })
    assert.deepStrictEqual(needed("sampling/createMessage", sampling), { sampling: {} })
    assert.deepStrictEqual(needed("sampling/createMessage", { ...sampling, tools: [] }), { sampling: { tools: {} } })
    assert.deepStrictEqual(needed("sampling/createMessage", { ...sampling, toolChoice: { mode: "auto" } }), { sampling: { tools: {} } })
    assert.deepStrictEqual(needed("roots/list"), { roots: {} })
  })

  it.each<[JsonObject, JsonObject, boolean]>([
    [{}, { elicitation: {} }, false],
    [{ elicitation: {} }, { elicitation: {} }, true],
    [{ elicitation: { form: {} } }, { elicitation: {} }, true],
    [{ elicitation: { url: {} } }, { elicitation: {} }, false],
    [{ elicitation: { form: {}, url: {} } }, { elicitation: {} }, true],
    [{ elicitation: {} }, { elicitation: { url: {} } }, false],
    [{ elicitation: { url: {} } }, { elicitation: { url: {} } }, true],
    [{ elicitation: { url: true } }, { elicitation: { url: {} } }, false],
    [{ elicitation: true }, { elicitation: {} }, false],
    [{ sampling: {} }, { sampling: {} }, true],
    [{ sampling: {} }, { sampling: { tools: {} } }, false],
    [{ sampling: { tools: {} } }, { sampling: { tools: {} } }, true],
    [{ sampling: {} }, { elicitation: {} }, false],
    [{ roots: {} }, { roots: {} }, true],
    [{ roots: [] }, { roots: {} }, false],
    [{}, { constructor: {} }, false],
    [{ roots: {} }, { roots: {}, sampling: {} }, false]
  ])("%j cover %j: %s", (capabilities, wanted, covered) => {
    assert.strictEqual(declares(capabilities, wanted), covered)
  })
})

describe("the keys of the questions", () => {
  it("are the child's, else named by kind and number", () => {
    const asks = [plain("elicitation/create", "user_name"), plain("sampling/createMessage"), plain("roots/list"), plain("elicitation/create"), plain("elicitation/create")]
    assert.deepStrictEqual(keysFor(asks), ["user_name", "sampling_1", "roots_1", "elicitation_1", "elicitation_2"])
    assert.deepStrictEqual(keysFor([plain("roots/list", "k"), plain("roots/list", "k"), plain("roots/list", "k_2")]), ["k", "k_2", "k_2_2"])
    assert.deepStrictEqual(keysFor([plain("elicitation/create")], new Set(["elicitation_1"])), ["elicitation_2"])
  })

  it("all differ, whatever the hints", () => {
    const hint = fc.option(fc.constantFrom("a", "a_2", "elicitation_1", "roots_2", "toString"), { nil: undefined })
    const method = fc.constantFrom<AskMethod>("elicitation/create", "sampling/createMessage", "roots/list")
    fc.assert(fc.property(fc.array(fc.record({ key: hint, method })), fc.uniqueArray(fc.constantFrom("a", "roots_1", "a_2")), (asks, taken) => {
      const keys = keysFor(asks, new Set(taken))
      assert.lengthOf(keys, asks.length)
      assert.strictEqual(new Set([...keys, ...taken]).size, asks.length + taken.length)
    }))
  })
})

describe("a result that asks for input", () => {
  it("has the questions by key without ids, the state, and no cache fields", () => {
    const serverInfo = { name: "s", version: "1" }
    const asks = new Map([["user_name", accepted(ask("elicitation/create", form))], ["__proto__", accepted(ask("roots/list"))]])
    assert.strictEqual(
      JSON.stringify(inputRequiredResult(asks, "sealed", { serverInfo })),
      `{"resultType":"input_required","inputRequests":{"user_name":{"method":"elicitation/create","params":${JSON.stringify(form)}},` +
        `"__proto__":{"method":"roots/list","params":{}}},"requestState":"sealed","_meta":{"io.modelcontextprotocol/serverInfo":${JSON.stringify(serverInfo)}}}`
    )
    assert.notProperty(inputRequiredResult(asks, undefined, {}), "requestState")
  })
})

describe("the client's answers", () => {
  it("are an object by key, and nothing else", () => {
    const read = (value: unknown) => Either.getOrThrowWith(readResponses(value), (sentence) => new Error(sentence))
    assert.deepStrictEqual(read({ a: 1, b: null }), new Map<string, unknown>([["a", 1], ["b", null]]))
    assert.isUndefined(read({}).get("constructor"))
    assert.deepStrictEqual([...read(JSON.parse("{\"__proto__\": {\"a\": 1}}")).keys()], ["__proto__"])
    for (const value of [undefined, null, [], "x", 1]) {
      const either = readResponses(value)
      assert.match(Either.isLeft(either) ? either.left : "it was accepted", /params\.inputResponses must be an object/)
    }
  })

  const text = { type: "text", text: "Paris" }
  it.each<[AskMethod, unknown, boolean]>([
    ["elicitation/create", { action: "accept", content: { name: "Alice" } }, true],
    ["elicitation/create", { action: "accept" }, true],
    ["elicitation/create", { action: "decline" }, true],
    ["elicitation/create", { action: "cancel" }, true],
    ["elicitation/create", { action: "agree" }, false],
    ["elicitation/create", { action: "accept", content: [] }, false],
    ["elicitation/create", { action: "accept", content: null }, false],
    ["elicitation/create", {}, false],
    ["sampling/createMessage", { role: "assistant", content: text, model: "m", stopReason: "endTurn" }, true],
    ["sampling/createMessage", { role: "assistant", content: [text, text], model: "m" }, true],
    ["sampling/createMessage", { role: "system", content: text, model: "m" }, false],
    ["sampling/createMessage", { role: "assistant", content: "Paris", model: "m" }, false],
    ["sampling/createMessage", { role: "assistant", content: [text, {}], model: "m" }, false],
    ["sampling/createMessage", { role: "assistant", content: text }, false],
    ["sampling/createMessage", { role: "assistant", model: "m" }, false],
    ["roots/list", { roots: [{ uri: "file:///a", name: "A" }] }, true],
    ["roots/list", { roots: [] }, true],
    ["roots/list", { roots: [{ name: "A" }] }, false],
    ["roots/list", { roots: {} }, false],
    ["roots/list", {}, false]
  ])("to %s %j are well-formed: %s", (method, response, good) => {
    assert.strictEqual(isWellFormed(method, response), good)
  })

  it("that are no object are never well-formed", () => {
    for (const method of ["elicitation/create", "sampling/createMessage", "roots/list"] as const) {
      for (const response of [undefined, null, 12345, "accept", [], [{ action: "accept" }]]) assert.isFalse(isWellFormed(method, response))
    }
  })
})

describe("a child's error -32042", () => {
  const error = (elicitations: unknown, code = -32042) => ({ code, message: "m", data: { elicitations } })

  it("asks the user to visit its URLs", () => {
    const { elicitationId: _id, ...cleaned } = url
    assert.deepStrictEqual(urlElicitations(error([url, { ...url, elicitationId: "e2" }])), [
      { key: undefined, method: "elicitation/create", params: cleaned },
      { key: undefined, method: "elicitation/create", params: cleaned }
    ])
  })

  it("asks nothing where it is another error, or not whole", () => {
    for (const other of [undefined, null, "x", { code: -32042 }, { code: -32042, data: [] }, error([url], -32603), error([]), error(url), error([url, form]), error([url, null]), error([{ ...url, url: 1 }])]) {
      assert.isUndefined(urlElicitations(other))
    }
  })
})

describe("the digest of a call", () => {
  const shuffled = (value: unknown): unknown =>
    Array.isArray(value) ? value.map(shuffled) : typeof value === "object" && value !== null
      ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shuffled(inner)] as const).reverse())
      : value
  const json = fc.dictionary(fc.oneof(fc.string(), fc.constantFrom("__proto__", "a,b", "1", "10", "2")), fc.jsonValue({ maxDepth: 4 }))
    .map((value) => JSON.parse(JSON.stringify(value)) as JsonObject)

  it("is the same whatever the order of members, and for a retry", () => {
    assert.match(digestOf("tools/call", { name: "t" }), /^[0-9a-f]{64}$/)
    fc.assert(fc.property(json, (params) => {
      const retry = { inputResponses: { a: 1 }, requestState: "s", _meta: { x: 1 }, ...shuffled({ ...params, _meta: 0, inputResponses: 0, requestState: 0 }) as JsonObject }
      assert.strictEqual(digestOf("m", params), digestOf("m", retry))
    }))
    assert.strictEqual(digestOf("m", { a: "b,c", "a,b": "c" }), digestOf("m", { "a,b": "c", a: "b,c" }))
    assert.strictEqual(digestOf("m", undefined), digestOf("m", {}))
  })

  it("differs for what differs", () => {
    const calls: ReadonlyArray<readonly [string, JsonObject]> = [
      ["tools/call", { name: "t" }],
      ["prompts/get", { name: "t" }],
      ["tools/call", { name: "u" }],
      ["tools/call", { name: "t", arguments: {} }],
      ["tools/call", { name: "t", arguments: { _meta: 1 } }],
      ["tools/call", { name: "t", arguments: { requestState: "s" } }],
      ["tools/call", { name: "t", arguments: { a: [1, 2] } }],
      ["tools/call", { name: "t", arguments: { a: [2, 1] } }],
      ["tools/call", { name: "t", arguments: { a: "1" } }],
      ["tools/call", { name: "t", arguments: { a: 1 } }],
      ["tools/call", { name: "t", arguments: JSON.parse("{\"__proto__\": {\"a\": 1}}") as unknown }]
    ]
    assert.strictEqual(new Set(calls.map(([method, params]) => digestOf(method, params))).size, calls.length)
  })

  it("is made for parameters as deep as a request may be, and much deeper", () => {
    let deep: unknown = 1
    for (let level = 0; level < 500; level++) deep = { deep }
    assert.match(digestOf("m", { deep }), /^[0-9a-f]{64}$/)
  })
})
