import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { Browser, firstForm, visibleText } from "../../demo/Browser.ts"
import { badGateway } from "../../demo/forgejo/Faults.ts"
import { OAuthClient } from "../../demo/OAuthClient.ts"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import { ada, brokerOn, children, forgejoWith, initialize, rpc, type TestBroker, testBroker, toolCall } from "./TestBroker.ts"
import type { Answer } from "./Wire.ts"
import { json, response } from "./Wire.ts"

const checks = (answer: Answer) => json(answer)["checks"] as Readonly<Record<string, unknown>>

const startFailed = new RegExp(
  "^The Forgejo tool process could not be started: ([^.]+)\\. "
    + "Try again in a minute; if it stays so, give the operator this id: ([0-9a-f]{16})$"
)

/** The category that a person is told; the operator finds the same under the flow id in the log. */
const startFailure = (broker: TestBroker, answer: Answer, id: string) => {
  assert.deepStrictEqual([answer.status, response(answer).id, response(answer).error?.code], [200, id, -32603])
  assert.isNull(answer.headers.get("mcp-session-id"))
  const [, category, flow] = startFailed.exec(response(answer).error?.message ?? "") ?? []
  const logged = broker.log.all("session.start_failed").filter((entry) => entry["flow"] === flow)
  assert.deepStrictEqual(logged.map((entry) => entry["category"]), [category])
  return { category, detail: String(logged[0]?.["detail"]) }
}

/** The page on which a person who allows everything ends up. */
const lastPage = (broker: TestBroker) =>
  Effect.promise(async () => {
    const redirectUri = "http://127.0.0.1:9/callback"
    const oauth = new OAuthClient(broker.mcpUrl)
    const clientId = await oauth.register(await oauth.discover(), "Test client")
    const query = new URLSearchParams({
      response_type: "code",
      client_id: clientId,
      redirect_uri: redirectUri,
      code_challenge: "c".repeat(43),
      code_challenge_method: "S256"
    })
    const browser = new Browser(redirectUri)
    let page = await browser.get(`${broker.url}/oauth/authorize?${query}`)
    while (firstForm(page) !== undefined) page = await browser.submit(page, { user_name: ada.login, password: ada.password })
    return page
  })

describe("when something is not there", () => {
  it.scopedLive("no child program: readyz names it, and a session says why it cannot start", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker({ childCommand: ["/nowhere/forgejo-mcp"] })
      const ready = yield* broker.get("/readyz")
      assert.strictEqual(ready.status, 503)
      assert.strictEqual(
        checks(ready)["child"],
        "child program missing; the log says where it was looked for"
      )
      assert.notInclude(ready.text, "/nowhere", "readyz is for everybody")
      assert.strictEqual(
        (yield* broker.log.until("children.unavailable"))["reason"],
        "\"/nowhere/forgejo-mcp\" was not found; install it, or name it with its path in CHILD_COMMAND."
      )
      assert.strictEqual((yield* broker.get("/healthz")).status, 200)
      const client = yield* broker.signIn()
      assert.strictEqual(startFailure(broker, yield* broker.post(client, initialize("2025-11-25", "i")), "i").category, "binary missing")
      assert.strictEqual(startFailure(broker, yield* broker.post(client, rpc("d", "tools/list")), "d").category, "binary missing")
    }))

  it.scopedLive("a child that exits at once is told apart from a Forgejo that is away; its exit code is in the log", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker({ childCommand: [process.execPath, "-e", "process.exit(3)"] })
      const client = yield* broker.signIn()
      const failure = startFailure(broker, yield* broker.post(client, initialize("2025-11-25", "x")), "x")
      assert.deepStrictEqual(failure, { category: "child exited", detail: "exit code 3, signal none" })
    }))

  it.scopedLive("a child that refuses initialize: its own words reach the client, and no slot is lost", () =>
    Effect.gen(function*() {
      const refuse = `process.stdin.on("data", (line) => {
        console.log(JSON.stringify({ jsonrpc: "2.0", id: JSON.parse(line).id, error: { code: -32602, message: "not you" } }))
      })`
      const broker = yield* testBroker({ childCommand: [process.execPath, "-e", refuse], maxSessions: 1 })
      const client = yield* broker.signIn()
      for (const id of ["one", "two"]) {
        const answer = yield* broker.post(client, initialize("2025-11-25", id))
        assert.strictEqual(answer.status, 200)
        assert.deepStrictEqual(response(answer), { jsonrpc: "2.0", id, error: { code: -32602, message: "not you" } })
        assert.isNull(answer.headers.get("mcp-session-id"))
        yield* broker.log.until("session.ended", id === "one" ? 1 : 2)
      }
    }))

  it.scopedLive("a Forgejo that hangs: the start is given up in time, and the child that waits for it is gone", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker({ startTimeout: Duration.millis(600) })
      const client = yield* broker.signIn()
      const remove = broker.forgejo.faults.add({ path: "/api/v1/version", action: { kind: "hang" } })
      const failure = startFailure(broker, yield* broker.post(client, initialize("2025-11-25", "h")), "h")
      assert.deepStrictEqual(failure, { category: "child did not answer", detail: "no answer to initialize within 600ms" })
      yield* broker.log.until("session.ended")
      assert.deepStrictEqual(children(), [])
      remove()
      assert.strictEqual((yield* broker.post(client, initialize())).status, 200)
    }))

  it.scopedLive("Forgejo down: the broker starts and serves what was signed in before, says so in readyz and to clients", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      const forgejo = yield* forgejoWith()
      const before = yield* brokerOn(forgejo, dataDir)
      const client = yield* before.signIn()
      const session = yield* before.open(client)
      yield* before.stop
      yield* Effect.promise(() => forgejo.stop())

      const port = Number(new URL(before.url).port)
      const broker = yield* brokerOn(forgejo, dataDir, { publicUrl: before.url, listen: { host: "127.0.0.1", port } })
      assert.strictEqual((yield* before.get("/healthz")).status, 200)
      const ready = yield* before.get("/readyz")
      assert.strictEqual(ready.status, 503)
      const forgejoDown = "cannot be reached (the connection was refused); check FORGEJO_URL"
      assert.deepInclude(checks(ready), { store: "ok", child: "ok", forgejo: forgejoDown })
      // The id was good before the restart, and still is: only a child cannot be had now.
      const revival = startFailure(broker, yield* before.post(client, rpc("back", "tools/list"), { session }), "back")
      const failure = startFailure(broker, yield* before.post(client, initialize("2025-11-25", "down")), "down")
      assert.deepStrictEqual([revival.category, failure.category], ["Forgejo unreachable", "Forgejo unreachable"])
      assert.strictEqual((yield* before.post(client, rpc(1, "ping"), { session })).status, 200)
    }))

  it.scopedLive("sign-in with Forgejo away: Allow says so, instead of sending the browser there, and works again later", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker()
      const remove = broker.forgejo.faults.add({ path: "/api/v1/version", action: badGateway })
      const page = yield* lastPage(broker)
      assert.strictEqual(page.status, 503)
      assert.include(visibleText(page.text), "Forgejo cannot be reached")
      assert.include(visibleText(page.text), "go back one page and press Allow again")
      remove()
      yield* broker.signIn()
    }))

  it.scopedLive("sign-in explains itself when Forgejo does not answer the broker, with the flow id of the log", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker()
      const remove = broker.forgejo.faults.add({ path: "/login/oauth/access_token", action: badGateway })
      const page = yield* lastPage(broker)
      assert.strictEqual(page.status, 503)
      const text = visibleText(page.text)
      assert.include(text, "Forgejo does not answer")
      assert.include(text, "Nothing is wrong on your side. Wait a minute, go back to your client and connect again.")
      const { flow, reason } = broker.log.all("signin.failed")[0] ?? assert.fail("nothing is logged")
      assert.match(String(flow), /^[0-9a-f]{16}$/)
      assert.include(text, String(flow))
      assert.match(String(reason), /^unavailable: exchange: /)
      remove()
      const client = yield* broker.signIn()
      const session = yield* broker.open(client)
      assert.strictEqual((yield* broker.post(client, toolCall(1, "get_my_user_info"), { session })).status, 200)
    }))
})
