import { assert, describe, it } from "@effect/vitest"
import { isAdvertised, mayAsk, modernMethods } from "../../src/domain/ModernMethods.ts"

const everything = { tools: {}, prompts: {}, resources: {}, completions: {}, logging: {} }

describe("the methods of 2026-07-28", () => {
  it("are ten", () => {
    assert.deepStrictEqual([...modernMethods].sort(), [
      "completion/complete",
      "prompts/get",
      "prompts/list",
      "resources/list",
      "resources/read",
      "resources/templates/list",
      "server/discover",
      "subscriptions/listen",
      "tools/call",
      "tools/list"
    ])
    for (const method of modernMethods) assert.isTrue(isAdvertised(method, everything), method)
  })

  it("do not include what went with the sessions, nor what nobody knows", () => {
    const removed = ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/list", "tasks/result"]
    for (const method of [...removed, "nope/x", "", "constructor", "__proto__", "TOOLS/LIST"]) assert.isFalse(isAdvertised(method, everything), method)
  })

  it("are answered only where their capability is advertised, but for two that always are", () => {
    assert.deepStrictEqual(modernMethods.filter((method) => isAdvertised(method, {})), ["server/discover", "subscriptions/listen"])
    assert.deepStrictEqual(modernMethods.filter((method) => isAdvertised(method, { tools: {}, resources: true, prompts: null, completions: [] })), [
      "server/discover",
      "subscriptions/listen",
      "tools/list",
      "tools/call"
    ])
    for (const [method, capability] of [["prompts/get", "prompts"], ["resources/templates/list", "resources"], ["completion/complete", "completions"]] as const) {
      assert.isTrue(isAdvertised(method, { [capability]: {} }))
    }
  })

  it("may ask for input in three cases", () => {
    assert.deepStrictEqual(modernMethods.filter(mayAsk), ["tools/call", "prompts/get", "resources/read"])
  })
})
