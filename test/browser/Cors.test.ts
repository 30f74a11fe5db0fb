import { it } from "@effect/vitest"
import { Effect } from "effect"
import type { Page } from "playwright-core"
import { assert } from "vitest"
import { serve, settingsFor, signIn, standInForgejo } from "../process/Serving.ts"
import { describeInBrowser, newContext } from "./Chromium.ts"
import { foreignSite } from "./Visit.ts"

/** What a page's script gets when it uses the broker with `fetch` and nothing else. */
const asPage = (page: Page, mcpUrl: string, token: string) =>
  page.evaluate(async ([url, bearer]) => {
    const send = async (method: string, message: unknown, more: Record<string, string>) => {
      const headers = { authorization: `Bearer ${bearer}`, accept: "application/json, text/event-stream", ...more }
      const body = message === undefined ? {} : { body: JSON.stringify(message) }
      const answer = await fetch(url, { method, headers: message === undefined ? headers : { ...headers, "content-type": "application/json" }, ...body })
      return { status: answer.status, type: answer.headers.get("content-type"), session: answer.headers.get("mcp-session-id"), answer }
    }
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "page", version: "1" } }
    const opened = await send("POST", { jsonrpc: "2.0", id: 1, method: "initialize", params }, {})
    const session = { "mcp-session-id": opened.session ?? "", "mcp-protocol-version": "2025-11-25" }
    // The headers of the newer revision and of tracing, too: a preflight that lacks one would stop the whole request.
    const more = { ...session, "mcp-method": "tools/list", "mcp-param-region": "eu", traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }
    const listed = await send("POST", { jsonrpc: "2.0", id: 2, method: "tools/list" }, more)
    const tools = (await listed.answer.json() as { result: { tools: ReadonlyArray<unknown> } }).result.tools.length
    const stream = await send("GET", undefined, { ...session, "last-event-id": "none" })
    const first = await stream.answer.body?.getReader().read()
    const unauthorized = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: "{}" })
    const gone = await send("POST", { jsonrpc: "2.0", id: 3, method: "tools/list" }, { "mcp-session-id": "0".repeat(48) })
    const deleted = await send("DELETE", undefined, session)
    return {
      opened: [opened.status, opened.session?.length],
      listed: [listed.status, tools > 100],
      stream: [stream.status, stream.type, (first?.value?.length ?? 0) > 0],
      unauthorized: [unauthorized.status, unauthorized.headers.get("www-authenticate")?.startsWith("Bearer resource_metadata=")],
      gone: [gone.status, (await gone.answer.json() as { error: { message: string } }).error.message.slice(0, 35)],
      deleted: deleted.status
    }
  }, [mcpUrl, token] as const)

describeInBrowser("a page that is an MCP client", () => {
  it.scopedLive("works on an allowed origin, can read the errors too, and on another origin gets nothing, not even started", () =>
    Effect.gen(function*() {
      const allowed = yield* foreignSite(() => "<h1>The client</h1>")
      const other = yield* foreignSite(() => "<h1>Another client</h1>")
      const settings = yield* settingsFor(yield* standInForgejo(), { FJMCP_ALLOWED_ORIGINS: allowed.url })
      const daemon = yield* serve(settings)
      const { access_token: token } = yield* signIn(settings.mcpUrl)
      const context = yield* newContext()
      yield* Effect.promise(async () => {
        const page = await context.newPage()
        await page.goto(allowed.url)
        assert.deepStrictEqual(await asPage(page, settings.mcpUrl, token), {
          opened: [200, 48],
          listed: [200, true],
          stream: [200, "text/event-stream", true],
          unauthorized: [401, true],
          gone: [410, "This broker does not know the sessi"],
          deleted: 204
        })
        await page.goto(other.url)
        const refused = await asPage(page, settings.mcpUrl, token).catch((error: unknown) => String(error))
        assert.include(refused, "TypeError: Failed to fetch")
        // One without a preflight arrives, and must do nothing.
        const simple = await page.evaluate((url) => fetch(url, { method: "POST", body: "{}" }).then(() => "read", String), settings.mcpUrl)
        assert.strictEqual(simple, "TypeError: Failed to fetch")
      })
      // An answer does not wait for its line in the log.
      yield* daemon.untilLogged("http.request", ({ method, path, status }) => method === "POST" && path === "/mcp" && status === 403)
      const requests = daemon.log.filter(({ event, path }) => event === "http.request" && path === "/mcp")
      assert.deepStrictEqual(requests.slice(-2).map(({ method, status }) => [method, status]), [["OPTIONS", 403], ["POST", 403]])
      assert.lengthOf(daemon.log.filter(({ event }) => event === "session.opened"), 1)
    }))
})
