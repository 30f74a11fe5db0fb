import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import type { HeaderParam } from "../../src/domain/ModernParams.ts"
import { checkParams, headerParamsOf } from "../../src/domain/ModernParams.ts"

const schema = (properties: unknown) => ({ type: "object", properties })
const annotated = (type: unknown, header: unknown = "Region") => ({ type, "x-mcp-header": header })
const region: ReadonlyArray<HeaderParam> = [{ path: ["region"], header: "Region", type: "string" }]
const typed = (type: HeaderParam["type"]): ReadonlyArray<HeaderParam> => [{ path: ["v"], header: "V", type }]
const sent = (headers: Record<string, string>) => new Map(Object.entries(headers))

describe("the annotated parameters of a tool", () => {
  it("are found at any depth of properties", () => {
    const found = headerParamsOf(schema({
      region: annotated("string"),
      query: { type: "string" },
      inner: schema({ count: annotated("integer", "Count"), flag: annotated("boolean", "Flag") }),
      score: annotated("number", "Score")
    }))
    assert.deepStrictEqual([...found].sort((a, b) => a.header < b.header ? -1 : 1), [
      { path: ["inner", "count"], header: "Count", type: "integer" },
      { path: ["inner", "flag"], header: "Flag", type: "boolean" },
      { path: ["region"], header: "Region", type: "string" },
      { path: ["score"], header: "Score", type: "number" }
    ])
  })

  it("are none where the schema is none", () => {
    for (const value of [undefined, null, 1, [], {}, schema(undefined), schema([]), schema({ a: null, b: true })]) {
      assert.deepStrictEqual(headerParamsOf(value), [])
    }
  })

  it("are not those behind items, choices or references", () => {
    const inner = schema({ region: annotated("string") })
    assert.deepStrictEqual(headerParamsOf({ ...schema({ a: { items: inner, oneOf: [inner] } }), anyOf: [inner], $defs: { inner } }), [])
  })

  it.each<[string, unknown]>([
    ["an empty name", annotated("string", "")],
    ["a name with a space", annotated("string", "Re gion")],
    ["a name with a colon", annotated("string", "Re:gion")],
    ["a name with a line break", annotated("string", "Region\r\nX")],
    ["a name that is not ASCII", annotated("string", "Größe")],
    ["a name that is no string", annotated("string", 1)],
    ["an object", annotated("object")],
    ["a list", annotated("array")],
    ["a null", annotated("null")],
    ["several types", annotated(["string", "null"])],
    ["no type", annotated(undefined)],
    ["a name that another one has in another case", annotated("string", "GOOD")]
  ])("are none at all with %s among them, for clients leave such a tool out", (_name, bad) => {
    assert.deepStrictEqual(headerParamsOf(schema({ good: annotated("string", "Good"), bad })), [])
    assert.lengthOf(headerParamsOf(schema({ good: annotated("string", "Good") })), 1)
  })

  it("are none with the annotation on the arguments themselves", () => {
    assert.deepStrictEqual(headerParamsOf({ ...schema({ a: annotated("string") }), type: "string", "x-mcp-header": "Root" }), [])
  })

  it("are looked for without recursion", () => {
    let deep: unknown = annotated("string")
    for (let level = 0; level < 100_000; level++) deep = schema({ a: deep })
    assert.deepStrictEqual(headerParamsOf(deep), [])
  })
})

describe("Mcp-Param headers", () => {
  it("must be there for a value, and are not expected without one", () => {
    assert.match(checkParams(region, { region: "eu" }, new Map()) ?? "", /Mcp-Param-Region is missing.*"region"/)
    for (const args of [undefined, {}, { region: null }]) {
      assert.isUndefined(checkParams(region, args, new Map()))
      assert.isUndefined(checkParams(region, args, sent({ region: "eu" })))
    }
    assert.match(checkParams(region, { region: "" }, new Map()) ?? "", /missing/)
    assert.isUndefined(checkParams(region, { region: "" }, sent({ region: "" })))
  })

  it("must say the same, plain or in base64", () => {
    assert.isUndefined(checkParams(region, { region: "Hello" }, sent({ region: "Hello" })))
    assert.isUndefined(checkParams(region, { region: "Hello" }, sent({ region: " =?base64?SGVsbG8=?= " })))
    assert.isUndefined(checkParams(region, { region: "SGVsbG8=" }, sent({ region: "SGVsbG8=" })))
    assert.isUndefined(checkParams(region, { region: "=?base64?SGVsbG8=" }, sent({ region: "=?base64?SGVsbG8=" })))
    assert.match(checkParams(region, { region: "Hello" }, sent({ region: "hello" })) ?? "", /does not say the same/)
    for (const bad of ["=?base64?SGVsbG8?=", "=?base64?SGVs!!!bG8=?="]) {
      assert.match(checkParams(region, { region: "Hello" }, sent({ region: bad })) ?? "", /base64 of UTF-8/)
    }
  })

  it("are found whatever the case of the annotation, and others do not matter", () => {
    assert.isUndefined(checkParams([{ path: ["r"], header: "REGION", type: "string" }], { r: "x" }, sent({ region: "x", other: "y" })))
  })

  it.each<[HeaderParam["type"], unknown, string, boolean]>([
    ["integer", 42, "42.0", true],
    ["integer", 42, "42", true],
    ["integer", 42, "4.2e1", true],
    ["integer", 42, "43", false],
    ["integer", 0, "", false],
    ["integer", 16, "0x10", false],
    ["integer", 42, "42 0", false],
    ["integer", "42", "42", true],
    ["integer", "42", "42.0", false],
    ["number", 3.14, "3.140", true],
    ["number", -1e21, "-1e+21", true],
    ["string", 42, "42", true],
    ["string", 42, "42.0", false],
    ["boolean", true, "true", true],
    ["boolean", true, "TRUE", false],
    ["boolean", true, "1", false],
    ["boolean", false, "false", true],
    ["string", { a: 1 }, "[object Object]", false],
    ["string", ["a"], "a", false]
  ])("compare %s %j with %j: %s", (type, v, header, same) => {
    assert.strictEqual(checkParams(typed(type), { v }, sent({ v: header })) === undefined, same)
  })

  it("leave an object in the place of a string to the child, which refuses it", () => {
    assert.isUndefined(checkParams(region, { region: {} }, new Map()))
  })

  it("find what the arguments hold themselves, not what every object has", () => {
    const odd = (name: string): ReadonlyArray<HeaderParam> => [{ path: [name], header: "X", type: "string" }]
    for (const name of ["constructor", "toString", "__proto__"]) assert.isUndefined(checkParams(odd(name), {}, new Map()))
    assert.isDefined(checkParams(odd("__proto__"), JSON.parse("{\"__proto__\": \"x\"}") as Record<string, unknown>, new Map()))
    const nested: ReadonlyArray<HeaderParam> = [{ path: ["a", "length"], header: "X", type: "integer" }]
    for (const a of ["text", [1, 2], null, 3]) assert.isUndefined(checkParams(nested, { a }, new Map()))
  })

  it("accept what a client makes of any argument by the rules", () => {
    const value = fc.oneof(fc.string({ unit: "grapheme" }), fc.boolean(), fc.maxSafeInteger(), fc.constant(null))
    const type = (v: unknown) => typeof v === "boolean" ? "boolean" : typeof v === "number" ? "integer" : "string"
    fc.assert(fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), value), fc.boolean(), (args, encode) => {
      const properties = Object.fromEntries(Object.entries(args).map(([name, v]) => [name, annotated(type(v), name.toUpperCase())]))
      const headers = new Map(Object.entries(args).flatMap(([name, v]) =>
        v === null ? [] : [[name, encode || typeof v === "string" ? `=?base64?${Buffer.from(String(v)).toString("base64")}?=` : String(v)] as const]))
      const params = headerParamsOf(schema(properties))
      assert.lengthOf(params, Object.keys(args).length)
      assert.isUndefined(checkParams(params, args, headers))
      for (const name of headers.keys()) {
        const fewer = new Map(headers)
        fewer.delete(name)
        assert.isDefined(checkParams(params, args, fewer))
      }
    }))
  })
})
