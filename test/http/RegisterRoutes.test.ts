import { SqlClient } from "@effect/sql"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Answer, json, OAuthServer, send } from "../fakes/OAuthBrowser.ts"

const error = (answer: Answer) => [answer.status, json(answer)["error"], json(answer)["error_description"]]
const register = (body: unknown, path = "/oauth/register") => send("POST", path, { json: body })

it.effect("registering answers 201 and stores nothing; public clients get a secret that never expires, too", () =>
  Effect.gen(function*() {
    const answer = yield* register({
      redirect_uris: ["http://127.0.0.1/cb"],
      client_name: "x",
      application_type: "native",
      token_endpoint_auth_method: "none"
    }, "/register")
    assert.strictEqual(answer.status, 201)
    assert.strictEqual(answer.headers["cache-control"], "no-store")
    const { client_id, client_secret, ...rest } = json(answer)
    assert.match(String(client_id), /^[A-Za-z0-9_-]+$/)
    assert.match(String(client_secret), /^[A-Za-z0-9_-]{43}$/)
    assert.deepStrictEqual(rest, {
      client_id_issued_at: 0,
      client_secret_expires_at: 0,
      client_name: "x",
      redirect_uris: ["http://127.0.0.1/cb"],
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      scope: "mcp"
    })
    assert.deepStrictEqual(yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select * from clients`), [])
  }).pipe(Effect.provide(OAuthServer)))

it.effect("a registration that is wrong is refused with a sentence", () =>
  Effect.gen(function*() {
    assert.deepStrictEqual(error(yield* register({ redirect_uris: ["http://evil.example/cb"] })), [
      400,
      "invalid_redirect_uri",
      "A redirect URI with http may only point to 127.0.0.1, [::1] or localhost. Use https for every other host."
    ])
    assert.deepStrictEqual(error(yield* register({ redirect_uris: ["javascript:alert(1)"] })).slice(0, 2), [400, "invalid_redirect_uri"])
    assert.deepStrictEqual(error(yield* register([])).slice(0, 2), [400, "invalid_client_metadata"])
    const json = { "content-type": "application/json" }
    assert.deepStrictEqual(error(yield* send("POST", "/oauth/register", { body: "{", headers: json })), [400, "invalid_client_metadata", "The body is not valid JSON."])
    assert.deepStrictEqual(error(yield* send("POST", "/oauth/register", { body: "{}" })), [
      415,
      "invalid_client_metadata",
      "The content type of this request must be \"application/json\"."
    ])
    assert.deepStrictEqual(error(yield* send("POST", "/oauth/register", { body: "x".repeat(65_537), headers: json })).slice(0, 2), [413, "invalid_client_metadata"])
  }).pipe(Effect.provide(OAuthServer)))
