import { afterEach, assert, describe, it } from "@effect/vitest"
import { createPublicKey, verify } from "node:crypto"
import type { ForgejoOptions } from "../../demo/forgejo/Forgejo.ts"
import { callback, world as makeWorld } from "./Visitor.ts"

let stop: () => Promise<void> = async () => {}
const world = async (options?: ForgejoOptions) => {
  const made = await makeWorld(options)
  stop = made.forgejo.stop
  return made
}
afterEach(() => stop())

const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>

type Answer = { readonly status: number; readonly body: { readonly error?: string; readonly error_description?: string } }

const assertRefused = ({ body, status }: Answer, error: string, description: string) => {
  assert.deepStrictEqual([status, body.error, body.error_description], [400, error, description])
}

describe("the stand-in's token endpoint", () => {
  it("answers a code with a pair of RS256 tokens, no scope, and an id_token for openid", async () => {
    const { app, forgejo, login } = await world()
    const tokens = await login({ nonce: "n1" })
    const grant = forgejo.grant("alice", app.clientId)
    assert.notProperty(tokens, "scope")
    assert.strictEqual(tokens.expires_in, 3600)
    const { exp, iat, ...access } = claimsOf(tokens.access_token)
    assert.deepStrictEqual(access, { gnt: grant?.id, tt: 0 })
    assert.strictEqual(Number(exp) - Number(iat), 3600)
    assert.deepInclude(claimsOf(tokens.refresh_token), { gnt: grant?.id, tt: 1, cnt: 1 })
    assert.deepInclude(claimsOf(tokens.id_token ?? ""), { iss: forgejo.url, aud: [app.clientId], nonce: "n1", preferred_username: "alice" })
    const { keys } = await (await fetch(`${forgejo.url}/login/oauth/keys`)).json() as { keys: [Record<string, string>] }
    const [header, payload, signature = ""] = tokens.access_token.split(".")
    const key = createPublicKey({ key: keys[0], format: "jwk" })
    assert.isTrue(verify("RSA-SHA256", Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64url")))
  })

  it("gives no id_token without openid", async () => {
    const { login } = await world()
    assert.notProperty(await login({ scope: "read:user" }), "id_token")
  })

  it("gives the same access token twice within a second", async () => {
    const { login, refresh } = await world({ now: () => 1_800_000_000_000 })
    const first = await login()
    const second = await refresh(first.refresh_token)
    assert.strictEqual(second.body.access_token, first.access_token)
    assert.notStrictEqual(second.body.refresh_token, first.refresh_token)
  })

  it("takes the client from Basic without URL-decoding, from JSON, and refuses two that differ", async () => {
    const { app, code, forgejo, token, verifier } = await world()
    const url = `${forgejo.url}/login/oauth/access_token`
    const fields = async () => ({ grant_type: "authorization_code", code: await code(), redirect_uri: callback, code_verifier: verifier })
    const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`
    const headers = { authorization: basic(app.clientId, app.clientSecret) }
    assert.strictEqual((await fetch(url, { method: "POST", headers, body: new URLSearchParams(await fields()) })).status, 200)
    const json = JSON.stringify({ ...await fields(), client_id: app.clientId, client_secret: app.clientSecret })
    assert.strictEqual((await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: json })).status, 200)
    assertRefused(
      await token({ client_id: "other", client_secret: "" }, headers),
      "invalid_request",
      "client_id in request body inconsistent with Authorization header"
    )
    assertRefused(
      await token({ client_id: "", client_secret: "other" }, headers),
      "invalid_request",
      "client_secret in request body inconsistent with Authorization header"
    )
    assertRefused(await token({ client_id: "" }, { authorization: "Basic ???" }), "invalid_request", "cannot parse basic auth header")
  })

  it("refuses other grant types", async () => {
    const { token } = await world()
    assertRefused(
      await token({ grant_type: "client_credentials" }),
      "unsupported_grant_type",
      "Only refresh_token or authorization_code grant type is supported"
    )
  })

  it("refuses a code with the texts of the error table", async () => {
    const { app, code, forgejo, redeem } = await world()
    const good = await code()
    assertRefused(await redeem(good, { client_id: "no" }), "invalid_client", "cannot load client with client id: 'no'")
    assertRefused(await redeem(good, { client_secret: "no" }), "unauthorized_client", "invalid client secret")
    assertRefused(await redeem(good, { client_secret: "" }), "unauthorized_client", "invalid empty client secret")
    assertRefused(await redeem(good, { redirect_uri: "http://evil.example" }), "unauthorized_client", "unexpected redirect URI")
    assertRefused(await redeem("gta_no"), "unauthorized_client", "client is not authorized")
    assertRefused(await redeem(good, { code_verifier: "no" }), "unauthorized_client", "failed PKCE code challenge")
    assertRefused(await redeem(good, { code_verifier: "" }), "unauthorized_client", "failed PKCE code challenge")
    assertRefused(
      await redeem(good, { redirect_uri: `${callback}/` }),
      "unauthorized_client",
      "redirect_uri does not match the authorization request"
    )
    const other = forgejo.registerApp({ name: "Other", redirectUris: [callback] })
    assertRefused(await redeem(good, { client_id: other.clientId, client_secret: other.clientSecret }), "invalid_grant", "invalid grant")
    assert.strictEqual((await redeem(good)).status, 200)
    assertRefused(await redeem(good), "unauthorized_client", "client is not authorized")
    assert.strictEqual(forgejo.grant("alice", app.clientId)?.counter, 1)
  })

  it("before 15.0.2 compares no redirect URI", async () => {
    const { code, redeem } = await world({ knobs: { strictness: "11.0.13" } })
    assert.strictEqual((await redeem(await code(), { redirect_uri: "" })).status, 200)
  })

  it("refuses a refresh with the texts of the error table", async () => {
    const { forgejo, login, refresh } = await world()
    const { access_token: access, refresh_token: good } = await login()
    assertRefused(await refresh(good, { client_id: "no" }), "invalid_client", "cannot load client with client id: \"no\"")
    assertRefused(await refresh(good, { client_secret: "no" }), "invalid_client", "invalid client secret")
    assertRefused(await refresh(good, { client_secret: "" }), "invalid_client", "invalid empty client secret")
    assertRefused(await refresh("garbage"), "unauthorized_client", "unable to parse refresh token")
    assertRefused(await refresh(access), "unauthorized_client", "token is not a refresh token")
    const other = forgejo.registerApp({ name: "Other", redirectUris: [callback] })
    const asOther = { client_id: other.clientId, client_secret: other.clientSecret }
    assertRefused(await refresh(good, asOther), "invalid_grant", "refresh token was not issued to this client")
    assert.strictEqual((await refresh(good)).status, 200)
    assertRefused(await refresh(good), "unauthorized_client", "token was already used")
  })

  it("rotates: the newest refresh token is good, a spent one is not, and its reuse ends nothing", async () => {
    const { api, login, refresh } = await world()
    const first = await login()
    const second = (await refresh(first.refresh_token)).body
    assertRefused(await refresh(first.refresh_token), "unauthorized_client", "token was already used")
    assert.strictEqual((await refresh(second.refresh_token)).status, 200)
    assert.strictEqual((await api("/user", first.access_token)).status, 200)
  })

  it("lets a second sign-in of the same user end the first refresh token, not the access token", async () => {
    const { api, login, refresh } = await world()
    const first = await login()
    const second = await login()
    assertRefused(await refresh(first.refresh_token), "unauthorized_client", "token was already used")
    assert.strictEqual((await refresh(second.refresh_token)).status, 200)
    assert.strictEqual((await api("/user", first.access_token)).status, 200)
  })

  it("without rotation lets every refresh token live", async () => {
    const { login, refresh } = await world({ knobs: { rotate: false } })
    const first = await login()
    await login()
    assert.strictEqual((await refresh(first.refresh_token)).status, 200)
    assert.strictEqual((await refresh(first.refresh_token)).status, 200)
  })

  it("lets one of two racing refreshes win", async () => {
    const { login, refresh } = await world({ knobs: { raceMs: 30 } })
    const { refresh_token: token } = await login()
    const answers = await Promise.all([refresh(token), refresh(token)])
    const refused = answers.filter(({ status }) => status === 400)
    assert.lengthOf(refused, 1)
    assertRefused(refused[0] as Answer, "invalid_grant", "cannot increase the grant counter")
  })

  it("before 15.0.2 lets both racing refreshes win, though only one token works afterwards", async () => {
    const { login, refresh } = await world({ knobs: { raceMs: 30, strictness: "11.0.13" } })
    const { refresh_token: token } = await login()
    const answers = await Promise.all([refresh(token), refresh(token)])
    assert.deepStrictEqual(answers.map(({ status }) => status), [200, 200])
    const later = await Promise.all(answers.map(({ body }) => refresh(body.refresh_token)))
    assert.deepStrictEqual(later.map(({ status }) => status).sort(), [200, 400])
  })

  it("lets one of two racing code exchanges win", async () => {
    const { code, redeem } = await world({ knobs: { raceMs: 30 } })
    const given = await code()
    const answers = await Promise.all([redeem(given), redeem(given)])
    assertRefused(answers.find(({ status }) => status === 400) as Answer, "invalid_request", "cannot proceed your request")
    assert.strictEqual(answers.filter(({ status }) => status === 200).length, 1)
  })

  it("ends tokens by time, by revocation and by a new key", async () => {
    let now = 1_800_000_000_000
    const { api, app, forgejo, login, refresh } = await world({ now: () => now, knobs: { accessSeconds: 60, refreshSeconds: 600 } })
    const first = await login()
    assert.strictEqual((await api("/user", first.access_token)).status, 200)
    now += 60_000
    assert.strictEqual((await api("/user", first.access_token)).status, 401)
    const second = (await refresh(first.refresh_token)).body
    now += 600_000
    assertRefused(await refresh(second.refresh_token), "unauthorized_client", "unable to parse refresh token")

    const third = await login()
    forgejo.revokeGrant("alice", app.clientId)
    assert.strictEqual((await api("/user", third.access_token)).status, 401)
    assertRefused(await refresh(third.refresh_token), "invalid_grant", "grant does not exist")

    const fourth = await login()
    forgejo.rotateKey()
    assert.strictEqual((await api("/user", fourth.access_token)).status, 401)
    assertRefused(await refresh(fourth.refresh_token), "unauthorized_client", "unable to parse refresh token")
  })

  it("lets the user revoke the grant in the settings", async () => {
    const { api, login, signedIn } = await world()
    const { access_token: access } = await login()
    const visitor = await signedIn()
    const page = await (await visitor.fetch("/user/settings/applications")).text()
    const action = /action="([^"]*\/revoke\/\d+)"/.exec(page)?.[1] ?? ""
    assert.strictEqual((await visitor.post(action, {})).status, 303)
    assert.strictEqual((await api("/user", access)).status, 401)
  })
})

describe("the stand-in's userinfo and introspection", () => {
  it("names the user by number", async () => {
    const { forgejo, login } = await world()
    const { access_token: access, refresh_token: refreshToken } = await login()
    const ask = (authorization?: string) =>
      fetch(`${forgejo.url}/login/oauth/userinfo`, authorization === undefined ? {} : { headers: { authorization } })
    assert.deepInclude(await (await ask(`Bearer ${access}`)).json(), { sub: "1", preferred_username: "alice", name: "Alice" })
    const none = await ask()
    assert.deepStrictEqual([none.status, await none.text()], [401, "no valid authorization"])
    assert.strictEqual(none.headers.get("www-authenticate"), "Bearer realm=\"\"")
    assert.strictEqual((await ask(`Bearer ${refreshToken}`)).status, 401)
  })

  it("introspects for clients only, and calls spent refresh tokens active", async () => {
    const { app, forgejo, login, refresh } = await world()
    const { refresh_token: spent } = await login({ scope: "openid read:user" })
    await refresh(spent)
    const ask = async (password: string, token: string) => {
      const authorization = `Basic ${Buffer.from(`${app.clientId}:${password}`).toString("base64")}`
      const body = new URLSearchParams({ token })
      return fetch(`${forgejo.url}/login/oauth/introspect`, { method: "POST", body, headers: { authorization } })
    }
    assert.strictEqual((await ask("wrong", spent)).status, 401)
    const active = { active: true, scope: "openid read:user", username: "alice", iss: forgejo.url, sub: "1", aud: [app.clientId] }
    assert.deepStrictEqual(await (await ask(app.clientSecret, spent)).json(), active)
    assert.deepStrictEqual(await (await ask(app.clientSecret, "garbage")).json(), { active: false })
  })
})
