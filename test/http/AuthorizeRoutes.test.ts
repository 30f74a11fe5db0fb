import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { maxPendingLogins } from "../../src/layers/PendingLoginsLive.ts"
import { type Answer, authorizePath, OAuthServer, openConsent, registered, send } from "../fakes/OAuthBrowser.ts"

const isPage = (answer: Answer, sentence: string) => {
  assert.strictEqual(answer.status, 400)
  assert.isUndefined(answer.location)
  assert.deepStrictEqual(answer.cookies, [])
  assert.include(answer.text, sentence)
  assert.match(answer.text, /Flow <code>[0-9a-f]{16}<\/code>/)
}

describe("the authorization endpoint", () => {
  it.effect("shows the broker's own consent page, and does not go to Forgejo", () =>
    Effect.gen(function*() {
      const { consent, page } = yield* openConsent
      assert.strictEqual(page.status, 200)
      assert.isUndefined(page.location)
      assert.include(page.text, "Some &lt;client&gt;")
      assert.include(page.text, "<strong class=\"host\">127.0.0.1:53121</strong>")
      assert.include(page.text, "this computer")
      assert.include(page.text, "git.example")
      for (const scope of ["read:user", "write:repository", "write:issue"]) assert.include(page.text, `<code>${scope}</code>`)
      assert.match(page.text, /<form[^>]*>(?:(?!<button)[\s\S])*<button class="first" type="submit" name="decision" value="allow">Allow<\/button>/)
      assert.notInclude(page.text, "<script")
      assert.deepStrictEqual(page.cookies.map((cookie) => cookie.replace(/=[A-Za-z0-9_-]+;/, "=...;")), [
        `__Host-fjmcp-consent-${consent.flow}=...; Path=/; HttpOnly; Secure; SameSite=strict; Max-Age`
      ])
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("cannot be framed, cached or scripted, and tells its own form where it comes from", () =>
    Effect.gen(function*() {
      const { page } = yield* openConsent
      const policy = page.headers["content-security-policy"] ?? ""
      assert.include(policy, "default-src 'none'")
      assert.include(policy, "frame-ancestors 'none'")
      assert.notInclude(policy, "form-action")
      assert.deepStrictEqual(
        ["x-frame-options", "x-content-type-options", "cache-control", "referrer-policy"].map((name) => page.headers[name]),
        ["DENY", "nosniff", "no-store", "same-origin"]
      )
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("answers at the path that 2025-03-26 clients assume, too", () =>
    Effect.gen(function*() {
      const clientId = yield* registered
      assert.strictEqual((yield* send("GET", authorizePath(clientId).replace("/oauth", ""))).status, 200)
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("answers with a page while client and redirect URI are not proven", () =>
    Effect.gen(function*() {
      const clientId = yield* registered
      isPage(yield* send("GET", "/oauth/authorize"), "The parameter &quot;client_id&quot; is missing.")
      isPage(yield* send("GET", authorizePath("unknown")), "Its client id was not made by this broker")
      for (const uri of ["http://127.0.0.1:53121/other", "https://evil.example/cb", "http://localhost/cb", "javascript:alert(1)"]) {
        isPage(yield* send("GET", authorizePath(clientId, { redirect_uri: uri })), "is not one of the redirect URIs that this client registered")
      }
      isPage(yield* send("GET", `${authorizePath(clientId)}&redirect_uri=x`), "&quot;redirect_uri&quot; may be given only once.")
      isPage(yield* send("GET", `${authorizePath(clientId)}&client_id=x`), "&quot;client_id&quot; may be given only once.")
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("tells the client of everything else, with state and iss", () =>
    Effect.gen(function*() {
      const clientId = yield* registered
      for (
        const [change, error] of [
          [{ response_type: "token" }, "unsupported_response_type"],
          [{ code_challenge_method: "plain" }, "invalid_request"],
          [{ code_challenge: "" }, "invalid_request"],
          [{ scope: "mcp:read" }, "invalid_scope"],
          [{ resource: "https://evil.example/" }, "invalid_target"]
        ] as const
      ) {
        const answer = yield* send("GET", authorizePath(clientId, change))
        assert.strictEqual(answer.status, 302)
        assert.strictEqual(answer.location?.host, "127.0.0.1:53121")
        assert.deepStrictEqual(["error", "state", "iss"].map((name) => answer.location?.searchParams.get(name)), [error, "client-state", "https://broker.example"])
        assert.match(answer.location?.searchParams.get("error_description") ?? "", /^[\x20-\x21\x23-\x5b\x5d-\x7e]+ Flow [0-9a-f]{16}\.$/)
        assert.deepStrictEqual(answer.cookies, [])
      }
    }).pipe(Effect.provide(OAuthServer)))
})

it.effect("with as many sign-ins in progress as there may be, the browser gets a page that says when to come back", () =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const clientId = yield* registered
    yield* sql`with recursive n (i) as (select 1 union all select i + 1 from n where i < ${maxPendingLogins})
      insert into pending_logins select 'flow' || i, 'c', 'r', null, 'c', 'mcp', 'r', 'h', 'h', null, null, 0, 'asked', 0, ${Number.MAX_SAFE_INTEGER} from n`
    const answer = yield* send("GET", authorizePath(clientId))
    assert.deepStrictEqual([answer.status, answer.headers["retry-after"], answer.location, answer.cookies], [503, "60", undefined, []])
    assert.include(answer.text, "Wait a minute, then go back to your client and connect again.")
    assert.match(answer.text, /Flow <code>[0-9a-f]{16}<\/code>/)
  }).pipe(Effect.provide(OAuthServer)))
