import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import { classify, encodeError, encodeRequest, isTooComplex, parse } from "../../src/domain/JsonRpc.ts"

const left = <A, E>(either: Either.Either<A, E>) => Either.isLeft(either) ? either.left : assert.fail("it was accepted")

describe("JSON-RPC", () => {
  it("classifies by shape: what has a method is never a response", () => {
    assert.deepInclude(Either.getOrThrow(classify({ jsonrpc: "2.0", id: 1, method: "m" })), { _tag: "Request", id: 1 })
    assert.deepInclude(Either.getOrThrow(classify({ jsonrpc: "2.0", method: "m", params: {} })), { _tag: "Notification" })
    assert.deepInclude(Either.getOrThrow(classify({ jsonrpc: "2.0", id: "a", result: null })), { _tag: "Response", body: { result: null } })
    assert.deepInclude(Either.getOrThrow(classify({ jsonrpc: "2.0", id: 1, method: "m", result: 1 })), { _tag: "Request" })
  })

  const malformed: ReadonlyArray<readonly [string, unknown, RegExp, (string | number)?]> = [
    ["a number", 1, /one object/],
    ["an array", [], /one object/],
    ["no version", { id: 1, method: "m" }, /"jsonrpc" must be "2.0"/, 1],
    ["another version", { jsonrpc: "1.0", id: "x", method: "m" }, /"jsonrpc" must be "2.0"/, "x"],
    ["a method that is no string", { jsonrpc: "2.0", id: 1, method: 2 }, /"method" must be a string/, 1],
    ["positional params", { jsonrpc: "2.0", id: 1, method: "m", params: [] }, /"params" must be an object/, 1],
    ["a null id", { jsonrpc: "2.0", id: null, method: "m" }, /"id" must be a string or an integer/],
    ["a fraction as id", { jsonrpc: "2.0", id: 1.5, method: "m" }, /"id" must be a string or an integer/],
    ["an id beyond 53 bits", { jsonrpc: "2.0", id: 2 ** 53, method: "m" }, /at most 53 bits/],
    ["an object as id", { jsonrpc: "2.0", id: {}, method: "m" }, /"id" must be/],
    ["neither method nor outcome", { jsonrpc: "2.0", id: 1 }, /either "result" or "error"/, 1],
    ["both outcomes", { jsonrpc: "2.0", id: 1, result: 1, error: {} }, /either "result" or "error"/, 1],
    ["a response without id", { jsonrpc: "2.0", result: 1 }, /must have the id/]
  ]
  for (const [name, value, sentence, id] of malformed) {
    it(`refuses ${name} with a sentence, and keeps its id where it has one`, () => {
      const bad = left(classify(value))
      assert.match(bad.message, sentence)
      assert.strictEqual(bad.id, id)
    })
  }

  it("measures depth exactly, and does not count brackets in strings", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)
    assert.isUndefined(isTooComplex(nested(64), 64))
    assert.strictEqual(isTooComplex(nested(65), 64), "depth")
    assert.isUndefined(isTooComplex(JSON.stringify({ text: "[[[[\"{{\\" }), 1))
    assert.match(left(parse(nested(200_000), 64)).message, /deeper than 64/)
    const wide = (count: number) => JSON.stringify(Array.from({ length: count - 1 }, () => []))
    assert.isTrue(Either.isRight(parse(wide(100_000), 64)))
    assert.match(left(parse(wide(100_001), 64)).message, /more than 100000 objects and lists/)
  })

  it("agrees with a recursive measure on any JSON", () => {
    const depthOf = (value: unknown): number =>
      typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      const depth = depthOf(value)
      const text = JSON.stringify(value)
      assert.isUndefined(isTooComplex(text, depth))
      if (depth > 0) assert.strictEqual(isTooComplex(text, depth - 1), "depth")
    }))
  })

  it("what is not JSON is a parse error", () => {
    assert.strictEqual(left(parse("{", 64)).code, -32700)
  })

  it("a line for the child never holds a line break, whatever the client sent", () => {
    fc.assert(fc.property(fc.string(), fc.dictionary(fc.string(), fc.jsonValue()), (method, params) => {
      assert.notMatch(encodeRequest(1, method, params), /[\r\n]/)
    }))
  })

  it("an error leaves an unknown id out, and never says null", () => {
    assert.strictEqual(encodeError(undefined, -32600, "no"), "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"no\"}}")
  })
})
