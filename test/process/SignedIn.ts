import { OAuthClient } from "../../demo/OAuthClient.ts"
import { send } from "./LeanClient.ts"
import type { ada } from "./Serving.ts"

/** A client that one user has signed in, with the tokens that it was answered last. Any number of sessions share it. */
export class SignedIn {
  readonly user: typeof ada
  /** The user's id at the stand-in Forgejo. */
  readonly userId: number
  /** Every access token that was answered, the newest last. */
  readonly accessTokens: Array<string> = []
  /** How often the user had to sign in again. */
  signedInAgain = 0
  refreshed = 0
  readonly #url: string
  readonly #oauth: OAuthClient
  readonly #retry: <A>(attempt: () => Promise<A>) => Promise<A>
  #clientId = ""
  #refreshToken = ""
  #renewing: Promise<void> | undefined

  private constructor(
    mcpUrl: string,
    user: typeof ada & { readonly id: number },
    retry: <A>(attempt: () => Promise<A>) => Promise<A>
  ) {
    this.#url = new URL(mcpUrl).origin
    this.#oauth = new OAuthClient(mcpUrl)
    this.user = user
    this.userId = user.id
    this.#retry = retry
  }

  /** `retry` makes an attempt again that a stopped daemon has cut. */
  static async start(
    mcpUrl: string,
    user: typeof ada & { readonly id: number },
    retry: <A>(attempt: () => Promise<A>) => Promise<A> = (attempt) => attempt()
  ): Promise<SignedIn> {
    const client = new SignedIn(mcpUrl, user, retry)
    client.#clientId = await client.#oauth.register(await client.#oauth.discover(), `Client of ${user.login}`)
    await client.#signIn()
    return client
  }

  get accessToken(): string {
    return this.accessTokens.at(-1) ?? ""
  }

  async #signIn(): Promise<void> {
    const tokens = await this.#retry(async () => this.#oauth.signIn(await this.#oauth.discover(), this.#clientId, this.user))
    this.accessTokens.push(tokens.access_token)
    this.#refreshToken = tokens.refresh_token
  }

  #token(endpoint: "token" | "revoke", form: Readonly<Record<string, string>>) {
    const body = new URLSearchParams({ client_id: this.#clientId, ...form }).toString()
    return send(`${this.#url}/oauth/${endpoint}`, { "content-type": "application/x-www-form-urlencoded" }, { body })
  }

  /** Refreshes the tokens, once for all who ask meanwhile. A lost answer is asked for again, with the same token. */
  renew(): Promise<void> {
    this.#renewing ??= this.#renewOnce().finally(() => this.#renewing = undefined)
    return this.#renewing
  }

  async #renewOnce(): Promise<void> {
    const { status, text } = await this.#retry(() =>
      this.#token("token", { grant_type: "refresh_token", refresh_token: this.#refreshToken }))
    const tokens = JSON.parse(text) as { readonly access_token: string; readonly refresh_token: string; readonly error?: string }
    if (status === 200) {
      this.accessTokens.push(tokens.access_token)
      this.#refreshToken = tokens.refresh_token
      this.refreshed += 1
    } else if (status === 400 && tokens.error === "invalid_grant") {
      await this.#signIn()
      this.signedInAgain += 1
    } else throw new Error(`refresh: HTTP ${status} ${text}`)
  }

  /** Ends the grant, and so every session of it. */
  async revoke(): Promise<void> {
    const { status, text } = await this.#token("revoke", { token: this.#refreshToken })
    if (status !== 200) throw new Error(`revoke: HTTP ${status} ${text}`)
  }
}
