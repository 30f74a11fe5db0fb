import { createHash, randomBytes } from "node:crypto"
import type { Page } from "./Browser.ts"
import { Browser, firstForm, visibleText } from "./Browser.ts"

export interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
  readonly expires_in: number
  readonly token_type: string
  readonly scope?: string
}

interface ServerMetadata {
  readonly issuer: string
  readonly authorization_endpoint: string
  readonly token_endpoint: string
  readonly registration_endpoint: string
}

const redirectUri = "http://127.0.0.1:9/callback"

const json = async <A>(what: string, response: Response): Promise<A> => {
  const text = await response.text()
  if (!response.ok) throw new Error(`${what}: HTTP ${response.status} ${text.slice(0, 300)}`)
  return JSON.parse(text) as A
}

/** An MCP client's way to a token: what every client does, with the pages clicked by a stand-in browser. */
export class OAuthClient {
  readonly #origin: string
  constructor(mcpUrl: string) {
    this.#origin = new URL(mcpUrl).origin
  }

  /** RFC 9728, then RFC 8414. */
  async discover(): Promise<ServerMetadata> {
    const resource = await json<{ authorization_servers: ReadonlyArray<string> }>(
      "protected resource metadata",
      await fetch(`${this.#origin}/.well-known/oauth-protected-resource/mcp`)
    )
    return json("authorization server metadata", await fetch(`${resource.authorization_servers[0]}/.well-known/oauth-authorization-server`))
  }

  /** RFC 7591. */
  async register(server: ServerMetadata, name: string): Promise<string> {
    const body = JSON.stringify({ client_name: name, redirect_uris: [redirectUri], token_endpoint_auth_method: "none" })
    const { client_id } = await json<{ client_id: string }>(
      "registration",
      await fetch(server.registration_endpoint, { method: "POST", headers: { "content-type": "application/json" }, body })
    )
    return client_id
  }

  /** The whole authorization of one person, who allows everything; `onPage` sees each page before its button is pressed. */
  async signIn(
    server: ServerMetadata,
    clientId: string,
    login: { readonly login: string; readonly password: string },
    onPage: (page: Page) => void = () => {}
  ): Promise<Tokens> {
    const verifier = randomBytes(32).toString("base64url")
    const state = randomBytes(8).toString("hex")
    const url = `${server.authorization_endpoint}?${new URLSearchParams({
      response_type: "code",
      client_id: clientId,
      redirect_uri: redirectUri,
      state,
      scope: "mcp",
      resource: `${this.#origin}/mcp`,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256"
    })}`
    const browser = new Browser(redirectUri)
    let page = await browser.get(url)
    for (let pages = 0; !page.url.startsWith(redirectUri); pages++) {
      if (pages > 5 || firstForm(page) === undefined) throw new Error(`Sign-in stopped at a page (status ${page.status}): ${visibleText(page.text).slice(0, 300)}`)
      onPage(page)
      const isLogin = firstForm(page)?.fields.user_name !== undefined
      page = await browser.submit(page, isLogin ? { user_name: login.login, password: login.password } : {})
    }
    const answer = new URL(page.url).searchParams
    if (answer.get("state") !== state || answer.get("iss") !== server.issuer) throw new Error("The authorization response has another state or issuer")
    const code = answer.get("code")
    if (code === null) throw new Error(`The authorization was refused: ${answer.get("error")} ${answer.get("error_description") ?? ""}`)
    return json(
      "token",
      await fetch(server.token_endpoint, {
        method: "POST",
        body: new URLSearchParams({
          grant_type: "authorization_code",
          code,
          redirect_uri: redirectUri,
          client_id: clientId,
          code_verifier: verifier,
          resource: `${this.#origin}/mcp`
        })
      })
    )
  }
}
