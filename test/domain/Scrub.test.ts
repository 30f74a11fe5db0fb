import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { REPLACEMENT, scrubber } from "../../src/domain/Scrub.ts"

/** JSON text of a string with each character either plain or escaped, as any JSON writer might do it. */
const spelled = (text: string, escaped: ReadonlyArray<boolean>): string =>
  `"${[...text].map((char, at) => escaped[at % escaped.length] === true && char.length === 1 ? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}` : JSON.stringify(char).slice(1, -1)).join("")}"`

/** The text as the content of a JSON string that is itself in a JSON string, and so on. */
const nested = (text: string, depth: number, escaped: ReadonlyArray<boolean>): string =>
  depth === 1 ? spelled(text, escaped) : JSON.stringify(nested(text, depth - 1, escaped))

const unnested = (json: string, depth: number): string => {
  const text = JSON.parse(json) as string
  return depth === 1 ? text : unnested(text, depth - 1)
}

const manyEscapes = { minLength: 1, maxLength: 20 }

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

  it("nor does one in JSON that is the text of JSON, at any depth", () => {
    const secret = "gto_Abc123-._~+/="
    const scrub = scrubber([secret])
    const around = fc.string().map((text) => text.replaceAll("\\", ""))
    fc.assert(fc.property(fc.array(fc.boolean(), manyEscapes), fc.integer({ min: 1, max: 4 }), around, fc.string(), (escaped, depth, before, after) => {
      const scrubbed = scrub(nested(before + secret + after, depth, escaped))
      assert.strictEqual(unnested(scrubbed, depth), before + REPLACEMENT + after)
    }), { numRuns: 1000 })
  })

  it("nor does one whose own characters must be escaped", () => {
    const char = fc.constantFrom("\"", "\\", "/", "\n", "\t", "<", "&", "a", "u", "n", "\u00e9", "\u2028")
    const secrets = fc.array(char, { minLength: 4, maxLength: 8 }).map((chars) => `key${chars.join("")}end`)
    fc.assert(fc.property(secrets, fc.array(fc.boolean(), manyEscapes), fc.integer({ min: 1, max: 3 }), (secret, escaped, depth) => {
      const scrubbed = scrubber([secret])(nested(`(${secret})`, depth, escaped))
      assert.strictEqual(unnested(scrubbed, depth), `(${REPLACEMENT})`)
    }), { numRuns: 1000 })
  })

  it("nor does its plain base64, wherever in the encoded text it stands", () => {
    const secret = "0123456789abcdef~~~???"
    const scrub = scrubber([secret])
    fc.assert(fc.property(fc.string(), fc.string(), fc.constantFrom("base64" as const, "base64url" as const), (before, after, encoding) => {
      const text = Buffer.from(before + secret + after).toString(encoding)
      const scrubbed = scrub(`{"header":"Basic ${text}"}`)
      const [left = "", right = ""] = (JSON.parse(scrubbed) as { header: string }).header.slice("Basic ".length).split(REPLACEMENT)
      assert.include(scrubbed, REPLACEMENT)
      assert.isTrue(text.startsWith(left) && text.endsWith(right))
      // Of the secret itself at most one character at either end is left, in part.
      assert.isAtMost(left.length - Math.floor(Buffer.byteLength(before) * 8 / 6), 2)
    }))
  })

  it("what holds no secret stays byte for byte, whatever it escapes", () => {
    const scrub = scrubber(["0123456789abcdef", "gto_Abc/\"\\x"])
    const pieces = fc.constantFrom("\\u0030", "\\u003c", "\\/", "\\\\", "\\\"", "\\n", "0123", "gto_Abc", "\\u0067", "x", "{", "\u00e9")
    fc.assert(fc.property(fc.array(pieces, { maxLength: 6 }), (some) => {
      const text = some.join("")
      assert.strictEqual(scrub(text), text)
    }))
  })

  it("around a secret that is replaced, every escape stays as it was", () => {
    const scrub = scrubber(["token-0123"])
    assert.strictEqual(scrub("{\"a\":\"\\u0041\\/\\u003c\\\\\\u0074oken-0123\\u0041\"}"), `{"a":"\\u0041\\/\\u003c\\\\${REPLACEMENT}\\u0041"}`)
  })

  it("takes runs of backslashes and secrets of any length", () => {
    const run = "\\".repeat(1_000_000)
    for (const secret of ["a\\b", "\\ab", "ab\\", "u0041"]) {
      const text = `a${run}u0061 ab${run}`
      assert.isAbove(scrubber([secret])(text).length, 1_000_000)
    }
    const long = Array.from({ length: 3000 }, (_, n) => n.toString(36)).join("")
    assert.match(scrubber([long])(`"${[...long].map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")}"`), /^"(\[secret removed\])+"$/)
  })

  it("an empty secret replaces nothing; the longer of two that overlap goes whole", () => {
    assert.strictEqual(scrubber([""])("abc"), "abc")
    assert.strictEqual(scrubber(["abcd", "abcdef"])("abcdefg"), `${REPLACEMENT}g`)
  })
})
