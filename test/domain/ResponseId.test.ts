import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { replaceId } from "../../src/domain/ResponseId.ts"

describe("replaceId", () => {
  it("puts the id in and leaves every other byte alone, at any place and spacing", () => {
    const cases: ReadonlyArray<readonly [string, string]> = [
      ["{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"n\":12345678901234567890}}", "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":{\"n\":12345678901234567890}}"],
      ["{\"result\":{\"id\":1,\"s\":\"\\\"id\\\":2\"},\"id\":1,\"jsonrpc\":\"2.0\"}", "{\"result\":{\"id\":1,\"s\":\"\\\"id\\\":2\"},\"id\":\"a\",\"jsonrpc\":\"2.0\"}"],
      [" { \"id\" : 7 , \"result\" : [ 1.0 ] } ", " { \"id\" : \"a\" , \"result\" : [ 1.0 ] } "],
      ["{\"id\":\"was \\\" text\",\"result\":null}", "{\"id\":\"a\",\"result\":null}"]
    ]
    for (const [line, expected] of cases) assert.strictEqual(replaceId(line, "a"), expected)
  })

  it("gives nothing where it cannot be sure: two ids, an escaped key, none", () => {
    assert.isUndefined(replaceId("{\"id\":1,\"result\":1,\"id\":2}", "a"))
    assert.isUndefined(replaceId("{\"\\u0069d\":1,\"result\":1}", "a"))
    assert.isUndefined(replaceId("{\"result\":1}", "a"))
    assert.isUndefined(replaceId("{}", "a"))
  })

  it("equals parsing, changing and writing, for any response", () => {
    const id = fc.oneof(fc.string(), fc.maxSafeInteger())
    fc.assert(fc.property(id, id, fc.jsonValue(), fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(4), (from, to, result, rest, indent) => {
      const before = { ...rest, jsonrpc: "2.0", id: from, result }
      const line = JSON.stringify(before, null, indent)
      const changed = replaceId(line, to)
      if (changed === undefined) return Object.keys(before).some((key) => JSON.stringify(key).includes("\\"))
      assert.deepStrictEqual(JSON.parse(changed), JSON.parse(JSON.stringify({ ...before, id: to })))
      return true
    }), { numRuns: 500 })
  })

  const space = fc.stringMatching(/^[ \t\r]{0,3}$/)
  /** Ids as other programs write them: what JSON.stringify would write differently has to survive, too. */
  const idText = fc.oneof(
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc.constantFrom("1.0", "1e0", "-0", "12345678901234567890", "1E+2", "\"\\u0041\\/\"", "\"\\ud800\"", "{\"id\":{\"id\":1}}", "[\"]\",\"}\"]", "\"\\\\\"")
  )
  const others = fc.array(fc.tuple(fc.string().filter((key) => key !== "id" && !JSON.stringify(key).includes("\\")), fc.oneof(idText, fc.constant("{\"id\":5}"))), { maxLength: 4 })

  it("changes exactly the characters of the id, of any object in any spelling, and the way back gives the same text", () => {
    fc.assert(fc.property(idText, fc.oneof(fc.string(), fc.maxSafeInteger()), others, fc.nat(4), space, (from, to, members, place, gap) => {
      const line = (id: string) => {
        const texts = members.map(([key, value]) => `${gap}${JSON.stringify(key)}${gap}:${gap}${value}${gap}`)
        texts.splice(place, 0, `${gap}"id"${gap}:${gap}${id}${gap}`)
        return `${gap}{${texts.join(",")}}${gap}`
      }
      const changed = replaceId(line(from), to)
      assert.strictEqual(changed, line(JSON.stringify(to)))
      assert.strictEqual(replaceId(changed ?? "", 7), line("7"))
    }), { numRuns: 1000 })
  })
})
