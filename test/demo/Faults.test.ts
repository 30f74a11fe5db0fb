import { afterEach, assert, describe, it } from "@effect/vitest"
import { badGateway, tooManyRequests } from "../../demo/forgejo/Faults.ts"
import type { ForgejoOptions } from "../../demo/forgejo/Forgejo.ts"
import { world as makeWorld } from "./Visitor.ts"

let stop: () => Promise<void> = async () => {}
const world = async (options?: ForgejoOptions) => {
  const made = await makeWorld(options)
  stop = made.forgejo.stop
  return made
}
afterEach(() => stop())

const failure = (promise: Promise<unknown>): Promise<string> => promise.then(() => "answered", (cause: unknown) => String(cause))

describe("the stand-in's faults", () => {
  it("hit as often as they are told, only where they are told", async () => {
    const { forgejo } = await world()
    forgejo.faults.add({ path: "/api/v1/version", method: "GET", times: 2, action: badGateway })
    const ask = (path: string) => fetch(forgejo.url + path)
    assert.strictEqual((await ask("/api/v1/settings/api")).status, 200)
    const first = await ask("/api/v1/version")
    assert.deepStrictEqual([first.status, first.headers.get("content-type")], [502, "text/html"])
    assert.strictEqual((await ask("/api/v1/version")).status, 502)
    assert.strictEqual((await ask("/api/v1/version")).status, 200)
    const clear = forgejo.faults.add({ path: /^\/api/, action: tooManyRequests(7) })
    assert.strictEqual((await ask("/api/v1/settings/api")).headers.get("retry-after"), "7")
    clear()
    assert.strictEqual((await ask("/api/v1/settings/api")).status, 200)
  })

  it("reset the connection", async () => {
    const { forgejo } = await world()
    forgejo.faults.add({ path: /./, action: { kind: "reset" } })
    assert.include(await failure(fetch(forgejo.url)), "fetch failed")
    forgejo.faults.clear()
    assert.strictEqual((await fetch(forgejo.url)).status, 200)
  })

  it("hang before the headers until the server stops", async () => {
    const { forgejo } = await world()
    forgejo.faults.add({ path: "/", action: { kind: "hang" } })
    const hung = failure(fetch(forgejo.url))
    while (forgejo.requests.count("/") === 0) await new Promise(setImmediate)
    await forgejo.stop()
    assert.include(await hung, "fetch failed")
  })

  it("hang in the middle of a body", async () => {
    const { forgejo } = await world()
    forgejo.faults.add({ path: "/api/v1/version", action: { kind: "hangMidBody" } })
    const response = await fetch(`${forgejo.url}/api/v1/version`)
    assert.strictEqual(response.status, 200)
    const reader = response.body?.getReader()
    assert.isAbove((await reader?.read())?.value?.length ?? 0, 0)
    const rest = failure(reader?.read() ?? Promise.resolve())
    await forgejo.stop()
    assert.notStrictEqual(await rest, "answered")
  })

  it("lose the answer of a refresh after the counter went up", async () => {
    const { app, forgejo, login, refresh } = await world()
    const { refresh_token: token } = await login()
    forgejo.faults.add({ path: "/login/oauth/access_token", times: 1, action: { kind: "loseAnswer" } })
    assert.include(await failure(refresh(token)), "fetch failed")
    assert.strictEqual(forgejo.grant("alice", app.clientId)?.counter, 2)
    assert.strictEqual((await refresh(token)).body.error_description, "token was already used")
  })

  it("answer with 5 MiB", async () => {
    const { forgejo } = await world()
    forgejo.faults.add({ path: "/api/v1/version", action: { kind: "huge" } })
    assert.isAbove((await (await fetch(`${forgejo.url}/api/v1/version`)).text()).length, 5 * 1024 * 1024)
  })

  it("are seen by the recorder, with the token that was sent", async () => {
    const { api, forgejo } = await world()
    forgejo.requests.clear()
    await api("/version?x=1", "a.b.c")
    const [seen] = forgejo.requests.all
    assert.deepInclude(seen, { method: "GET", path: "/api/v1/version", query: "x=1", authorization: "Bearer a.b.c" })
  })
})
