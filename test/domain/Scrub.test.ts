import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { REPLACEMENT, scrubber } from "../../src/domain/Scrub.ts"

/** JSON text of a string with each character either plain or escaped, as any JSON writer might do it. */
const spelled = (text: string, escaped: ReadonlyArray<boolean>): string =>
  `"${[...text].map((char, at) => escaped[at % escaped.length] === true && char.length === 1 ? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}` : JSON.stringify(char).slice(1, -1)).join("")}"`

describe("scrubber", () => {
  it("replaces a token in plain text and in JSON", () => {
    const scrub = scrubber(["eyJ.secret-1_2"])
    assert.strictEqual(scrub("token eyJ.secret-1_2 is wrong"), `token ${REPLACEMENT} is wrong`)
    assert.strictEqual(scrub("{\"m\":\"[sha: eyJ.secret-1_2]\"}"), `{"m":"[sha: ${REPLACEMENT}]"}`)
  })

  it("replaces a secret with characters that JSON or Go escape", () => {
    const secret = "a\"b\\c<d>&e/f"
    const scrub = scrubber([secret])
    assert.notInclude(scrub(JSON.stringify({ secret })), "d>&e")
    assert.notInclude(scrub("{\"m\":\"a\\\"b\\\\c\\u003cd\\u003e\\u0026e/f\"}"), "e/f")
    assert.notInclude(scrub("{\"m\":\"a\\\"b\\\\c<d>&e\\/f\"}"), "e\\/f")
  })

  it("leaves what holds no secret exactly as it is, escapes included", () => {
    const scrub = scrubber(["0123456789abcdef"])
    for (const text of ["{\"a\":\"\\u0041\\/\"}", "plain", "{\"n\":12345678901234567890}"]) assert.strictEqual(scrub(text), text)
  })

  it("no spelling of the secret survives, and the JSON around it stays JSON", () => {
    const secret = "gto_Abc123-._~+/="
    const scrub = scrubber([secret])
    fc.assert(fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), fc.string(), fc.string(), (escaped, before, after) => {
      const line = `{"x":${spelled(before + secret + after, escaped)}}`
      const { x } = JSON.parse(scrub(line)) as { x: string }
      assert.notInclude(x, secret)
      assert.strictEqual(x, (before + secret + after).replaceAll(secret, REPLACEMENT))
    }), { numRuns: 500 })
  })

  it("an empty secret replaces nothing; the longer of two that overlap goes whole", () => {
    assert.strictEqual(scrubber([""])("abc"), "abc")
    assert.strictEqual(scrubber(["abcd", "abcdef"])("abcdefg"), `${REPLACEMENT}g`)
  })
})
