import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc, Option } from "effect"
import { decodeClaims, integerClaim, textClaim } from "../../src/domain/Jwt.ts"

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
const jwt = (claims: unknown) => `${part({ alg: "RS256" })}.${part(claims)}.c2ln`

describe("the claims of a JWT", () => {
  it("are those that were put in", () => {
    const key = fc.string().filter((name) => name !== "__proto__")
    fc.assert(fc.property(fc.dictionary(key, fc.oneof(fc.string(), fc.integer(), fc.boolean())), (claims) => {
      assert.deepEqual(Option.getOrThrow(decodeClaims(jwt(claims))), { ...claims })
    }))
  })

  it("are nothing, and no error, for any other text", () => {
    fc.assert(fc.property(fc.string(), (text) => {
      decodeClaims(text)
      decodeClaims(`a.${text}.b`)
    }))
    for (const text of ["", "gta_opaque", "a.b", "a.b.c", "a.b.c.d", `${part({})}..c`, jwt([1]), jwt(null), jwt("text")]) {
      assert.isTrue(Option.isNone(decodeClaims(text)), text)
    }
  })

  it("are read only as the type that they should have", () => {
    const claims = decodeClaims(jwt({ gnt: 12, cnt: "12", exp: 1.5, sub: "7", aud: "" }))
    assert.strictEqual(Option.getOrNull(integerClaim(claims, "gnt")), 12)
    for (const name of ["cnt", "exp", "none"]) assert.isTrue(Option.isNone(integerClaim(claims, name)), name)
    assert.strictEqual(Option.getOrNull(textClaim(claims, "sub")), "7")
    for (const name of ["gnt", "aud", "none"]) assert.isTrue(Option.isNone(textClaim(claims, name)), name)
    assert.isTrue(Option.isNone(integerClaim(Option.none(), "gnt")))
  })
})
