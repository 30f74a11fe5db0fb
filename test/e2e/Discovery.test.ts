import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { initialize, SharedBroker, sharedBroker } from "./TestBroker.ts"
import { errorOf, json } from "./Wire.ts"

const resourcePath = "/.well-known/oauth-protected-resource"
const serverPath = "/.well-known/oauth-authorization-server"

layer(sharedBroker(), { excludeTestServices: true })("how a client finds its way", (it) => {
  it.effect("case 1: without a token everything is 401, says where to sign in, and names no error", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const challenge = `Bearer resource_metadata="${broker.url}/.well-known/oauth-protected-resource/mcp", scope="mcp"`
      const attempts: ReadonlyArray<readonly [string, RequestInit]> = [
        ["POST", { body: JSON.stringify(initialize()), headers: { "content-type": "application/json" } }],
        ["POST", { body: "not JSON" }],
        ["POST", {}],
        ["POST", { headers: { authorization: "Basic YTpi" } }],
        ["GET", {}],
        ["DELETE", { headers: { "mcp-session-id": "f".repeat(48) } }]
      ]
      for (const [method, init] of attempts) {
        const answer = yield* broker.get("/mcp", { method, ...init })
        assert.strictEqual(answer.status, 401)
        assert.strictEqual(answer.headers.get("www-authenticate"), challenge)
        assert.match(errorOf(answer).message, /^Sign in first/)
      }
    }))

  it.effect("case 1: a token that is no good is told apart: invalid_token, whoever made it, and only the header counts", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const session = yield* broker.open(client)
      const forgejoToken = broker.forgejo.requests.all.flatMap(({ authorization }) => authorization?.split(" ")[1] ?? []).at(-1) ?? ""
      assert.isAbove(forgejoToken.length, 20)
      for (const token of ["garbage", forgejoToken, client.refreshToken, `${client.token}x`]) {
        const answer = yield* broker.post({ ...client, token }, initialize())
        assert.strictEqual(answer.status, 401)
        assert.match(answer.headers.get("www-authenticate") ?? "", /^Bearer error="invalid_token", .*resource_metadata="/)
        assert.strictEqual(errorOf(answer).message, "The access token is unknown, expired or revoked. Sign in again.")
      }
      const inQuery = yield* broker.get(`/mcp?access_token=${client.token}`, { method: "POST" })
      assert.strictEqual(inQuery.status, 401)
      assert.notInclude(inQuery.headers.get("www-authenticate"), "error=")
      yield* broker.delete(client, session)
    }))

  it.effect("case 2: both addresses of the protected resource's metadata have the same document", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const [root, below] = yield* Effect.all([broker.get(resourcePath), broker.get(`${resourcePath}/mcp`)])
      assert.deepStrictEqual([root.status, below.status], [200, 200])
      assert.strictEqual(root.text, below.text)
      const document = json(root)
      assert.strictEqual(document["resource"], broker.mcpUrl)
      assert.deepStrictEqual(document["authorization_servers"], [broker.url])
      assert.notInclude(document["scopes_supported"] as ReadonlyArray<string>, "offline_access")
    }))

  it.effect("case 3: the authorization server's metadata name what there is, and nothing that comes later", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const answer = yield* broker.get(serverPath)
      const document = json(answer)
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(document["issuer"], broker.url)
      assert.deepStrictEqual(document["code_challenge_methods_supported"], ["S256"])
      assert.include(document["token_endpoint_auth_methods_supported"] as ReadonlyArray<string>, "none")
      assert.isTrue(document["authorization_response_iss_parameter_supported"])
      assert.notProperty(document, "client_id_metadata_document_supported")
      assert.strictEqual((yield* broker.get(`${serverPath}/mcp`)).status, 404)
      for (const [name, url] of Object.entries(document).filter(([name]) => name.endsWith("_endpoint"))) {
        const found = yield* broker.get(String(url).slice(broker.url.length), { method: "OPTIONS" })
        assert.notStrictEqual(found.status, 404, name)
      }
    }))

  it.effect("healthz and readyz answer without a token, and say what they looked at", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const alive = yield* broker.get("/healthz")
      assert.strictEqual(alive.status, 200)
      assert.hasAllKeys(json(alive), ["status", "version", "revision"])
      const ready = yield* broker.get("/readyz")
      assert.strictEqual(ready.status, 200)
      assert.deepStrictEqual(json(ready), { status: "ready", checks: { store: "ok", forgejo: "ok", child: "ok", draining: false } })
    }))

  it.effect("nobody may store an answer of /mcp or of the token endpoint, or guess its type", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const opened = yield* broker.post(client, initialize())
      const session = opened.headers.get("mcp-session-id") ?? ""
      const answers = {
        initialize: opened,
        unauthorized: yield* broker.get("/mcp", { method: "POST" }),
        malformed: yield* broker.post(client, "{"),
        get: yield* broker.get("/mcp", { headers: { authorization: `Bearer ${client.token}` } }),
        put: yield* broker.get("/mcp", { method: "PUT" }),
        origin: yield* broker.post(client, initialize(), { headers: { origin: "https://evil.example" } }),
        gone: yield* broker.post(client, initialize("2025-11-25"), { headers: { "mcp-protocol-version": "1999-01-01" } }),
        deleted: yield* broker.delete(client, session),
        again: yield* broker.delete(client, session),
        token: yield* broker.get("/oauth/token", { method: "POST", body: new URLSearchParams({ grant_type: "x" }) }),
        healthz: yield* broker.get("/healthz"),
        readyz: yield* broker.get("/readyz")
      }
      for (const [name, { headers }] of Object.entries(answers)) {
        assert.strictEqual(headers.get("cache-control"), "no-store", name)
        assert.strictEqual(headers.get("x-content-type-options"), "nosniff", name)
      }
    }))
})
