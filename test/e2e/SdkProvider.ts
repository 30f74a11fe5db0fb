import { assert } from "@effect/vitest"
import type { OAuthClientProvider } from "@modelcontextprotocol/sdk/client/auth.js"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport, type StreamableHTTPClientTransportOptions } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { OAuthClientInformationMixed, OAuthClientMetadata, OAuthTokens } from "@modelcontextprotocol/sdk/shared/auth.js"
import { allowing } from "../process/Person.ts"
import { ada } from "../process/Serving.ts"

export const redirectUri = "http://127.0.0.1:9/callback"

/** What an application keeps for the SDK's client. */
export class Provider implements OAuthClientProvider {
  readonly redirectUrl = redirectUri
  readonly clientMetadata: OAuthClientMetadata = {
    client_name: "SDK client",
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none"
  }
  client: OAuthClientInformationMixed | undefined
  saved: OAuthTokens | undefined
  verifier = ""
  /** Where the SDK has sent the browser to, oldest first. */
  readonly asked: Array<URL> = []

  state = () => "state-of-the-application"
  clientInformation = () => this.client
  saveClientInformation = (client: OAuthClientInformationMixed) => {
    this.client = client
  }
  tokens = () => this.saved
  saveTokens = (tokens: OAuthTokens) => {
    this.saved = tokens
  }
  redirectToAuthorization = (url: URL) => {
    this.asked.push(url)
  }
  saveCodeVerifier = (verifier: string) => {
    this.verifier = verifier
  }
  codeVerifier = () => this.verifier
  invalidateCredentials = (scope: string) => {
    if (scope === "all" || scope === "tokens") this.saved = undefined
  }
}

export const transportOf = (mcpUrl: string, authProvider: Provider, options: StreamableHTTPClientTransportOptions = {}) =>
  new StreamableHTTPClientTransport(new URL(mcpUrl), { ...options, authProvider })

// The types of the SDK's transport do not agree with its own interface under exactOptionalPropertyTypes.
type SdkTransport = Parameters<Client["connect"]>[0]
export const connect = async (client: Client, transport: StreamableHTTPClientTransport) => client.connect(transport as SdkTransport)

/** First contact: refused, asked in the browser, code redeemed. */
export const signInWith = async (mcpUrl: string, provider: Provider): Promise<void> => {
  const first = transportOf(mcpUrl, provider)
  const refusal = await connect(new Client({ name: "sdk", version: "1" }), first)
    .then(() => "connected", (cause: Error) => cause.constructor.name)
  assert.strictEqual(refusal, "UnauthorizedError")
  const { searchParams: answer } = await allowing(provider.asked.at(-1)?.href ?? "", redirectUri, ada)
  assert.strictEqual(answer.get("state"), provider.state())
  await first.finishAuth(answer.get("code") ?? "")
}

/** The same, and then a session. */
export const connected = async (mcpUrl: string, provider: Provider) => {
  await signInWith(mcpUrl, provider)
  const client = new Client({ name: "sdk", version: "1" })
  const transport = transportOf(mcpUrl, provider)
  await connect(client, transport)
  return { client, transport }
}
