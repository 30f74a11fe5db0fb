import { HttpLayerRouter } from "@effect/platform"
import { Effect } from "effect"
import { resourceOf } from "../domain/ResourceRule.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { html } from "./Html.ts"
import { page } from "./Pages.ts"
import { refuseOtherMethods } from "./WrongMethod.ts"

/** A page for people who open the broker's address in a browser. */
export const homePage = (publicUrl: string, forgejoUrl: string) => {
  const mcp = resourceOf(publicUrl)
  const forgejoHost = new URL(forgejoUrl).host
  const vsCode = JSON.stringify({ name: "forgejo", type: "http", url: mcp })
  return page({
    status: 200,
    title: "Forgejo for MCP clients",
    wide: true,
    body: html`<p>Here assistants and editors that speak the Model Context Protocol (MCP) work on
<a href="${forgejoUrl}"><strong>${forgejoHost}</strong></a> as you: repositories, issues, pull requests and more, with your permissions.
You sign in through Forgejo; the client never sees your password or your token.</p>
<h2>The address to give to your client</h2>
<pre><code>${mcp}</code></pre>
<h2>Claude.ai and Claude Desktop</h2>
<p>Settings > Connectors > Add custom connector, then paste the address.</p>
<h2>Claude Code</h2>
<pre><code>claude mcp add --transport http forgejo ${mcp}</code></pre>
<p>Then type <code>/mcp</code> in a session and choose to authenticate.</p>
<h2>VS Code</h2>
<pre><code>code --add-mcp '${vsCode}'</code></pre>
<h2>MCP Inspector</h2>
<pre><code>npx @modelcontextprotocol/inspector</code></pre>
<p>Transport “Streamable HTTP”, the address above, then Connect.</p>
<p class="soft">To take a permission back, disconnect in the client, or revoke this broker at
<a href="${`${forgejoUrl}/user/settings/applications`}">Forgejo, Settings, Applications</a>.</p>`
  })
}

export const HomeRoutes = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const { forgejoUrl, publicUrl } = yield* AppConfig
    yield* router.add("GET", "/", homePage(publicUrl, forgejoUrl))
    yield* refuseOtherMethods(router, "/", ["GET"])
  })
)
