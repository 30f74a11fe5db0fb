import { assert, describe, it } from "@effect/vitest"
import { mayAsk } from "../../src/domain/ClientCapabilities.ts"

const table = [["sampling/createMessage", "sampling"], ["elicitation/create", "elicitation"], ["roots/list", "roots"]] as const

describe("what a client can be asked", () => {
  it("is what it has declared, and nothing else", () => {
    for (const [method, capability] of table) {
      for (const [other] of table) assert.strictEqual(mayAsk({ capabilities: { [capability]: {} } }, other), other === method, `${capability}: ${other}`)
      assert.isTrue(mayAsk({ capabilities: { [capability]: { listChanged: true } } }, method))
    }
  })

  it("is not what it has declared in a form that is none", () => {
    for (const [method, capability] of table) {
      for (const declared of [undefined, null, true, false, "yes", 1, []]) {
        assert.isFalse(mayAsk({ capabilities: { [capability]: declared } }, method), `${capability}: ${JSON.stringify(declared)}`)
      }
      for (const capabilities of [undefined, null, [], "sampling", { experimental: { [capability]: {} } }]) assert.isFalse(mayAsk({ capabilities }, method))
      assert.isFalse(mayAsk(undefined, method))
      assert.isFalse(mayAsk({ capabilities: Object.create({ [capability]: {} }) as unknown }, method))
    }
  })

  it("is anything that no revision names: the client says itself what it does not know", () => {
    for (const method of ["x/y", "toString", "__proto__", ""]) assert.isTrue(mayAsk(undefined, method))
  })
})
