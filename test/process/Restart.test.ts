import { assert, describe, it } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js"
import { Effect } from "effect"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Browser } from "../../demo/Browser.ts"
import { OAuthClient } from "../../demo/OAuthClient.ts"
import { s256Challenge } from "../../src/domain/Pkce.ts"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import { untilGone } from "./DaemonProcess.ts"
import { ada, openSession, refresh, serve, serving, signIn } from "./Serving.ts"

const verifier = "the-verifier-of-a-login-that-outlives-the-daemon-01"
const redirectUri = "http://127.0.0.1:9/callback"

/** Answers `initialize`, and ends neither with its input nor at TERM. */
const stubbornChild = `
process.on("SIGTERM", () => {})
setInterval(() => {}, 1000)
process.stdin.setEncoding("utf8").once("data", (line) => {
  const result = { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: { name: "stubborn", version: "1" } }
  console.log(JSON.stringify({ jsonrpc: "2.0", id: JSON.parse(line).id, result }))
})
`

describe("serve, killed with kill -9", () => {
  it.scopedLive("even a child that ignores the end of its input dies", () =>
    Effect.gen(function*() {
      const script = join(yield* tempDirectory, "stubborn.mjs")
      writeFileSync(script, stubbornChild)
      const { daemon, settings } = yield* serving({ FJMCP_CHILD_COMMAND: `"${process.execPath}" "${script}"` })
      yield* openSession(settings.mcpUrl, (yield* signIn(settings.mcpUrl)).access_token)
      const children = daemon.children()
      assert.lengthOf(children, 1)
      yield* daemon.end("SIGKILL")
      yield* untilGone(children)
    }))

  it.scopedLive("the next start takes the old tokens and goes on with the old sessions", () =>
    Effect.gen(function*() {
      const { daemon, settings } = yield* serving()
      const { access_token, clientId, refresh_token } = yield* signIn(settings.mcpUrl)
      const client = yield* openSession(settings.mcpUrl, access_token)
      assert.deepInclude(yield* daemon.end("SIGKILL"), { code: null, signal: "SIGKILL" })

      yield* serve(settings)
      const old = yield* Effect.promise(() => client.request("tools/list"))
      assert.deepStrictEqual([old.status, old.result === undefined], [200, false])
      const again = yield* openSession(settings.mcpUrl, access_token)
      assert.isDefined((yield* Effect.promise(() => again.request("tools/list"))).result)
      const refreshed = yield* refresh(settings.url, clientId, refresh_token)
      assert.strictEqual(refreshed.status, 200)
      yield* openSession(settings.mcpUrl, refreshed.tokens.access_token)
    }))

  it.scopedLive("the official SDK's client does not notice: its session goes on, and so does its GET stream", () =>
    Effect.gen(function*() {
      const { daemon, settings } = yield* serving()
      const { access_token } = yield* signIn(settings.mcpUrl)
      let reopened = () => {}
      const isReopened = new Promise<void>((resolve) => (reopened = resolve))
      let streams = 0
      const transport = new StreamableHTTPClientTransport(new URL(settings.mcpUrl), {
        fetch: async (url, init) => {
          const answer = await fetch(url, init)
          if (init?.method === "GET" && answer.ok && ++streams === 2) reopened()
          return answer
        },
        requestInit: { headers: { authorization: `Bearer ${access_token}` } },
        reconnectionOptions: { initialReconnectionDelay: 50, maxReconnectionDelay: 200, reconnectionDelayGrowFactor: 1, maxRetries: 100 }
      })
      const client = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const connected = new Client({ name: "sdk", version: "1" })
          // Its declaration does not fit this project's strict optional properties.
          await connected.connect(transport as Transport)
          return connected
        }),
        (connected) => Effect.promise(() => connected.close())
      )
      const tools = Effect.promise(() => client.listTools())
      assert.isAbove((yield* tools).tools.length, 100)
      const session = transport.sessionId
      yield* daemon.end("SIGKILL")
      const next = yield* serve(settings)
      assert.isAbove((yield* tools).tools.length, 100)
      assert.strictEqual(transport.sessionId, session)
      assert.lengthOf(next.log.filter(({ event }) => event === "session.revived"), 1)
      // The client opens its stream again by itself, after the time that it was told, and the end of the session ends it.
      yield* Effect.promise(() => isReopened)
      yield* Effect.promise(() => transport.terminateSession())
      yield* next.untilLogged("http.request", ({ method, path, status }) => method === "GET" && path === "/mcp" && status === 200)
    }))

  it.scopedLive("a sign-in whose consent page, and one whose Forgejo page was open can be completed", () =>
    Effect.gen(function*() {
      const { daemon, settings } = yield* serving()
      const oauth = new OAuthClient(settings.mcpUrl)
      const server = yield* Effect.promise(() => oauth.discover())
      const clientId = yield* Effect.promise(() => oauth.register(server, "Patient"))
      const url = `${server.authorization_endpoint}?${new URLSearchParams({
        response_type: "code",
        client_id: clientId,
        redirect_uri: redirectUri,
        state: "client-state",
        code_challenge: s256Challenge(verifier),
        code_challenge_method: "S256"
      })}`
      const [asked, leaving] = [new Browser(redirectUri), new Browser(redirectUri)]
      const consentPage = yield* Effect.promise(() => asked.get(url))
      const loginPage = yield* Effect.promise(async () => leaving.submit(await leaving.get(url)))
      assert.include(loginPage.url, "/user/login")
      yield* daemon.end("SIGKILL")
      yield* serve(settings)

      const credentials = { user_name: ada.login, password: ada.password }
      const codes = yield* Effect.promise(async () => {
        const first = await leaving.submit(await leaving.submit(loginPage, credentials))
        // Forgejo remembers the grant by now, and does not ask a second time.
        const second = await asked.submit(await asked.submit(consentPage), credentials)
        return [first, second].map((page) => new URL(page.url).searchParams)
      })
      for (const answer of codes) {
        assert.strictEqual(answer.get("state"), "client-state", answer.toString())
        const body = new URLSearchParams({
          grant_type: "authorization_code",
          client_id: clientId,
          code: answer.get("code") ?? "",
          redirect_uri: redirectUri,
          code_verifier: verifier
        })
        const tokens = yield* Effect.promise(() => fetch(server.token_endpoint, { method: "POST", body }))
        assert.strictEqual(tokens.status, 200)
      }
    }))

  it.scopedLive("an issue that was answered is there, and no secret lies open in the data directory", () =>
    Effect.gen(function*() {
      const { daemon, forgejo, settings } = yield* serving()
      const { access_token, refresh_token } = yield* signIn(settings.mcpUrl)
      const client = yield* openSession(settings.mcpUrl, access_token)
      const upstream = forgejo.requests.all.flatMap(({ authorization }) => /^(?:Bearer|token) (.+)/i.exec(authorization ?? "")?.[1] ?? [])
      assert.isNotEmpty(upstream)
      yield* daemon.end("SIGKILL")
      const files = readdirSync(settings.dataDir).filter((name) => name.includes("sqlite"))
      assert.include(files, "broker.sqlite-wal")
      const data = files.map((name) => readFileSync(join(settings.dataDir, name), "latin1")).join("\n")
      const secrets = [access_token, refresh_token, client.sessionId ?? "?", settings.clientSecret, ...upstream]
      assert.deepStrictEqual(secrets.filter((secret) => data.includes(secret)), [])
    }))
})
