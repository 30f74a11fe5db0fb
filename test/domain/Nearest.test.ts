import { assert, describe, it } from "@effect/vitest"
import { nearest } from "../../src/domain/Nearest.ts"

describe("nearest", () => {
  it("finds the word that was probably meant", () => {
    const known = ["FJMCP_LISTEN", "FJMCP_FORGEJO_CLIENT_ID", "FJMCP_SESSION_IDLE"]
    assert.strictEqual(nearest("FJMCP_LSITEN", known), "FJMCP_LISTEN")
    assert.strictEqual(nearest("FJMCP_FORGEJO_CLIENTID", known), "FJMCP_FORGEJO_CLIENT_ID")
    assert.strictEqual(nearest("sevre", ["serve", "demo"]), "serve")
  })

  it("says nothing where nothing is near", () => {
    assert.isUndefined(nearest("sessions", ["serve", "demo"]))
    assert.isUndefined(nearest("x", []))
  })
})
