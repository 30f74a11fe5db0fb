import { assert, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { displayText } from "../../src/domain/DisplayText.ts"

it("leaves nothing that could move, hide or break text", () => {
  fc.assert(fc.property(fc.fullUnicodeString({ maxLength: 300 }), (text) => {
    const shown = displayText(text)
    assert.notMatch(shown, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    assert.isAtMost(Array.from(shown).length, 100)
    assert.strictEqual(displayText(shown), shown)
  }))
})
it("strips direction marks, folds white space, and cuts", () => {
  assert.strictEqual(displayText("Cl\u202eaude\u200b \n Code\u0007"), "Claude Code")
  assert.strictEqual(displayText("x".repeat(200)), `${"x".repeat(99)}…`)
})
