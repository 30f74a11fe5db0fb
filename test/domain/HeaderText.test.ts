import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { decodeHeader, trimSpace } from "../../src/domain/HeaderText.ts"

const base64 = (text: string | Buffer) => `=?base64?${Buffer.from(text).toString("base64")}?=`

describe("the text of a header", () => {
  it("reads whatever was encoded", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => assert.strictEqual(decodeHeader(base64(text)), text)))
    assert.strictEqual(decodeHeader(base64("\ufeffwith a mark")), "\ufeffwith a mark")
    assert.strictEqual(decodeHeader(base64(" padded ")), " padded ")
  })

  it.each([
    ["prefix alone", "=?base64?SGVsbG8="],
    ["suffix alone", "SGVsbG8=?="],
    ["prefix and suffix that share a character", "=?base64?="],
    ["another case", "=?BASE64?SGVsbG8=?="],
    ["something before it", "x=?base64?SGVsbG8=?="],
    ["nothing", ""]
  ])("is literal with %s", (_name, text) => {
    assert.strictEqual(decodeHeader(text), text)
  })

  it("drops spaces and tabs around it, and no other white space", () => {
    assert.strictEqual(decodeHeader(" \t a b\t "), "a b")
    assert.strictEqual(trimSpace("\u00a0a\u2003"), "\u00a0a\u2003")
    assert.strictEqual(trimSpace(" \t "), "")
  })

  it.each([
    ["missing padding", "=?base64?SGVsbG8?="],
    ["too much padding", "=?base64?SGVsbG8==?="],
    ["other characters", "=?base64?SGVs!!!bG8=?="],
    ["the alphabet for URLs", "=?base64?_-8=?="],
    ["white space", "=?base64?SGVs bG8=?="],
    ["loose bits", "=?base64?SGVsbG9=?="],
    ["half a character", base64(Buffer.from([0xc3]))],
    ["half of a surrogate pair", base64(Buffer.from([0xed, 0xa0, 0x80]))]
  ])("is refused with %s", (_name, text) => {
    assert.isUndefined(decodeHeader(text))
  })
})
