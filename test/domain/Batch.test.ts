import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck } from "effect"
import { classifyBatch } from "../../src/domain/Batch.ts"
import { classify } from "../../src/domain/JsonRpc.ts"

const ping = (id: unknown) => ({ jsonrpc: "2.0", id, method: "ping" })
const claim = { _meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } }
const initialize = "initialize cannot be part of a batch; send it alone."
const modern = "A message of revision 2026-07-28 cannot be part of a batch; send it alone."
const tooMany = "A batch may have at most 3 requests, and as many notifications and responses; send several."

describe("a batch", () => {
  const refused: ReadonlyArray<readonly [string, ReadonlyArray<unknown>, string]> = [
    ["is empty", [], "The batch is empty; send at least one JSON-RPC message."],
    ["has an initialize", [ping(1), { jsonrpc: "2.0", id: 2, method: "initialize", params: {} }], initialize],
    ["has an initialize that is no message", [{ method: "initialize", id: null }], initialize],
    ["has a stateless request", [ping(1), { ...ping(2), params: claim }], modern],
    ["has a stateless notification", [{ jsonrpc: "2.0", method: "x", params: claim }], modern],
    ["has something stateless that is no message", [{ params: claim }, ping(1)], modern],
    ["has too many requests", [1, 2, 3, 4].map(ping), tooMany],
    ["has too many requests, some of which are none", [ping(1), 2, {}, []], tooMany],
    ["has too many notifications", Array.from({ length: 4 }, () => ({ jsonrpc: "2.0", method: "x" })), tooMany],
    ["has too many notifications and responses", [...[1, 2].map((id) => ({ jsonrpc: "2.0", id, result: {} })), ...[1, 2].map(() => ({ jsonrpc: "2.0", method: "x" }))], tooMany]
  ]
  for (const [name, values, message] of refused) {
    it(`is refused where it ${name}`, () => {
      assert.deepStrictEqual(Either.flip(classifyBatch(values, 3)).pipe(Either.getOrThrow), { code: -32600, message })
    })
  }

  it("may be full of both kinds", () => {
    const values = [1, 2, 3].flatMap((id) => [ping(id), { jsonrpc: "2.0", method: "x" }])
    assert.strictEqual(Either.getOrThrow(classifyBatch(values, 3)).elements.length, 6)
  })

  it("is its elements, each classified as if it were alone, in their order", () => {
    const element = FastCheck.oneof(
      FastCheck.record({ jsonrpc: FastCheck.constantFrom("2.0", "1.0"), id: FastCheck.oneof(FastCheck.integer(), FastCheck.string(), FastCheck.constant(null)), method: FastCheck.string() }, { requiredKeys: ["jsonrpc"] }),
      FastCheck.jsonValue()
    )
    FastCheck.assert(FastCheck.property(FastCheck.array(element, { minLength: 1, maxLength: 20 }), (values) => {
      assert.deepStrictEqual(Either.getOrThrow(classifyBatch(values, 20)), { _tag: "Batch", elements: values.map(classify) })
    }))
  })
})
