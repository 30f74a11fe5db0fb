import { assert, it } from "@effect/vitest"
import { Option } from "effect"
import { canonicalResource } from "../../src/domain/ResourceRule.ts"

const check = (asked: string | undefined) => Option.getOrUndefined(canonicalResource(Option.fromNullable(asked), "https://broker.example"))

it("fills in our own resource where none is asked, and forgives a final slash and upper case of scheme and host", () => {
  for (const asked of [undefined, "https://broker.example/mcp", "https://broker.example/mcp/", "HTTPS://BROKER.example:443/mcp"]) {
    assert.strictEqual(check(asked), "https://broker.example/mcp", asked)
  }
})
it("knows no other resource", () => {
  for (
    const asked of [
      "https://broker.example",
      "https://broker.example/",
      "https://broker.example/mcpx",
      "https://broker.example/mcp?x",
      "https://broker.example/mcp#x",
      "https://broker.example:8443/mcp",
      "http://broker.example/mcp",
      "https://user@broker.example/mcp",
      "https://evil.example/mcp",
      "https://broker.example.evil.example/mcp",
      "mcp",
      "https://broker.example/x/../mcp"
    ]
  ) assert.isUndefined(check(asked), asked)
})
