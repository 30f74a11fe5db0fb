import { assert, describe, it } from "@effect/vitest"
import { auth } from "@modelcontextprotocol/sdk/client/auth.js"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { Effect } from "effect"
import { ada, serving } from "../process/Serving.ts"
import { connect, connected, Provider, transportOf } from "./SdkProvider.ts"

const revokeAccessToken = async (url: string, provider: Provider) => {
  const body = new URLSearchParams({ token: provider.saved?.access_token ?? "", client_id: provider.client?.client_id ?? "" })
  assert.strictEqual((await fetch(`${url}/oauth/revoke`, { method: "POST", body })).status, 200)
}

describe("the client of the MCP SDK", () => {
  it.scopedLive("signs in, lists the tools, makes an issue, refreshes, and ends its session", () =>
    Effect.gen(function*() {
      const { daemon, forgejo, settings } = yield* serving()
      yield* Effect.promise(async () => {
        const provider = new Provider()
        const { client, transport } = await connected(settings.mcpUrl, provider)
        const [asked] = provider.asked
        assert.strictEqual(asked?.searchParams.get("resource"), settings.mcpUrl)
        assert.strictEqual(asked?.searchParams.get("code_challenge_method"), "S256")
        assert.strictEqual(client.getServerVersion()?.name, "Forgejo MCP Server")

        const { tools } = await client.listTools()
        assert.isAbove(tools.length, 100)
        assert.notInclude(tools.map(({ name }) => name), "download_release_attachment")
        const issue = { owner: ada.login, repo: "playground", title: "From the SDK", body: "Hello" }
        const made = await client.callTool({ name: "create_issue", arguments: issue })
        assert.include(JSON.stringify(made.content), "From the SDK")
        assert.deepStrictEqual(forgejo.issues(ada.login, "playground").map(({ title }) => title), ["From the SDK"])

        // The access token ends; the session and the refresh token do not.
        const before = provider.saved
        const sessionId = transport.sessionId
        await revokeAccessToken(settings.url, provider)
        const again = await client.listTools()
        assert.lengthOf(again.tools, tools.length)
        assert.notStrictEqual(provider.saved?.access_token, before?.access_token)
        assert.notStrictEqual(provider.saved?.refresh_token, before?.refresh_token)
        assert.strictEqual(transport.sessionId, sessionId)

        await revokeAccessToken(settings.url, provider)
        const reconnected = new Client({ name: "sdk", version: "1" })
        const second = transportOf(settings.mcpUrl, provider)
        await connect(reconnected, second)
        assert.notStrictEqual(second.sessionId, sessionId)
        assert.lengthOf((await reconnected.listTools()).tools, tools.length)
        assert.lengthOf(provider.asked, 1, "the person was asked once")

        await transport.terminateSession()
        await second.terminateSession()
        assert.isUndefined(transport.sessionId)
        await Promise.all([client.close(), reconnected.close()])
      })
      assert.deepStrictEqual(daemon.children(), [])
    }))

  it.scopedLive("auth() refreshes without a person, again and again, and asks when the grant is gone", () =>
    Effect.gen(function*() {
      const { settings } = yield* serving()
      yield* Effect.promise(async () => {
        const provider = new Provider()
        const { client } = await connected(settings.mcpUrl, provider)
        const seen = new Set([provider.saved?.access_token])
        for (let round = 0; round < 3; round++) {
          assert.strictEqual(await auth(provider, { serverUrl: settings.mcpUrl }), "AUTHORIZED")
          seen.add(provider.saved?.access_token)
        }
        assert.strictEqual(seen.size, 4)
        assert.lengthOf(provider.asked, 1)
        assert.isNotEmpty((await client.listTools()).tools)

        const body = new URLSearchParams({ token: provider.saved?.refresh_token ?? "", client_id: provider.client?.client_id ?? "" })
        assert.strictEqual((await fetch(`${settings.url}/oauth/revoke`, { method: "POST", body })).status, 200)
        const refusal = await client.listTools().then(() => "answered", (cause: Error) => cause.constructor.name)
        assert.strictEqual(refusal, "UnauthorizedError")
        assert.lengthOf(provider.asked, 2)
        await client.close()
      })
    }))
})
