import { HttpClient, HttpClientRequest, type HttpClientResponse, HttpLayerRouter } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Effect, Layer, Logger, LogLevel } from "effect"
import { s256Challenge } from "../../src/domain/Pkce.ts"
import { AuthorizeRoutes } from "../../src/http/AuthorizeRoutes.ts"
import { CallbackRoutes } from "../../src/http/CallbackRoutes.ts"
import { ConsentRoutes } from "../../src/http/ConsentRoutes.ts"
import { HomeRoutes } from "../../src/http/HomeRoutes.ts"
import { MetadataRoutes } from "../../src/http/MetadataRoutes.ts"
import { RegisterRoutes } from "../../src/http/RegisterRoutes.ts"
import { TokenRoutes } from "../../src/http/TokenRoutes.ts"
import { ClientsLive } from "../../src/layers/ClientsLive.ts"
import { GrantsLive } from "../../src/layers/GrantsLive.ts"
import { PendingLoginsLive } from "../../src/layers/PendingLoginsLive.ts"
import { SignInsLive } from "../../src/layers/SignInsLive.ts"
import { SqliteMemory } from "../../src/layers/SqliteLive.ts"
import type { Settings } from "../../src/services/AppConfig.ts"
import { fakeSealing } from "./FakeSealing.ts"
import { publicUrl, settingsWith } from "./OAuthSettings.ts"
import { verifier } from "./OAuthStores.ts"
import { SignInUpstream } from "./SignInUpstream.ts"

/** The authorization server on a real port, over an empty store, with Forgejo faked. */
export const oauthServer = (changes: Partial<Settings> = {}) => {
  const stores = Layer.mergeAll(ClientsLive, GrantsLive, PendingLoginsLive).pipe(
    Layer.provideMerge(Layer.mergeAll(SqliteMemory, fakeSealing(), settingsWith(changes), SignInUpstream))
  )
  const routes = Layer.mergeAll(AuthorizeRoutes, CallbackRoutes, ConsentRoutes, HomeRoutes, MetadataRoutes, RegisterRoutes, TokenRoutes)
  return HttpLayerRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provideMerge(SignInsLive),
    Layer.provideMerge(stores),
    Layer.provideMerge(NodeHttpServer.layerTest),
    Layer.provideMerge(Logger.minimumLogLevel(LogLevel.None))
  )
}
export const OAuthServer = oauthServer()

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** Name, value and attributes of every cookie that was set. */
  readonly cookies: ReadonlyArray<string>
  readonly location: URL | undefined
}

const read = (response: HttpClientResponse.HttpClientResponse) =>
  Effect.map(response.text, (text): Answer => ({
    status: response.status,
    headers: response.headers,
    text,
    cookies: response.cookies.pipe((cookies) => Object.values(cookies.cookies).map((cookie) => {
      const { httpOnly, maxAge, path, sameSite, secure } = cookie.options ?? {}
      return [`${cookie.name}=${cookie.valueEncoded}`, path && `Path=${path}`, httpOnly && "HttpOnly", secure && "Secure", sameSite && `SameSite=${sameSite}`, maxAge !== undefined && "Max-Age"]
        .filter(Boolean).join("; ")
    })),
    location: response.headers["location"] === undefined ? undefined : new URL(response.headers["location"])
  }))

export const send = (method: "GET" | "POST" | "PUT" | "OPTIONS", path: string, options: {
  readonly headers?: Readonly<Record<string, string>>
  readonly form?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly body?: string
} = {}) =>
  Effect.flatMap(HttpClient.HttpClient, (client) => {
    const body = options.form !== undefined
      ? [new URLSearchParams(options.form).toString(), "application/x-www-form-urlencoded"] as const
      : options.json !== undefined
      ? [JSON.stringify(options.json), "application/json"] as const
      : options.body !== undefined
      ? [options.body, options.headers?.["content-type"] ?? "text/plain"] as const
      : undefined
    const request = HttpClientRequest.make(method)(path).pipe(HttpClientRequest.setHeaders(options.headers ?? {}))
    return Effect.flatMap(client.execute(body === undefined ? request : HttpClientRequest.bodyText(request, ...body)), read)
  }).pipe(Effect.scoped, Effect.orDie)

export const json = (answer: Answer): Record<string, unknown> => JSON.parse(answer.text) as Record<string, unknown>

export const registered = Effect.map(
  send("POST", "/oauth/register", { json: { redirect_uris: ["http://127.0.0.1/cb"], client_name: "Some <client>", token_endpoint_auth_method: "none" } }),
  (answer) => String(json(answer)["client_id"])
)

export const redirectUri = "http://127.0.0.1:53121/cb"

export const authorizePath = (clientId: string, changes: Readonly<Record<string, string>> = {}) =>
  `/oauth/authorize?${new URLSearchParams({
    client_id: clientId,
    response_type: "code",
    redirect_uri: redirectUri,
    code_challenge: s256Challenge(verifier),
    code_challenge_method: "S256",
    state: "client-state",
    ...changes
  }).toString()}`

export interface Consent {
  readonly flow: string
  readonly token: string
  readonly cookie: string
}

const hidden = (page: string, name: string) => new RegExp(`name="${name}" value="([^"]+)"`).exec(page)?.[1] ?? ""
export const cookiePair = (cookie: string | undefined) => cookie?.split(";")[0] ?? ""

export const consentOf = (page: Answer): Consent => ({
  flow: hidden(page.text, "flow"),
  token: hidden(page.text, "form_token"),
  cookie: cookiePair(page.cookies[0])
})

export const openConsent = Effect.flatMap(registered, (clientId) =>
  Effect.map(send("GET", authorizePath(clientId)), (page) => ({ clientId, page, consent: consentOf(page) })))

export const decide = (
  consent: Consent,
  decision: string,
  headers: Readonly<Record<string, string>> = { origin: publicUrl }
) => send("POST", "/oauth/consent", {
  headers: { cookie: consent.cookie, ...headers },
  form: { flow: consent.flow, form_token: consent.token, decision }
})

/** Up to Forgejo: the state that it got and the login cookie. */
export const departed = Effect.gen(function*() {
  const { clientId, consent } = yield* openConsent
  const answer = yield* decide(consent, "allow")
  return { clientId, consent, state: answer.location?.searchParams.get("state") ?? "", cookie: cookiePair(answer.cookies[0]) }
})

export const comeBack = (parameters: Readonly<Record<string, string>>, cookie?: string) =>
  send("GET", `/oauth/callback?${new URLSearchParams(parameters).toString()}`, { headers: cookie === undefined ? {} : { cookie } })

/** The whole way: a client and a code for it. */
export const signedIn = Effect.gen(function*() {
  const { clientId, cookie, state } = yield* departed
  const answer = yield* comeBack({ state, code: "forgejo-code" }, cookie)
  return { clientId, code: answer.location?.searchParams.get("code") ?? "" }
})

export const token = (form: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}) => send("POST", "/oauth/token", { form, headers })

export const redeemForm = ({ clientId, code }: { readonly clientId: string; readonly code: string }) => ({
  grant_type: "authorization_code",
  client_id: clientId,
  code,
  redirect_uri: redirectUri,
  code_verifier: verifier
})
