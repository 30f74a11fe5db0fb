import { visibleText } from "./Browser.ts"
import { McpClient } from "./McpClient.ts"
import { OAuthClient } from "./OAuthClient.ts"
import type { DemoUser } from "./DemoForgejo.ts"

export interface JourneyOptions {
  readonly mcpUrl: string
  readonly user: DemoUser
  /** Where the first user's issue goes. */
  readonly repo: string
  readonly otherUser: DemoUser
  readonly say: (line: string) => void
}

const expect = (condition: boolean, what: string, seen: unknown): void => {
  if (!condition) throw new Error(`${what}, but the answer was ${JSON.stringify(seen).slice(0, 500)}`)
}

/** Everything that a client and its user go through, over the wire. Throws with what went wrong. */
export const journey = async ({ mcpUrl, otherUser, repo, say, user }: JourneyOptions): Promise<void> => {
  let step = 0
  const done = (line: string) => say(`${String(++step).padStart(2)}. ${line}`)

  const refused = await fetch(mcpUrl, { method: "POST", body: "{}" })
  const challenge = refused.headers.get("www-authenticate") ?? ""
  expect(refused.status === 401 && challenge.includes("resource_metadata="), "Without a token /mcp answers 401 and says where to sign in", challenge)
  done("without a token: 401, and where to find the authorization server")

  const oauth = new OAuthClient(mcpUrl)
  const server = await oauth.discover()
  done(`discovery: the issuer is ${server.issuer}`)
  const clientId = await oauth.register(server, "Demo journey")
  done("registration: a client id")

  const tokens = await oauth.signIn(server, clientId, user, (page) => say(`    page: ${visibleText(page.text).slice(0, 70)}...`))
  done(`authorization with PKCE as ${user.login}: access token for ${tokens.expires_in} s, refresh token`)

  const client = new McpClient(mcpUrl, tokens.access_token)
  const hello = await client.initialize()
  expect(hello.result !== undefined && client.sessionId !== undefined, "initialize opens a session", hello)
  done(`initialize: a session of ${JSON.stringify(hello.result?.serverInfo)}`)

  const list = await client.request("tools/list")
  const tools = (list.result?.tools ?? []) as ReadonlyArray<{ readonly name: string }>
  expect(tools.length > 0, "tools/list has tools", list)
  expect(!tools.some((tool) => tool.name === "download_release_attachment"), "the tool that can give a token away is hidden", tools.length)
  done(`tools/list: ${tools.length} tools`)

  const created = await client.request("tools/call", {
    name: "create_issue",
    arguments: { owner: user.login, repo, title: "Hello from the journey", body: "Made through the broker." }
  })
  expect(JSON.stringify(created.result ?? "").includes("Hello from the journey"), "create_issue makes an issue", created)
  done(`tools/call create_issue: an issue in ${user.login}/${repo}`)

  const me = await client.request("tools/call", { name: "get_my_user_info", arguments: {} })
  expect(JSON.stringify(me.result ?? "").includes(user.login), "the tools work as the user who signed in", me)
  done(`tools/call get_my_user_info: Forgejo sees ${user.login}`)

  const otherId = await oauth.register(server, "Another client")
  const otherTokens = await oauth.signIn(server, otherId, otherUser)
  const other = new McpClient(mcpUrl, otherTokens.access_token)
  other.useSession(client.sessionId ?? "")
  const foreign = await other.request("tools/list")
  expect(foreign.status === 403 && foreign.result === undefined, "A second client cannot use the first one's session", foreign)
  done(`a second client, signed in as ${otherUser.login}, with the first one's session id: 403`)

  const ended = await client.end()
  expect(ended.status === 204, "DELETE ends the session", ended)
  const after = await client.request("tools/list")
  expect(after.status === 404, "After DELETE the id answers 404", after)
  done("DELETE: 204, and then 404")
}
