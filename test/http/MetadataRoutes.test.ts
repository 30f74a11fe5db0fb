import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { json, OAuthServer, send } from "../fakes/OAuthBrowser.ts"

it.effect("the protected resource is described at both addresses, without offline_access", () =>
  Effect.gen(function*() {
    for (const path of ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"]) {
      const answer = yield* send("GET", path, { headers: { host: "evil.example" } })
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers["access-control-allow-origin"], "*")
      assert.deepStrictEqual(json(answer), {
        resource: "https://broker.example/mcp",
        authorization_servers: ["https://broker.example"],
        scopes_supported: ["mcp"],
        bearer_methods_supported: ["header"],
        resource_name: "Forgejo MCP"
      })
    }
  }).pipe(Effect.provide(OAuthServer)))

it.effect("the authorization server is described at the root only, and advertises only what is there", () =>
  Effect.gen(function*() {
    const body = json(yield* send("GET", "/.well-known/oauth-authorization-server"))
    assert.strictEqual(body["issuer"], "https://broker.example")
    assert.deepStrictEqual(body["code_challenge_methods_supported"], ["S256"])
    assert.deepStrictEqual(body["token_endpoint_auth_methods_supported"], ["none", "client_secret_basic", "client_secret_post"])
    assert.strictEqual(body["authorization_response_iss_parameter_supported"], true)
    assert.notProperty(body, "client_id_metadata_document_supported")
    for (const name of ["authorization", "token", "registration", "revocation"]) {
      const path = new URL(String(body[`${name}_endpoint`])).pathname
      assert.notStrictEqual((yield* send("GET", path)).status, 404, path)
    }
    assert.strictEqual((yield* send("GET", "/.well-known/oauth-authorization-server/mcp")).status, 404)
  }).pipe(Effect.provide(OAuthServer)))

it.effect("a client in a browser may read, register and fetch tokens from any origin", () =>
  Effect.gen(function*() {
    for (const path of ["/.well-known/oauth-authorization-server", "/oauth/register", "/oauth/token"]) {
      const answer = yield* send("OPTIONS", path)
      assert.deepStrictEqual([answer.status, answer.headers["access-control-allow-origin"]], [204, "*"])
    }
    assert.isUndefined((yield* send("OPTIONS", "/oauth/consent")).headers["access-control-allow-origin"])
  }).pipe(Effect.provide(OAuthServer)))
