import { assert, layer } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { type AddressInfo, createServer, type Server } from "node:net"
import { ada, children, guest, initialize, rpc, SharedBroker, sharedBroker, toolCall } from "../e2e/TestBroker.ts"
import type { Answer } from "../e2e/Wire.ts"
import { json } from "../e2e/Wire.ts"
import { atCallback, authorizePath, code, comeBack, consent, redemption, register, registered, token } from "./Person.ts"

/** A page for a person, which leads nowhere and leaves nothing. */
const isDeadEnd = (answer: Answer, status: number, why: string) => {
  assert.strictEqual(answer.status, status, why)
  assert.match(answer.headers.get("content-type") ?? "", /^text\/html/, why)
  assert.isNull(answer.headers.get("location"), why)
  assert.deepStrictEqual(answer.headers.getSetCookie(), [], why)
}
const errorIn = (answer: Answer) => [answer.status, json(answer)["error"]]

layer(sharedBroker({ refreshGrace: Duration.zero }), { excludeTestServices: true })("black-box cases of signing in", (it) => {
  it.effect("case 26: registration: 201 with a client_id (and, as decided here, a secret that is never needed); http elsewhere and javascript: 400", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const made = yield* register(broker, "http://127.0.0.1/cb")
      assert.deepStrictEqual([made.status, json(made)["token_endpoint_auth_method"], json(made)["client_secret_expires_at"]], [201, "none", 0])
      assert.isString(json(made)["client_id"])
      for (const uri of ["http://evil.example/cb", "javascript:alert(1)"]) {
        assert.deepStrictEqual(errorIn(yield* register(broker, uri)), [400, "invalid_redirect_uri"], uri)
      }
    }))

  it.effect("case 27: loopback with any port: consent; another path, another host, an unknown client: a page and nothing else", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const clientId = yield* registered(broker)
      assert.strictEqual((yield* broker.get(authorizePath(clientId))).status, 200)
      const uris = ["http://127.0.0.1:53121/other", "http://evil.example/cb", "http://localhost:53121/cb"]
      for (const uri of uris) isDeadEnd(yield* broker.get(authorizePath(clientId, { redirect_uri: uri })), 400, uri)
      isDeadEnd(yield* broker.get(authorizePath("nobody")), 400, "unknown client")
    }))

  it.effect("case 28: the broker's own consent page first; a post without its proof 403; Allow goes to Forgejo with S256", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const { decide, page } = yield* consent(broker, yield* registered(broker))
      assert.strictEqual(page.status, 200)
      for (const part of ["Case client", "127.0.0.1", "write:repository"]) assert.include(page.text, part)
      assert.include(page.headers.get("content-security-policy"), "frame-ancestors 'none'")
      assert.isNull(page.headers.get("location"))
      assert.notInclude(page.headers.getSetCookie().join(), "login")
      for (const refused of [yield* decide("allow", { form_token: "x" }), yield* decide("allow", {}, { cookie: "" }), yield* decide("allow", {}, { origin: "https://evil.example" })]) {
        isDeadEnd(refused, 403, refused.text)
      }
      const allowed = yield* decide("allow")
      const to = new URL(allowed.headers.get("location") ?? "")
      // On an http loopback address cookies have no __Host- prefix.
      assert.match(allowed.headers.getSetCookie().join(), /^fjmcp-login-[^;]+; .*HttpOnly; .*SameSite=Lax/i)
      assert.deepStrictEqual([allowed.status, to.origin, to.pathname, to.searchParams.get("code_challenge_method")], [302, broker.forgejo.url, "/login/oauth/authorize", "S256"])
    }))

  it.effect("case 29: the callback: no state, a wrong one, no cookie, a replay: refused; else code, state, iss; Deny: access_denied", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const clientId = yield* registered(broker)
      const { callback, cookie } = yield* atCallback(broker, clientId)
      const changed = (state?: string) => {
        const url = new URL(callback)
        if (state === undefined) url.searchParams.delete("state")
        else url.searchParams.set("state", state)
        return url
      }
      isDeadEnd(yield* comeBack(broker, changed(), cookie), 400, "no state")
      isDeadEnd(yield* comeBack(broker, changed("x"), cookie), 400, "wrong state")
      isDeadEnd(yield* comeBack(broker, callback, ""), 403, "no cookie")
      const good = yield* comeBack(broker, callback, cookie)
      const parameters = new URL(good.headers.get("location") ?? "").searchParams
      assert.deepStrictEqual([good.status, [...parameters.keys()], parameters.get("state"), parameters.get("iss")], [302, ["code", "state", "iss"], "client-state", broker.url])
      const replay = yield* comeBack(broker, callback, cookie)
      assert.deepStrictEqual([replay.status, replay.headers.get("location")], [400, null])
      const denied = yield* Effect.flatMap(consent(broker, clientId), ({ decide }) => decide("deny"))
      const told = new URL(denied.headers.get("location") ?? "").searchParams
      assert.deepStrictEqual(["error", "state", "iss"].map((name) => told.get(name)), ["access_denied", "client-state", broker.url])
    }))

  it.scoped("case 30: the token endpoint: no verifier, a wrong one, a wrong resource, a replayed code, a spent refresh token (after its grace, as decided here)", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const clientId = yield* registered(broker)
      const good = redemption(clientId, yield* code(broker, clientId))
      const { code_verifier: _, ...without } = good
      assert.include(["invalid_grant", "invalid_request"], json(yield* token(broker, without))["error"])
      const second = redemption(clientId, yield* code(broker, clientId))
      assert.deepStrictEqual(errorIn(yield* token(broker, { ...second, code_verifier: "w".repeat(43) })), [400, "invalid_grant"])
      const third = redemption(clientId, yield* code(broker, clientId))
      assert.deepStrictEqual(errorIn(yield* token(broker, { ...third, resource: "https://other.example/mcp" })), [400, "invalid_target"])
      const fourth = redemption(clientId, yield* code(broker, clientId))
      const answer = yield* token(broker, fourth)
      assert.deepStrictEqual([answer.status, answer.headers.get("cache-control")], [200, "no-store"])
      const client = { clientId, token: String(json(answer)["access_token"]), refreshToken: String(json(answer)["refresh_token"]) }
      assert.strictEqual((yield* broker.post(client, rpc(1, "ping"), { session: "0".repeat(48) })).status, 410)
      assert.deepStrictEqual(errorIn(yield* token(broker, fourth)), [400, "invalid_grant"])
      assert.strictEqual((yield* broker.post(client, rpc(1, "ping"))).status, 401, "the replay has revoked them")
      const other = yield* guest(broker)
      const refreshed = yield* broker.refresh(other)
      assert.strictEqual(refreshed.status, 200)
      assert.strictEqual((yield* broker.refresh(other)).status, 400)
      assert.strictEqual((yield* broker.refresh(refreshed.client)).status, 400, "the family is revoked")
      assert.strictEqual((yield* broker.post(refreshed.client, rpc(1, "ping"))).status, 401)
    }))

  it.scoped("case 31, not yet: an https client_id is no client here, and nothing is fetched", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      let knocks = 0
      // For https too: what counts is the connection.
      const server = yield* Effect.acquireRelease(
        Effect.async<Server>((resume) => {
          const listening = createServer((socket) => {
            knocks += 1
            socket.destroy()
          }).listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
        }),
        (listening) => Effect.sync(() => listening.close())
      )
      const { port } = server.address() as AddressInfo
      for (const scheme of ["https", "http"]) isDeadEnd(yield* broker.get(authorizePath(`${scheme}://127.0.0.1:${port}/meta.json`)), 400, scheme)
      assert.strictEqual(knocks, 0)
      // It would have heard of one.
      yield* Effect.promise(() => fetch(`http://127.0.0.1:${port}/`).catch(() => undefined))
      assert.isAbove(knocks, 0)
    }))

  it.scoped("case 32: a grant revoked at Forgejo: the next call that Forgejo sees ends it; then 401 invalid_token, and no child is left", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      broker.forgejo.revokeGrant(ada.login, broker.forgejoApp)
      const before = broker.log.all("session.ended").length
      yield* broker.post(client, toolCall(1, "get_my_user_info"), { session })
      yield* broker.log.until("session.ended", before + 1)
      const refused = yield* broker.post(client, initialize(), { session })
      assert.strictEqual(refused.status, 401)
      assert.match(refused.headers.get("www-authenticate") ?? "", /^Bearer error="invalid_token"/)
      assert.deepStrictEqual(children(), [])
    }))
})
