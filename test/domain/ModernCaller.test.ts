import { assert, describe, it } from "@effect/vitest"
import type { JsonObject } from "../../src/domain/JsonRpc.ts"
import { callerOf } from "../../src/domain/ModernCaller.ts"
import type { Envelope } from "../../src/domain/ModernEnvelope.ts"

const large = "x".repeat(1024 * 1024)
const envelope = (params: JsonObject | undefined, changes: Partial<Envelope> = {}): Envelope => ({
  capabilities: {},
  logLevel: undefined,
  inputResponses: undefined,
  requestState: undefined,
  ...changes,
  request: { _tag: "Request", id: "r", method: "tools/call", params }
})

describe("what is kept of a request until it is answered", () => {
  it("is small, however large arguments, metadata, answers, state and capabilities are", () => {
    const junk = { [large]: large, deep: [{ large }] }
    const kept = callerOf(envelope({ name: "t", arguments: { large }, _meta: { progressToken: 7, traceparent: large } }, {
      capabilities: {
        elicitation: { ...junk, form: junk, url: { applyDefaults: large } },
        sampling: { ...junk, tools: junk, context: junk },
        roots: { ...junk, listChanged: true },
        experimental: junk,
        [large]: {}
      },
      logLevel: "warning",
      inputResponses: { large },
      requestState: large
    }))
    assert.isBelow(JSON.stringify(kept).length, 300)
    assert.deepStrictEqual(kept, {
      id: "r",
      method: "tools/call",
      uri: undefined,
      capabilities: { elicitation: { form: {}, url: {} }, sampling: { tools: {} }, roots: {} },
      logLevel: "warning",
      progressToken: 7
    })
  })

  it("has of the capabilities what is declared, and nothing that is no object or nobody's own", () => {
    const capabilitiesOf = (capabilities: JsonObject) => callerOf(envelope({}, { capabilities })).capabilities
    assert.deepStrictEqual(capabilitiesOf({ elicitation: {}, sampling: { tools: true, form: {} } }), { elicitation: {}, sampling: {} })
    assert.deepStrictEqual(capabilitiesOf({ elicitation: true, sampling: null, roots: [] }), {})
    assert.deepStrictEqual(capabilitiesOf(Object.create({ roots: {} }) as JsonObject), {})
  })

  it("has the address of a resource, and a progress token that is one", () => {
    const { progressToken, uri } = callerOf(envelope({ uri: "x:1", _meta: { progressToken: { large } } }))
    assert.deepStrictEqual([uri, progressToken], ["x:1", undefined])
    assert.deepStrictEqual([callerOf(envelope({ uri: 7, _meta: null })).uri, callerOf(envelope(undefined)).uri], [undefined, undefined])
  })
})
