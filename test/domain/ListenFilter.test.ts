import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import type { JsonObject, Notification } from "../../src/domain/JsonRpc.ts"
import type { ListenFilter } from "../../src/domain/ListenFilter.ts"
import { acknowledged, honoured, listenResult, readFilter, tagged, wants } from "../../src/domain/ListenFilter.ts"

const P = "io.modelcontextprotocol/"
const nothing: ListenFilter = { toolsListChanged: false, promptsListChanged: false, resourcesListChanged: false, resourceSubscriptions: [] }
const read = (notifications: unknown) => readFilter({ notifications } as JsonObject)
const filter = (notifications: unknown): ListenFilter => Either.getOrThrowWith(read(notifications), (sentence) => new Error(sentence))
const notification = (method: string, params?: JsonObject): Notification => ({ _tag: "Notification", method, params })
const updated = (uri: unknown) => notification("notifications/resources/updated", { uri })

describe("what a client wants to hear of", () => {
  it("is read, and unknown kinds are ignored", () => {
    assert.deepStrictEqual(filter({}), nothing)
    assert.deepStrictEqual(filter({ toolsListChanged: true, promptsListChanged: false, resourceSubscriptions: ["a:b", "a:b", "c:d"], later: {} }), {
      ...nothing,
      toolsListChanged: true,
      resourceSubscriptions: ["a:b", "c:d"]
    })
  })

  it.each<[string, unknown]>([
    ["no object", undefined],
    ["a list", []],
    ["a flag that is no boolean", { toolsListChanged: 1 }],
    ["a flag that is null", { resourcesListChanged: null }],
    ["URIs that are no list", { resourceSubscriptions: "a:b" }],
    ["a URI that is no string", { resourceSubscriptions: [1] }],
    ["an empty URI", { resourceSubscriptions: [""] }],
    ["a URI that is too long", { resourceSubscriptions: ["x".repeat(2049)] }],
    ["too many URIs", { resourceSubscriptions: Array.from({ length: 257 }, (_, at) => `a:${at}`) }]
  ])("is refused with %s, in a sentence that names the field", (_name, value) => {
    const either = read(value)
    assert.match(Either.isLeft(either) ? either.left : "it was accepted", /^params\.notifications/)
  })

  it("may be as much as the bounds allow, and the same URI twice counts once", () => {
    const uris = Array.from({ length: 256 }, (_, at) => `${at}`.padEnd(2048, "x"))
    assert.lengthOf(filter({ resourceSubscriptions: [...uris, ...uris] }).resourceSubscriptions, 256)
    assert.isTrue(Either.isLeft(readFilter(undefined)))
  })

  it("is honoured as far as the child can tell", () => {
    const all = filter({ toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true, resourceSubscriptions: ["a:b"] })
    assert.deepStrictEqual(honoured(all, {}), nothing)
    assert.deepStrictEqual(honoured(all, { tools: { listChanged: true }, prompts: {}, resources: { subscribe: true, listChanged: "yes" } }), {
      ...nothing,
      toolsListChanged: true,
      resourceSubscriptions: ["a:b"]
    })
    const everything = { tools: { listChanged: true }, prompts: { listChanged: true }, resources: { subscribe: true, listChanged: true } }
    assert.deepStrictEqual(honoured(all, everything), all)
    assert.deepStrictEqual(honoured(nothing, everything), nothing)
  })
})

describe("a notification of the child", () => {
  const flags = ["toolsListChanged", "promptsListChanged", "resourcesListChanged"] as const
  const methods = ["notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed"]

  it("is wanted by its kind, and no other is", () => {
    const anyFilter = fc.record({ toolsListChanged: fc.boolean(), promptsListChanged: fc.boolean(), resourcesListChanged: fc.boolean(), resourceSubscriptions: fc.constant([]) })
    fc.assert(fc.property(anyFilter, (asked) => {
      methods.forEach((method, at) => assert.strictEqual(wants(asked, notification(method)), flags[at] !== undefined && asked[flags[at]]))
      for (const method of ["notifications/message", "notifications/progress", "notifications/tasks/status", "notifications/constructor/list_changed", ""]) {
        assert.isFalse(wants(asked, notification(method)))
      }
      assert.isFalse(wants(asked, updated("a:b")))
    }))
  })

  it.each<[string, unknown, boolean]>([
    ["test://a", "test://a", true],
    ["test://a", "test://a/part", true],
    ["test://a", "test://a?x=1", true],
    ["test://a", "test://a#x", true],
    ["test://a/", "test://a/part", true],
    ["test://a", "test://ab", false],
    ["test://a/part", "test://a", false],
    ["test://a", "TEST://a", false],
    ["test://a", undefined, false],
    ["test://a", 1, false]
  ])("of an update is wanted by URI: %s hears of %s: %s", (subscribed, uri, wanted) => {
    assert.strictEqual(wants({ ...nothing, resourceSubscriptions: ["other:x", subscribed] }, updated(uri)), wanted)
    assert.isFalse(wants({ ...nothing, resourcesListChanged: true }, updated(uri)))
  })

  it("carries the id of its stream in the id's own type, and keeps what it has", () => {
    const line = tagged(notification("m", { uri: "a:b", _meta: { x: 1, [`${P}subscriptionId`]: "forged" } }), 7)
    assert.deepStrictEqual(JSON.parse(line ?? ""), { jsonrpc: "2.0", method: "m", params: { uri: "a:b", _meta: { x: 1, [`${P}subscriptionId`]: 7 } } })
    for (const params of [undefined, { _meta: "x" }]) {
      assert.deepStrictEqual(JSON.parse(tagged(notification("m", params), "7") ?? ""), { jsonrpc: "2.0", method: "m", params: { _meta: { [`${P}subscriptionId`]: "7" } } })
    }
  })

  it("that nests too deep to be written again is dropped", () => {
    const deep = JSON.parse("[".repeat(200_000) + "]".repeat(200_000)) as unknown
    assert.isUndefined(tagged(notification("m", { deep }), 1))
  })
})

describe("the first and the last message of a listening stream", () => {
  it("say what is honoured, and that it is over", () => {
    assert.deepStrictEqual(JSON.parse(acknowledged({ ...nothing, toolsListChanged: true, resourceSubscriptions: ["a:b"] }, "x")), {
      jsonrpc: "2.0",
      method: "notifications/subscriptions/acknowledged",
      params: { _meta: { [`${P}subscriptionId`]: "x" }, notifications: { toolsListChanged: true, resourceSubscriptions: ["a:b"] } }
    })
    assert.deepStrictEqual((JSON.parse(acknowledged(nothing, 0)) as { params: unknown }).params, { _meta: { [`${P}subscriptionId`]: 0 }, notifications: {} })
    const serverInfo = { name: "s", version: "1" }
    assert.deepStrictEqual(JSON.parse(listenResult(7, { serverInfo })), {
      jsonrpc: "2.0",
      id: 7,
      result: { resultType: "complete", _meta: { [`${P}subscriptionId`]: 7, [`${P}serverInfo`]: serverInfo } }
    })
  })
})
