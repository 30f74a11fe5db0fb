import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import type { JsonObject, Request } from "../../src/domain/JsonRpc.ts"
import type { Envelope, ModernHeaders, Refused } from "../../src/domain/ModernEnvelope.ts"
import { modernHeaders, readEnvelope } from "../../src/domain/ModernEnvelope.ts"

const P = "io.modelcontextprotocol/"
const version = "2026-07-28"
const claims = { [`${P}protocolVersion`]: version, [`${P}clientCapabilities`]: {} }
const without = (key: string) => Object.fromEntries(Object.entries(claims).filter(([name]) => name !== key))
const request = (method: string, params: JsonObject | undefined = { _meta: claims }): Request => ({ _tag: "Request", id: "r", method, params })
const headers = (method: string, changes: Partial<ModernHeaders> = {}): ModernHeaders => ({ version, method, name: undefined, params: new Map(), ...changes })

const accepted = (either: Either.Either<Envelope, Refused>): Envelope => Either.isRight(either) ? either.right : assert.fail(either.left.message)
const refused = (either: Either.Either<Envelope, Refused>): Refused => Either.isLeft(either) ? either.left : assert.fail("it was accepted")
const list = (meta: unknown, changes: Partial<ModernHeaders> = {}) => readEnvelope(request("tools/list", { _meta: meta }), headers("tools/list", changes))
const call = (name: string, header: string | undefined) =>
  readEnvelope(request("tools/call", { _meta: claims, name }), headers("tools/call", { name: header }))

describe("the envelope of a 2026-07-28 request", () => {
  it("hands the child what it knows, and the broker the rest", () => {
    const read = accepted(readEnvelope(
      request("tools/call", {
        _meta: {
          ...claims,
          [`${P}clientInfo`]: { name: "c", version: "1" },
          [`${P}clientCapabilities`]: { sampling: {} },
          [`${P}logLevel`]: "warning",
          [`${P}somethingNew`]: 1,
          progressToken: 7,
          traceparent: "00-1-2-00",
          "vendor.example/x": true
        },
        name: "t",
        arguments: { _meta: { [`${P}protocolVersion`]: "x" } },
        inputResponses: { a: 1 },
        requestState: "s",
        task: { ttl: 1 }
      }),
      headers("tools/call", { name: "t" })
    ))
    assert.deepStrictEqual(read, {
      capabilities: { sampling: {} },
      logLevel: "warning",
      request: {
        _tag: "Request",
        id: "r",
        method: "tools/call",
        params: {
          name: "t",
          arguments: { _meta: { [`${P}protocolVersion`]: "x" } },
          _meta: { progressToken: 7, traceparent: "00-1-2-00", "vendor.example/x": true }
        }
      },
      inputResponses: { a: 1 },
      requestState: "s"
    })
  })

  it("leaves an empty _meta out, and needs no client info", () => {
    assert.deepStrictEqual(accepted(list(claims)).request.params, {})
  })

  it("tells answers that are absent from answers that are null", () => {
    const retry = (extra: JsonObject) => accepted(readEnvelope(request("tools/list", { _meta: claims, ...extra }), headers("tools/list")))
    assert.isUndefined(retry({}).inputResponses)
    assert.isNull(retry({ inputResponses: null }).inputResponses)
    assert.isUndefined(retry({}).requestState)
    assert.isNull(retry({ requestState: null }).requestState)
  })

  const wrongMeta: ReadonlyArray<readonly [string, unknown, RegExp]> = [
    ["no _meta", undefined, /params\._meta with/],
    ["a _meta that is a list", [], /params\._meta with/],
    ["a _meta without version", without(`${P}protocolVersion`), /needs an object params\._meta/],
    ["a version that is no string", { ...claims, [`${P}protocolVersion`]: 1 }, /protocolVersion"\] must be a string/],
    ["no capabilities", without(`${P}clientCapabilities`), /clientCapabilities"\] is missing/],
    ["capabilities that are a list", { ...claims, [`${P}clientCapabilities`]: [] }, /clientCapabilities"\] is missing or no object/],
    ["a level that does not exist", { ...claims, [`${P}logLevel`]: "loud" }, /logLevel"\] must be one of debug/],
    ["a level that is no string", { ...claims, [`${P}logLevel`]: null }, /logLevel"\] must be one of debug/],
    ["a progress token that is an object", { ...claims, progressToken: {} }, /progressToken must be/],
    ["a progress token that is a fraction", { ...claims, progressToken: 1.5 }, /progressToken must be/]
  ]
  for (const [name, meta, sentence] of wrongMeta) {
    it(`refuses ${name} as invalid parameters`, () => {
      const { code, message, status } = refused(list(meta))
      assert.deepStrictEqual([status, code], [400, -32602])
      assert.match(message, sentence)
    })
  }

  it("refuses a request without parameters", () => {
    assert.strictEqual(refused(readEnvelope({ ...request("tools/list"), params: undefined }, headers("tools/list"))).code, -32602)
  })

  it("says of an initialize without the claim that it contradicts its header; with the claim it is a method like any other", () => {
    assert.strictEqual(refused(readEnvelope(request("initialize", { protocolVersion: version }), headers("initialize"))).code, -32020)
    assert.strictEqual(accepted(readEnvelope(request("initialize"), headers("initialize"))).request.method, "initialize")
  })

  it("wants the version in header and body to be the same, and one that is spoken here", () => {
    const v999 = { ...claims, [`${P}protocolVersion`]: "v999" }
    const old = { ...claims, [`${P}protocolVersion`]: "2025-11-25" }
    assert.deepStrictEqual([refused(list(claims, { version: undefined })).status, refused(list(claims, { version: undefined })).code], [400, -32020])
    assert.strictEqual(refused(list(v999)).code, -32020)
    assert.strictEqual(refused(list(claims, { version: "v999" })).code, -32020)
    const { code, data, status } = refused(list(v999, { version: "v999" }))
    assert.deepStrictEqual({ code, data, status }, { code: -32022, status: 400, data: { supported: [version], requested: "v999" } })
    assert.strictEqual(refused(list(old, { version: "2025-11-25" })).code, -32022)
    assert.strictEqual(accepted(list(claims, { version: `\t${version} ` })).request.method, "tools/list")
  })

  it("wants Mcp-Method, exact but for white space around it", () => {
    const method = (header: string | undefined) => list(claims, { method: header })
    for (const header of [undefined, "TOOLS/LIST", "prompts/list", "tools/list\u00a0", "=?base64?dG9vbHMvbGlzdA==?="]) {
      assert.strictEqual(refused(method(header)).code, -32020, header)
    }
    assert.strictEqual(accepted(method("  tools/list\t")).request.method, "tools/list")
  })

  it("wants Mcp-Name where the method has a name", () => {
    assert.strictEqual(refused(call("t", undefined)).code, -32020)
    assert.strictEqual(refused(call("t", "T")).code, -32020)
    accepted(call("t", " t "))
    for (const [method, params] of [["prompts/get", { name: "x" }], ["resources/read", { uri: "x" }]] as const) {
      const named = (name: string | undefined) => readEnvelope(request(method, { _meta: claims, ...params }), headers(method, { name }))
      accepted(named("x"))
      assert.strictEqual(refused(named("y")).code, -32020)
      assert.strictEqual(refused(named(undefined)).code, -32020)
    }
    accepted(readEnvelope(request("tools/list"), headers("tools/list", { name: "whatever" })))
  })

  it("leaves a call that names nothing to the child, but not with a header that names something", () => {
    const nameless = (name: string | undefined) => readEnvelope(request("tools/call"), headers("tools/call", { name }))
    accepted(nameless(undefined))
    assert.strictEqual(refused(nameless("t")).code, -32020)
  })

  it("reads a name in base64, strictly", () => {
    accepted(call("größer", "=?base64?Z3LDtsOfZXI=?="))
    accepted(call("=?base64?Hello", "=?base64?Hello"))
    assert.match(refused(call("Hello", "=?base64?SGVsbG8?=")).message, /Mcp-Name is not "=\?base64/)
  })

  it("refuses in the order of the ladder", () => {
    const wrong = { version: "v999", method: "x", name: "x" }
    const at = (meta: unknown, changes: Partial<ModernHeaders>, name = "t") =>
      refused(readEnvelope(request("tools/call", { _meta: meta, name }), headers("tools/call", { name: "t", ...changes })))
    assert.strictEqual(at({}, wrong).code, -32602)
    assert.match(at(claims, wrong).message, /MCP-Protocol-Version/)
    assert.strictEqual(at({ ...claims, [`${P}protocolVersion`]: "v999" }, wrong).code, -32022)
    assert.match(at(claims, { method: "x", name: "x" }).message, /Mcp-Method/)
    assert.match(at(claims, { name: "x" }).message, /Mcp-Name/)
  })

  it("does not repeat more of a header than helps", () => {
    assert.isBelow(refused(call("t", "x".repeat(10_000))).message.length, 400)
  })

  it("whatever the request, no key of the protocol reaches the child, and nothing else is lost", () => {
    const json = fc.jsonValue().map((value): unknown => JSON.parse(JSON.stringify(value)))
    const key = fc.oneof(fc.string(), fc.constantFrom("__proto__", "constructor", `${P}x`, `${P}clientInfo`, "traceparent"))
    const entries = fc.array(fc.tuple(key, json)).map((all) => Object.fromEntries(all) as JsonObject)
    const none = new Set(["_meta", "inputResponses", "requestState", "task"])
    fc.assert(fc.property(entries, entries, (params, meta) => {
      const { progressToken: _token, [`${P}logLevel`]: _level, ...rest } = meta
      const sent = { ...params, _meta: { ...rest, ...claims } }
      const { request: { params: got = {} } } = accepted(readEnvelope(request("tools/list", sent), headers("tools/list")))
      const { _meta: gotMeta = {}, ...gotRest } = got
      assert.strictEqual(JSON.stringify(gotRest), JSON.stringify(Object.fromEntries(Object.entries(params).filter(([name]) => !none.has(name)))))
      assert.strictEqual(JSON.stringify(gotMeta), JSON.stringify(Object.fromEntries(Object.entries(rest).filter(([name]) => !name.startsWith(P)))))
    }))
  })
})

describe("the headers of a 2026-07-28 request", () => {
  it("are found by name; parameters by what follows the prefix", () => {
    assert.deepStrictEqual(
      modernHeaders({ "mcp-protocol-version": "v", "mcp-method": "m", "mcp-name": "n", "mcp-param-region": "r", "mcp-param-__proto__": "p", accept: "*/*" }),
      { version: "v", method: "m", name: "n", params: new Map([["region", "r"], ["__proto__", "p"]]) }
    )
    assert.deepStrictEqual(modernHeaders({}), { version: undefined, method: undefined, name: undefined, params: new Map() })
  })
})
