import { assert, describe, it } from "@effect/vitest"
import { isKnownVersion, isModern } from "../../src/domain/Era.ts"

const claim = { _meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } }

describe("Era", () => {
  it("the claim in the body decides, whatever the method and the header say", () => {
    assert.isTrue(isModern("tools/list", claim, undefined))
    assert.isTrue(isModern("initialize", claim, "2025-06-18"))
  })
  it("without a claim the header decides, and an initialize is legacy", () => {
    assert.isTrue(isModern("tools/list", undefined, "2026-07-28"))
    assert.isFalse(isModern("initialize", {}, "2026-07-28"))
    assert.isFalse(isModern("tools/list", { _meta: null }, "2025-11-25"))
    assert.isFalse(isModern("tools/list", undefined, undefined))
  })
  it("knows the five revisions and no others", () => {
    for (const version of ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]) assert.isTrue(isKnownVersion(version))
    for (const version of ["1999-01-01", "2099-01-01", "", "latest"]) assert.isFalse(isKnownVersion(version))
  })
})
