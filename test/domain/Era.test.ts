import { assert, describe, it } from "@effect/vitest"
import { isKnownVersion, isModern, legacyVersions, negotiable } from "../../src/domain/Era.ts"

const claim = { _meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } }

describe("Era", () => {
  it("the claim in the body decides, whatever the header says", () => {
    assert.isTrue(isModern(claim, undefined))
    assert.isTrue(isModern(claim, "2025-06-18"))
  })
  it("without a claim the header decides, if it is a revision at all", () => {
    assert.isTrue(isModern(undefined, "2026-07-28"))
    assert.isTrue(isModern({}, "2099-01-01"))
    assert.isFalse(isModern({}, "latest"))
    assert.isFalse(isModern({ _meta: null }, "2025-11-25"))
    assert.isFalse(isModern(undefined, undefined))
  })
  it("knows the five revisions and no others", () => {
    for (const version of ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]) assert.isTrue(isKnownVersion(version))
    for (const version of ["1999-01-01", "2099-01-01", "", "latest"]) assert.isFalse(isKnownVersion(version))
  })
  it("offers a child the newest revision that begins with initialize where the client names one that does not, and else the client's own", () => {
    for (const protocolVersion of ["2026-07-28", "2099-01-01", "1999-01-01", "latest", ""]) {
      assert.deepStrictEqual(negotiable({ protocolVersion, capabilities: { roots: {} } }), { protocolVersion: "2025-11-25", capabilities: { roots: {} } })
    }
    for (const protocolVersion of [...legacyVersions, undefined, 7, null]) assert.deepStrictEqual(negotiable({ protocolVersion, x: 1 }), { protocolVersion, x: 1 })
    assert.deepStrictEqual(negotiable({}), {})
    assert.isUndefined(negotiable(undefined))
  })
})
