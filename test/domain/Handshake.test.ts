import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import type { Handshake } from "../../src/domain/Handshake.ts"
import { after, changeOf, initializeRequest, isCompatible, isKept, listsThatMayHaveChanged, missing, replayOf } from "../../src/domain/Handshake.ts"
import type { JsonObject, Notification, Request } from "../../src/domain/JsonRpc.ts"

const empty: Handshake = {
  initializeParams: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "c", version: "1" } },
  told: {},
  logLevel: undefined,
  subscriptions: []
}
const request = (method: string, params?: JsonObject): Request => ({ _tag: "Request", id: 7, method, params })
const notification = (method: string, params?: JsonObject): Notification => ({ _tag: "Notification", method, params })
const result = (changes: JsonObject = {}): JsonObject => ({
  protocolVersion: "2025-06-18",
  serverInfo: { name: "forgejo-mcp", version: "1.0.0" },
  capabilities: { tools: { listChanged: true }, prompts: { listChanged: false }, logging: {} },
  ...changes
})
const withCapabilities = (capabilities: unknown) => result({ capabilities })

describe("a client can go on with another child", () => {
  it("that answers the same, whatever it is", () => {
    const json = fc.dictionary(fc.string(), fc.jsonValue()).map((any) => JSON.parse(JSON.stringify(any)) as JsonObject)
    fc.assert(fc.property(json, (capabilities) => assert.isTrue(isCompatible(withCapabilities(capabilities), withCapabilities(capabilities)))))
    assert.isTrue(isCompatible({}, {}))
  })

  it("of another version and with other instructions, but not with another protocol version or server", () => {
    assert.isTrue(isCompatible(result(), result({ serverInfo: { name: "forgejo-mcp", version: "2.0.0", title: "new" }, instructions: "other" })))
    assert.isFalse(isCompatible(result(), result({ protocolVersion: "2025-11-25" })))
    assert.isFalse(isCompatible(result(), result({ serverInfo: { name: "gitea-mcp", version: "1.0.0" } })))
    assert.isFalse(isCompatible(result(), result({ serverInfo: undefined })))
    assert.isFalse(isCompatible(result(), {}))
  })

  const capability = fc.record({ listChanged: fc.boolean(), subscribe: fc.boolean() }, { requiredKeys: [] })
  const capabilities = fc.dictionary(fc.constantFrom("tools", "prompts", "resources", "logging", "completions"), capability)

  it("that can do more, and not with one that can do less", () => {
    fc.assert(fc.property(capabilities, capabilities, (told, found) => {
      const lacks = Object.entries(told).some(([name, flags]) =>
        !(name in found) || Object.entries(flags).some(([flag, value]) => value && found[name]?.[flag as keyof typeof flags] !== true))
      assert.strictEqual(isCompatible(withCapabilities(told), withCapabilities(found)), !lacks)
    }))
  })

  it.each<[string, unknown, unknown, boolean]>([
    ["a capability gone", { tools: {}, prompts: {} }, { tools: {} }, false],
    ["all of them gone", { tools: {} }, undefined, false],
    ["none where none were told", undefined, {}, true],
    ["some where none were told", undefined, { tools: {} }, true],
    ["a flag gone", { resources: { subscribe: true } }, { resources: {} }, false],
    ["a flag that became false", { resources: { subscribe: true } }, { resources: { subscribe: false } }, false],
    ["a flag that became true", { resources: { subscribe: false } }, { resources: { subscribe: true } }, true],
    ["a flag that was false gone", { resources: { subscribe: false } }, { resources: {} }, true],
    ["a capability that became a bare word", { tools: {} }, { tools: true }, false],
    ["a capability that became a list", { tools: {} }, { tools: [] }, false],
    ["a flag gone far inside", { experimental: { a: { b: { c: true } } } }, { experimental: { a: { b: {} } } }, false],
    ["more far inside", { experimental: { a: { b: {} } } }, { experimental: { a: { b: { c: true } } } }, true],
    ["another number", { experimental: { limit: 5 } }, { experimental: { limit: 4 } }, false],
    ["another list", { experimental: { kinds: ["a", "b"] } }, { experimental: { kinds: ["a"] } }, false]
  ])("with %s: %j told, %j found: %s", (_, told, found, isFine) => {
    assert.strictEqual(isCompatible(withCapabilities(told), withCapabilities(found)), isFine)
  })
})

describe("list_changed", () => {
  const newer = result({ serverInfo: { name: "forgejo-mcp", version: "1.0.1" } })

  it("is sent for those lists whose changes the client was told to hear of, where the version differs", () => {
    const told = withCapabilities({ tools: { listChanged: true }, prompts: { listChanged: false }, resources: { listChanged: true, subscribe: true }, logging: { listChanged: true } })
    assert.deepStrictEqual(listsThatMayHaveChanged(told, newer).map((line) => JSON.parse(line) as unknown), [
      { jsonrpc: "2.0", method: "notifications/tools/list_changed" },
      { jsonrpc: "2.0", method: "notifications/resources/list_changed" }
    ])
  })

  it("is not sent where the version is the same, whatever else differs", () => {
    assert.deepStrictEqual(listsThatMayHaveChanged(result(), result({ instructions: "other", serverInfo: { name: "forgejo-mcp", version: "1.0.0", title: "t" } })), [])
  })

  it("is not sent for what only the new child declares", () => {
    assert.deepStrictEqual(listsThatMayHaveChanged(withCapabilities({ tools: {} }), { ...newer, capabilities: { tools: { listChanged: true } } }), [])
    assert.deepStrictEqual(listsThatMayHaveChanged(withCapabilities(undefined), newer), [])
    assert.deepStrictEqual(listsThatMayHaveChanged(withCapabilities({ tools: true }), newer), [])
  })
})

/** What is left of the handshake once a child has granted a request. */
const granted = (handshake: Handshake, asked: Request): Handshake => {
  const change = changeOf(asked)
  return change === undefined ? handshake : after(handshake, change)
}
/** What is kept for the next child of what a client notifies while there is none. */
const kept = (said: ReadonlyArray<Notification>) => said.filter(isKept).reduce<ReadonlyArray<Notification>>(missing, [])

describe("what a new child hears again", () => {
  const subscribe = (uri: unknown) => request("resources/subscribe", { uri })
  const unsubscribe = (uri: unknown) => request("resources/unsubscribe", { uri })

  it("begins with the client's own initialize", () => {
    assert.deepStrictEqual(initializeRequest(empty), { _tag: "Request", id: 0, method: "initialize", params: empty.initializeParams })
  })

  it("is nothing more where the client has asked for nothing that stays", () => {
    const asked = [request("tools/call", { name: "a", uri: "u", level: "debug" }), request("resources/read", { uri: "u" }), request("tools/list")]
    assert.strictEqual(asked.reduce(granted, empty), empty)
    assert.deepStrictEqual(replayOf(empty), [])
  })

  it("is the last log level, and each subscription that was not taken back, once", () => {
    const asked = [subscribe("a"), request("logging/setLevel", { level: "debug" }), subscribe("b"), subscribe("c"), unsubscribe("b"), subscribe("a"), request("logging/setLevel", { level: "error" })]
    assert.deepStrictEqual(replayOf(asked.reduce(granted, empty)).map(({ method, params }) => [method, params]), [
      ["logging/setLevel", { level: "error" }],
      ["resources/subscribe", { uri: "a" }],
      ["resources/subscribe", { uri: "c" }]
    ])
  })

  it("has the subscriptions that are open, in any history", () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), fc.constantFrom("a", "b", "c", "d")), { maxLength: 30, size: "max" }), (history) => {
      const open = new Set<string>()
      let handshake = empty
      for (const [isOn, uri] of history) {
        handshake = granted(handshake, isOn ? subscribe(uri) : unsubscribe(uri))
        if (isOn) open.add(uri)
        else open.delete(uri)
      }
      assert.deepStrictEqual([...handshake.subscriptions].sort(), [...open].sort())
    }))
  })

  it("has no more than 256 subscriptions, the newest ones", () => {
    const { subscriptions } = Array.from({ length: 300 }, (_, n) => subscribe(`u${n}`)).reduce(granted, empty)
    assert.deepStrictEqual([subscriptions.length, subscriptions[0], subscriptions.at(-1)], [256, "u44", "u299"])
  })

  it("is the same object where a request changes nothing that is kept, so that nothing is written", () => {
    const before = [subscribe("a"), subscribe("b"), request("logging/setLevel", { level: "info" })].reduce(granted, empty)
    const levels = ["info", "loud", "x".repeat(4_000_000), 3, undefined].map((level) => request("logging/setLevel", { level }))
    for (const again of [subscribe("a"), unsubscribe("z"), subscribe(5), subscribe(undefined), subscribe("u".repeat(2049)), ...levels, request("logging/setLevel")]) {
      assert.strictEqual(granted(before, again), before, JSON.stringify(again).slice(0, 100))
    }
  })
})

describe("what a client notified while there was no child", () => {
  it("is kept in its order, without what speaks of requests that are gone", () => {
    const roots = notification("notifications/roots/list_changed")
    const own = notification("notifications/x", { a: 1 })
    const said = [
      notification("notifications/initialized"), roots, notification("notifications/cancelled", { requestId: 1 }), own,
      notification("notifications/progress", { progressToken: 1, progress: 1 })
    ]
    assert.deepStrictEqual(kept(said), [roots, own])
  })

  it("is bounded in number, the newest stay, and in length", () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.nat(100), fc.nat(6000)), { maxLength: 40, size: "max" }), (lengths) => {
      const said = lengths.map((length, n) => notification("notifications/x", { n, text: "x".repeat(length) }))
      const short = said.filter((one) => JSON.stringify({ jsonrpc: "2.0", method: one.method, params: one.params }).length <= 4096)
      assert.deepStrictEqual(kept(said), short.slice(-16))
    }))
  })
})
