import { assert, describe, it } from "@effect/vitest"
import { bridgedCapabilities, discoverResult, listTtlMs, presetTold, serverMeta } from "../../src/domain/Discovery.ts"

const serverInfo = { name: "s", version: "1", title: "S" }
const told = {
  protocolVersion: "2025-11-25",
  serverInfo,
  instructions: "Be kind.",
  capabilities: {
    tools: { listChanged: true, other: 1 },
    prompts: { listChanged: false },
    resources: { subscribe: true, listChanged: true },
    completions: {},
    logging: {},
    tasks: { list: {} },
    experimental: { x: {} },
    extensions: { "a/b": {} }
  }
}

describe("server/discover", () => {
  it("is made of what the child said, without what is not bridged", () => {
    assert.deepStrictEqual(discoverResult(told, false, listTtlMs), {
      resultType: "complete",
      supportedVersions: ["2026-07-28"],
      capabilities: { tools: { listChanged: true }, prompts: {}, resources: { subscribe: true, listChanged: true }, completions: {} },
      instructions: "Be kind.",
      ttlMs: 300_000,
      cacheScope: "private",
      _meta: { "io.modelcontextprotocol/serverInfo": serverInfo }
    })
  })

  it("offers log messages where a child has one call at a time", () => {
    assert.deepStrictEqual(bridgedCapabilities(told, true).logging, {})
    assert.notProperty(bridgedCapabilities({ capabilities: { tools: {} } }, true), "logging")
  })

  it("makes the best of a child that says little, or nonsense", () => {
    const least = { resultType: "complete", supportedVersions: ["2026-07-28"], capabilities: {}, ttlMs: 0, cacheScope: "private", _meta: {} }
    for (const odd of [{}, { capabilities: null, instructions: 1, serverInfo: "s" }, { capabilities: { tools: true, prompts: [], resources: null } }]) {
      assert.deepStrictEqual(discoverResult(odd, true, 0), least)
    }
    assert.deepStrictEqual(bridgedCapabilities({ capabilities: { tools: { listChanged: "yes" } } }, false), { tools: {} })
  })

  it("names a server only by name and version, as the schema wants it", () => {
    for (const odd of [undefined, {}, { name: "s" }, { name: "s", version: 1 }, []]) assert.deepStrictEqual(serverMeta({ serverInfo: odd }), {})
  })

  it("has a guess for each preset", () => {
    assert.deepStrictEqual(discoverResult(presetTold("forgejo-mcp"), false, 0).capabilities, { tools: { listChanged: true }, resources: {} })
    for (const preset of ["gitea-mcp", "custom"] as const) assert.deepStrictEqual(discoverResult(presetTold(preset), false, 0).capabilities, { tools: {} })
  })
})
