import { afterEach, assert, describe, it } from "@effect/vitest"
import type { ForgejoOptions } from "../../demo/forgejo/Forgejo.ts"
import { apiScopeOf } from "../../demo/forgejo/Scopes.ts"
import { world as makeWorld } from "./Visitor.ts"

let stop: () => Promise<void> = async () => {}
const world = async (options?: ForgejoOptions) => {
  const made = await makeWorld(options)
  stop = made.forgejo.stop
  return made
}
afterEach(() => stop())

describe("the stand-in's API", () => {
  it("tells its version to anybody, but refuses a bad token even there", async () => {
    const { api, forgejo } = await world()
    assert.deepStrictEqual((await api("/version")).json(), { version: "15.0.3+gitea-1.22.0" })
    const refused = await api("/version", "a.b.c")
    assert.strictEqual(refused.status, 401)
    assert.deepStrictEqual(refused.json(), { message: "user does not exist [uid: 0, name: ]", url: `${forgejo.url}/api/swagger` })
    assert.strictEqual((await api("/user")).json()["message"], "token is required")
  })

  it("echoes the token in 401 bodies from Forgejo 16 on", async () => {
    const { api } = await world({ knobs: { unauthorizedStyle: 16 } })
    assert.include((await api("/version", "a.b.c")).body, "access token does not exist [sha: a.b.c]")
  })

  it("takes `token X`, `Bearer X`, the query and Basic", async () => {
    const { api, login } = await world()
    const { access_token: token } = await login()
    const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`
    const asPassword = [basic(`alice:${token}`), basic(`${token}:x-oauth-basic`), basic("alice:secret")]
    for (const authorization of [`token ${token}`, `Bearer ${token}`, ...asPassword]) {
      assert.strictEqual((await api("/user", undefined, { headers: { authorization } })).json()["login"], "alice")
    }
    assert.strictEqual((await api(`/user?access_token=${token}`)).status, 200)
  })

  it("makes, shows, lists, closes and comments issues", async () => {
    const { api, forgejo, login } = await world()
    const { access_token: token } = await login()
    const made = await api("/repos/alice/notes/issues", token, {
      method: "POST",
      body: JSON.stringify({ title: "Broken", body: "It is.", ref: "", assignees: null, milestone: 0, labels: null, closed: false })
    })
    assert.strictEqual(made.status, 201)
    assert.deepInclude(made.json(), { number: 1, title: "Broken", state: "open", html_url: `${forgejo.url}/alice/notes/issues/1` })
    assert.strictEqual((await fetch(`${forgejo.url}/alice/notes/issues/1`)).status, 200)
    assert.strictEqual((await api("/repos/alice/notes/issues/1", token)).json()["body"], "It is.")
    const comment = await api("/repos/alice/notes/issues/1/comments", token, { method: "POST", body: JSON.stringify({ body: "Yes." }) })
    assert.strictEqual(comment.status, 201)
    const closed = await api("/repos/alice/notes/issues/1", token, { method: "PATCH", body: JSON.stringify({ state: "closed" }) })
    assert.strictEqual(closed.json()["state"], "closed")
    assert.strictEqual((await api("/repos/alice/notes/issues?type=", token)).body, "[]")
    const all = await api("/repos/alice/notes/issues?state=all", token)
    assert.strictEqual(all.headers.get("x-total-count"), "1")
    assert.deepInclude((JSON.parse(all.body) as [Record<string, unknown>])[0], { title: "Broken", comments: 1 })
    const empty = await api("/repos/alice/notes/issues", token, { method: "POST", body: JSON.stringify({ title: " " }) })
    assert.deepStrictEqual([empty.status, empty.json()["message"]], [422, "[Title]: Required"])
    assert.lengthOf(forgejo.issues("alice", "notes"), 1)
  })

  it("enforces the scope of the grant", async () => {
    const { api, login } = await world()
    const { access_token: token } = await login({ scope: "openid read:user read:issue" })
    assert.strictEqual((await api("/repos/alice/notes/issues", token)).status, 200)
    const refused = await api("/repos/alice/notes/issues", token, { method: "POST", body: JSON.stringify({ title: "No" }) })
    assert.deepStrictEqual(
      [refused.status, refused.json()["message"]],
      [403, "token does not have at least one of required scope(s): [write:issue]"]
    )
    assert.strictEqual((await api("/user/repos", token)).status, 403)
  })

  it("gives everything to a scope without API words", async () => {
    const { api, login } = await world()
    const { access_token: token } = await login({ scope: "openid profile" })
    const made = await api("/repos/alice/notes/issues", token, { method: "POST", body: JSON.stringify({ title: "Yes" }) })
    assert.strictEqual(made.status, 201)
    assert.isTrue(apiScopeOf("read:everything").allows("write", "admin"))
    assert.isTrue(apiScopeOf("write:issue").allows("read", "issue"))
    assert.isFalse(apiScopeOf("write:issue nonsense").allows("read", "user"))
  })

  it("hides private repositories of others behind 404", async () => {
    const { api, forgejo, login } = await world()
    forgejo.addUser({ login: "bob", password: "secret" })
    forgejo.addRepo("bob", "diary", { private: true })
    forgejo.addRepo("alice", "own", { private: true })
    const { access_token: token } = await login()
    assert.strictEqual((await api("/repos/bob/diary", token)).status, 404)
    assert.strictEqual((await api("/repos/bob/diary/issues", token)).status, 404)
    assert.strictEqual((await api("/repos/alice/own", token)).status, 200)
    assert.strictEqual((await api("/user/repos?page=2&limit=1", token)).headers.get("x-total-count"), "2")
    assert.match((await api("/user/repos?limit=1", token)).headers.get("link") ?? "", /page=2.*rel="next"/)
  })

  it("lets only administrators act as others", async () => {
    const { api, forgejo, login } = await world()
    const { access_token: token } = await login()
    assert.strictEqual((await api("/user?sudo=alice", token)).json()["message"], "Only administrators allowed to sudo.")
    forgejo.addUser({ login: "root", password: "secret", isAdmin: true })
    const authorization = `Basic ${Buffer.from("root:secret").toString("base64")}`
    assert.strictEqual((await api("/user", undefined, { headers: { authorization, sudo: "alice" } })).json()["login"], "alice")
  })

  it("refuses the tokens of a blocked account with 403", async () => {
    const { api, forgejo, login } = await world()
    const { access_token: token } = await login()
    forgejo.prohibitLogin("alice", true)
    assert.strictEqual((await api("/version", token)).status, 403)
  })

  it("registers applications, public ones unless told", async () => {
    const { api, forgejo } = await world()
    const authorization = `Basic ${Buffer.from("alice:secret").toString("base64")}`
    const register = (body: object) =>
      api("/user/applications/oauth2", undefined, { method: "POST", headers: { authorization }, body: JSON.stringify(body) })
    const made = await register({ name: "Mine", redirect_uris: ["http://127.0.0.1:1/cb"], confidential_client: true })
    assert.strictEqual(made.status, 201)
    assert.match(String(made.json()["client_secret"]), /^gto_/)
    assert.isFalse((await register({ name: "Other", redirect_uris: [] })).json()["confidential_client"])
    assert.lengthOf(forgejo.state.apps, 3)
  })

  it("makes personal access tokens for a password, with their scopes", async () => {
    const { api } = await world()
    const authorization = `Basic ${Buffer.from("alice:secret").toString("base64")}`
    const body = JSON.stringify({ name: "t", scopes: ["read:user"] })
    const { sha1 } = (await api("/users/alice/tokens", undefined, { method: "POST", headers: { authorization }, body })).json()
    assert.strictEqual((await api("/user", String(sha1))).status, 200)
    assert.strictEqual((await api("/user/repos", String(sha1))).status, 403)
  })
})
