import { assert, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { html } from "../../src/http/Html.ts"
import { homePage } from "../../src/http/HomeRoutes.ts"

it("every value is escaped, in text and in attributes, and markup is not escaped twice", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    const inner = html`<b title="${text}">${text}</b>`
    assert.match(inner.source, /^<b title="[^"<>']*">[^<>"']*<\/b>$/)
    assert.strictEqual(html`<p>${inner}${[inner]}${undefined}</p>`.source, `<p>${inner.source}${inner.source}</p>`)
  }))
})
it("the front page names the MCP address and the usual clients", () => {
  const page = homePage("https://broker.example", "https://git.example")
  const text = page.body._tag === "Uint8Array" ? new TextDecoder().decode(page.body.body) : ""
  for (const word of ["https://broker.example/mcp", "claude mcp add --transport http forgejo https://broker.example/mcp", "Claude.ai", "VS Code", "MCP Inspector"]) {
    assert.include(text, word)
  }
})
