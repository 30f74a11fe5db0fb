import { assert, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { fitsChallenge, isS256Challenge, isVerifier, s256Challenge } from "../../src/domain/Pkce.ts"

const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
const verifier = fc.stringOf(fc.constantFrom(...unreserved), { minLength: 43, maxLength: 128 })

it("agrees with the example of RFC 7636 appendix B", () => {
  assert.strictEqual(s256Challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
})
it("accepts the right verifier and no other", () => {
  fc.assert(fc.property(verifier, verifier, (a, b) => {
    assert.isTrue(isS256Challenge(s256Challenge(a)))
    assert.isTrue(fitsChallenge(a, s256Challenge(a)))
    assert.strictEqual(fitsChallenge(b, s256Challenge(a)), a === b)
    assert.isFalse(fitsChallenge(s256Challenge(a), s256Challenge(a)))
  }))
})
it("knows the syntax of a verifier", () => {
  for (const bad of ["a".repeat(42), "a".repeat(129), `${"a".repeat(42)}+`, `${"a".repeat(43)}\n`, ""]) assert.isFalse(isVerifier(bad))
})
