import { afterEach, assert, describe, it } from "@effect/vitest"
import type { ForgejoOptions } from "../../demo/forgejo/Forgejo.ts"
import { callback, firstForm, scope, Visitor, world as makeWorld } from "./Visitor.ts"

let stop: () => Promise<void> = async () => {}
const world = async (options?: ForgejoOptions) => {
  const made = await makeWorld(options)
  stop = made.forgejo.stop
  return made
}
afterEach(() => stop())

describe("the stand-in's authorization endpoint", () => {
  it("leads a visitor through sign-in and consent back to the client with code and state", async () => {
    const { authorizePath, forgejo } = await world({ prefillLogin: { login: "alice", password: "secret" } })
    const visitor = new Visitor(forgejo.url)
    const first = await visitor.fetch(authorizePath())
    assert.strictEqual(first.status, 303)
    assert.strictEqual(first.headers.get("location"), "/user/login")
    const signIn = firstForm(await (await visitor.fetch("/user/login")).text())
    assert.deepStrictEqual(signIn.fields, { user_name: "alice", password: "secret" })
    const back = await visitor.post(signIn.action, signIn.fields)
    assert.strictEqual(back.status, 303)
    const consent = firstForm(await (await visitor.fetch(back.headers.get("location") ?? "")).text())
    assert.strictEqual(consent.action, "/login/oauth/grant")
    assert.deepStrictEqual(consent.button, ["granted", "true"])
    const done = await visitor.post(consent.action, { ...consent.fields, granted: "true" })
    const target = new URL(done.headers.get("location") ?? "")
    assert.strictEqual(done.status, 303)
    assert.strictEqual(target.origin + target.pathname, callback)
    assert.match(target.searchParams.get("code") ?? "", /^gta_[a-z2-7]{52}$/)
    assert.strictEqual(target.searchParams.get("state"), "st")
  })

  it("shows the form again after a wrong password and starts no session", async () => {
    const { authorizePath, forgejo } = await world()
    const visitor = new Visitor(forgejo.url)
    const wrong = await visitor.post("/user/login", { user_name: "alice", password: "guess" })
    assert.strictEqual(wrong.status, 200)
    assert.include(await wrong.text(), "Username or password is incorrect.")
    assert.strictEqual((await visitor.fetch(authorizePath())).headers.get("location"), "/user/login")
  })

  it("answers unknown clients and redirect URIs with a page, not with a redirect", async () => {
    const { authorizePath, signedIn } = await world()
    const visitor = await signedIn()
    for (const [changes, words] of [
      [{ client_id: "nobody" }, "Client ID not registered"],
      [{ redirect_uri: "http://evil.example/" }, "Unregistered Redirect URI"],
      [{ redirect_uri: "" }, "Unregistered Redirect URI"]
    ] as const) {
      const response = await visitor.fetch(authorizePath(changes))
      assert.strictEqual(response.status, 400)
      assert.isNull(response.headers.get("location"))
      assert.include(await response.text(), words)
    }
  })

  it("sends the other errors to the redirect URI, with the state", async () => {
    const { authorize, forgejo, signedIn } = await world()
    const visitor = await signedIn()
    const wrongType = await authorize(visitor, { response_type: "token" })
    assert.deepStrictEqual([wrongType.get("error"), wrongType.get("state")], ["unsupported_response_type", "st"])
    const wrongMethod = await authorize(visitor, { code_challenge_method: "S512" })
    assert.strictEqual(wrongMethod.get("error_description"), "unsupported code challenge method")
    const publicApp = forgejo.registerApp({ name: "Tool", redirectUris: [callback], confidential: false })
    const noPkce = await authorize(visitor, { client_id: publicApp.clientId, code_challenge_method: "" })
    assert.strictEqual(noPkce.get("error_description"), "PKCE is required for public clients")
  })

  it("tells the client when the user refuses", async () => {
    const { authorizePath, signedIn } = await world()
    const visitor = await signedIn()
    const consent = firstForm(await (await visitor.fetch(authorizePath())).text())
    const refused = await visitor.post(consent.action, { ...consent.fields, granted: "false" })
    const answer = new URL(refused.headers.get("location") ?? "").searchParams
    assert.deepStrictEqual([answer.get("error"), answer.get("error_description")], ["access_denied", "the request is denied"])
  })

  it("takes a consent only for the authorization shown last in the same browser", async () => {
    const { authorizePath, forgejo, signedIn } = await world()
    const visitor = await signedIn()
    const earlier = firstForm(await (await visitor.fetch(authorizePath({ state: "one" }))).text())
    await visitor.fetch(authorizePath({ state: "two" }))
    assert.strictEqual((await visitor.post(earlier.action, { ...earlier.fields, granted: "true" })).status, 400)
    assert.lengthOf(forgejo.state.grants, 0)
  })

  it("refuses a consent that another site posted", async () => {
    const { authorizePath, forgejo, signedIn } = await world()
    const visitor = await signedIn()
    const consent = firstForm(await (await visitor.fetch(authorizePath())).text())
    for (const headers of [{ "sec-fetch-site": "cross-site" }, { origin: "http://evil.example" }]) {
      assert.strictEqual((await visitor.post(consent.action, { ...consent.fields, granted: "true" }, headers)).status, 403)
    }
    assert.lengthOf(forgejo.state.grants, 0)
  })

  it("authorizes a confidential client again without a question and keeps the old scope", async () => {
    const { app, authorizePath, code, forgejo, signedIn } = await world()
    await code()
    const again = await (await signedIn()).fetch(authorizePath({ scope: "openid all" }))
    assert.strictEqual(again.status, 303)
    assert.isNotNull(new URL(again.headers.get("location") ?? "").searchParams.get("code"))
    assert.strictEqual(forgejo.grant("alice", app.clientId)?.scope, scope)
  })

  it("asks again for a public client and fails when the scope differs from the grant's", async () => {
    const { authorize, forgejo, signedIn } = await world()
    const publicApp = forgejo.registerApp({ name: "Tool", redirectUris: ["http://127.0.0.1/cb"], confidential: false })
    const visitor = await signedIn()
    const client = { client_id: publicApp.clientId, redirect_uri: "http://127.0.0.1:4711/cb" }
    assert.isNotNull((await authorize(visitor, client)).get("code"))
    const other = await authorize(visitor, { ...client, scope: "openid read:user" })
    assert.deepStrictEqual([other.get("error"), other.get("error_description")], ["server_error", "a grant exists with different scope"])
  })

  it("ignores the port of a loopback address for public clients only", async () => {
    const { authorizePath, signedIn } = await world()
    const visitor = await signedIn()
    assert.strictEqual((await visitor.fetch(authorizePath({ redirect_uri: callback.replace(":9", ":10") }))).status, 400)
    const sameInOtherCase = `${callback.toUpperCase().replace("HTTP", "http")}/`
    assert.strictEqual((await visitor.fetch(authorizePath({ redirect_uri: sameInOtherCase }))).status, 200)
  })

  it("escapes what it shows", async () => {
    const { authorizePath, forgejo, signedIn } = await world()
    const app = forgejo.registerApp({ name: "<script>alert(1)</script>", redirectUris: [callback] })
    const page = await (await (await signedIn()).fetch(authorizePath({ client_id: app.clientId, state: "\"><img src=x>" }))).text()
    assert.notInclude(page, "<script>alert")
    assert.notInclude(page, "<img")
    assert.strictEqual(firstForm(page).fields["state"], "\"><img src=x>")
  })

  it("does not let redirect_to lead away from itself", async () => {
    const { forgejo } = await world()
    for (const target of ["https://evil.example/", "//evil.example/", "/\\evil.example/"]) {
      const response = await fetch(`${forgejo.url}/user/login`, {
        method: "POST",
        body: new URLSearchParams({ user_name: "alice", password: "secret" }),
        headers: { cookie: `redirect_to=${encodeURIComponent(target)}` },
        redirect: "manual"
      })
      assert.strictEqual(response.headers.get("location"), "/")
    }
  })

  it("has no RFC 8414 document, no registration and no revocation", async () => {
    const { forgejo } = await world()
    assert.strictEqual((await fetch(`${forgejo.url}/.well-known/oauth-authorization-server`)).status, 404)
    assert.strictEqual((await fetch(`${forgejo.url}/login/oauth/register`, { method: "POST" })).status, 404)
    assert.strictEqual((await fetch(`${forgejo.url}/login/oauth/revoke`, { method: "POST" })).status, 404)
    const read = async () => await (await fetch(`${forgejo.url}/.well-known/openid-configuration`)).json() as Record<string, unknown>
    assert.strictEqual((await read())["issuer"], forgejo.url)
    forgejo.knobs.issuerSlash = true
    assert.strictEqual((await read())["issuer"], `${forgejo.url}/`)
    assert.notProperty(await read(), "registration_endpoint")
  })
})
