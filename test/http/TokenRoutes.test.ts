import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, TestClock } from "effect"
import { Grants } from "../../src/services/Grants.ts"
import { type Answer, json, OAuthServer, redeemForm, registered, send, signedIn, token } from "../fakes/OAuthBrowser.ts"

const error = (answer: Answer) => [answer.status, json(answer)["error"], json(answer)["error_description"]]
const kind = (answer: Answer) => [answer.status, json(answer)["error"]]
const accepted = (bearer: unknown) => Effect.flatMap(Grants, (grants) => Effect.isSuccess(grants.verify(Redacted.make(String(bearer)))))
const refreshForm = (clientId: string, refreshToken: unknown) => ({ grant_type: "refresh_token", client_id: clientId, refresh_token: String(refreshToken) })

describe("the token endpoint", () => {
  it.effect("redeems a code for tokens that nobody may cache", () =>
    Effect.gen(function*() {
      const answer = yield* token(redeemForm(yield* signedIn))
      const body = json(answer)
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual([body["token_type"], body["expires_in"], body["scope"]], ["Bearer", 3600, "mcp"])
      assert.strictEqual(answer.headers["cache-control"], "no-store")
      assert.isTrue(yield* accepted(body["access_token"]))
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("at its other path, with the resource in another spelling, and without redirect_uri as OAuth 2.1 has it", () =>
    Effect.gen(function*() {
      const { redirect_uri: _, ...form } = redeemForm(yield* signedIn)
      const answer = yield* send("POST", "/token", { form: { ...form, resource: "HTTPS://BROKER.EXAMPLE/mcp/" } })
      assert.strictEqual(answer.status, 200)
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("refuses a redemption without or with a wrong verifier, for a wrong resource, and a replay, which revokes", () =>
    Effect.gen(function*() {
      const form = redeemForm(yield* signedIn)
      const { code_verifier: _, ...bare } = form
      assert.deepStrictEqual(error(yield* token(bare)), [400, "invalid_request", "\"code_verifier\" is missing: PKCE is required."])
      assert.deepStrictEqual(kind(yield* token({ ...form, code_verifier: "w".repeat(43) })), [400, "invalid_grant"])
      assert.deepStrictEqual(error(yield* token({ ...form, resource: "https://evil.example/" })), [400, "invalid_target", "\"resource\" must be \"https://broker.example/mcp\"."])
      assert.deepStrictEqual(kind(yield* token({ ...form, client_id: yield* registered })), [400, "invalid_grant"])
      const tokens = json(yield* token(form))
      assert.deepStrictEqual(kind(yield* token(form)), [400, "invalid_grant"])
      assert.isFalse(yield* accepted(tokens["access_token"]))
      assert.deepStrictEqual(kind(yield* token(refreshForm(form.client_id, tokens["refresh_token"]))), [400, "invalid_grant"])
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("gives the same successor to a spent refresh token within the grace; later use is 400 and ends the grant", () =>
    Effect.gen(function*() {
      const form = redeemForm(yield* signedIn)
      const tokens = json(yield* token(form))
      const refresh = token(refreshForm(form.client_id, tokens["refresh_token"]))
      const first = json(yield* refresh)
      yield* TestClock.adjust("4 minutes")
      const second = json(yield* refresh)
      assert.deepStrictEqual([second["access_token"], second["refresh_token"]], [first["access_token"], first["refresh_token"]])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(kind(yield* refresh), [400, "invalid_grant"])
      assert.isFalse(yield* accepted(first["access_token"]))
      assert.deepStrictEqual(kind(yield* token(refreshForm(form.client_id, first["refresh_token"]))), [400, "invalid_grant"])
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("takes a client's secret by Basic, form-encoded as RFC 6749 says, or in the body", () =>
    Effect.gen(function*() {
      const client = json(yield* send("POST", "/oauth/register", { json: { redirect_uris: ["http://127.0.0.1/cb"] } }))
      const id = String(client["client_id"])
      const secret = String(client["client_secret"])
      const basic = (user: string, password: string) => ({ authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` })
      const form = { grant_type: "refresh_token", refresh_token: "x" }
      // Past authentication: the token is what is wrong then.
      const through = [400, "invalid_grant"]
      assert.deepStrictEqual(kind(yield* token(form, basic(id, secret))), through)
      assert.deepStrictEqual(kind(yield* token(form, basic(id.replace(/./g, (c) => `%${c.charCodeAt(0).toString(16)}`), secret))), through)
      assert.deepStrictEqual(kind(yield* token({ ...form, client_id: id, client_secret: secret })), through)
      assert.deepStrictEqual(kind(yield* token({ ...form, client_id: id, client_secret: secret }, { authorization: "Bearer old" })), through)
      const wrong = yield* token(form, basic(id, "wrong"))
      assert.deepStrictEqual(kind(wrong), [401, "invalid_client"])
      assert.include(wrong.headers["www-authenticate"] ?? "", "Basic")
      assert.deepStrictEqual(kind(yield* token({ ...form, client_id: id })), [401, "invalid_client"])
      assert.deepStrictEqual(kind(yield* token(form, { authorization: "Basic %%%" })), [401, "invalid_client"])
      assert.deepStrictEqual(error(yield* token({ ...form, client_secret: secret }, basic(id, secret))), [
        400,
        "invalid_request",
        "Send the client_secret in the Authorization header or in the body, not in both."
      ])
      assert.deepStrictEqual(error(yield* token({ ...form, client_id: "other" }, basic(id, secret))), [
        400,
        "invalid_request",
        "\"client_id\" in the body differs from the one in the Authorization header."
      ])
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("says of each malformed request what is wrong with it", () =>
    Effect.gen(function*() {
      const client_id = yield* registered
      const form = "application/x-www-form-urlencoded"
      assert.deepStrictEqual(error(yield* send("POST", "/oauth/token", { json: {} })), [415, "invalid_request", `The content type of this request must be "${form}".`])
      assert.deepStrictEqual(error(yield* token({})), [400, "invalid_request", "\"client_id\" is missing."])
      assert.deepStrictEqual(error(yield* token({ client_id })), [400, "invalid_request", "\"grant_type\" is missing: \"authorization_code\" or \"refresh_token\"."])
      assert.deepStrictEqual(error(yield* token({ client_id, grant_type: "password" })), [
        400,
        "unsupported_grant_type",
        "\"grant_type\" must be \"authorization_code\" or \"refresh_token\"."
      ])
      assert.deepStrictEqual(error(yield* token({ client_id, grant_type: "authorization_code" })), [400, "invalid_request", "\"code\" is missing."])
      assert.deepStrictEqual(error(yield* token({ client_id, grant_type: "refresh_token" })), [400, "invalid_request", "\"refresh_token\" is missing."])
      assert.deepStrictEqual(error(yield* token({ client_id, grant_type: "refresh_token", refresh_token: "x", scope: "mcp:read" })), [400, "invalid_scope", "The only scope here is \"mcp\"."])
      assert.deepStrictEqual(kind(yield* token({ client_id: "unknown", grant_type: "refresh_token" })), [401, "invalid_client"])
      const twice = yield* send("POST", "/oauth/token", { body: `client_id=${client_id}&client_id=x`, headers: { "content-type": form } })
      assert.deepStrictEqual(error(twice), [400, "invalid_request", "A parameter is given more than once; each may be given only once."])
      const large = yield* send("POST", "/oauth/token", { body: "x".repeat(65_537), headers: { "content-type": form } })
      assert.deepStrictEqual(error(large), [413, "invalid_request", "The body may have at most 65536 bytes."])
      const method = yield* send("GET", "/oauth/token")
      assert.deepStrictEqual([...error(method), method.headers["allow"]], [405, "invalid_request", "/oauth/token takes POST, OPTIONS only.", "POST, OPTIONS"])
    }).pipe(Effect.provide(OAuthServer)))
})

describe("the revocation endpoint", () => {
  it.effect("ends a token or a grant, and does not tell unknown tokens apart", () =>
    Effect.gen(function*() {
      const form = redeemForm(yield* signedIn)
      const tokens = json(yield* token(form))
      const revoke = (value: unknown) => send("POST", "/oauth/revoke", { form: { client_id: form.client_id, token: String(value) } })
      assert.strictEqual((yield* revoke("never seen")).status, 200)
      assert.strictEqual((yield* revoke(tokens["access_token"])).status, 200)
      assert.isFalse(yield* accepted(tokens["access_token"]))
      const next = json(yield* token(refreshForm(form.client_id, tokens["refresh_token"])))
      assert.strictEqual((yield* revoke(next["refresh_token"])).status, 200)
      assert.isFalse(yield* accepted(next["access_token"]))
    }).pipe(Effect.provide(OAuthServer)))
  it.effect("says what is missing", () =>
    Effect.gen(function*() {
      const client_id = yield* registered
      assert.deepStrictEqual(error(yield* send("POST", "/oauth/revoke", { form: { client_id } })), [400, "invalid_request", "\"token\" is missing."])
      assert.deepStrictEqual(kind(yield* send("POST", "/oauth/revoke", { form: { client_id: "x", token: "y" } })), [401, "invalid_client"])
    }).pipe(Effect.provide(OAuthServer)))
})
