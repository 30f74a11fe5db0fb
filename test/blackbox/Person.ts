import { Effect } from "effect"
import type { TestBroker } from "../e2e/TestBroker.ts"
import { ada } from "../e2e/TestBroker.ts"
import type { Answer } from "../e2e/Wire.ts"
import { s256Challenge } from "../../src/domain/Pkce.ts"
import { Browser, firstForm } from "../../demo/Browser.ts"

export const verifier = "the-verifier-of-a-client-in-a-black-box-test-0001"
/** As registered, without a port; and as the client uses it. */
export const registeredUri = "http://127.0.0.1/cb"
export const redirectUri = "http://127.0.0.1:53121/cb"
const state = "client-state"

export const register = (broker: TestBroker, redirect: string): Effect.Effect<Answer> =>
  broker.get("/oauth/register", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ redirect_uris: [redirect], client_name: "Case client", application_type: "native", token_endpoint_auth_method: "none" })
  })

export const registered = (broker: TestBroker): Effect.Effect<string> =>
  Effect.map(register(broker, registeredUri), ({ text }) => (JSON.parse(text) as { readonly client_id: string }).client_id)

export const authorizePath = (clientId: string, changes: Readonly<Record<string, string>> = {}): string =>
  `/oauth/authorize?${new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri,
    state,
    scope: "mcp",
    code_challenge: s256Challenge(verifier),
    code_challenge_method: "S256",
    ...changes
  })}`

const cookieOf = (answer: Answer): string => answer.headers.getSetCookie()[0]?.split(";")[0] ?? ""

/** The consent page of one authorization, and the ways to answer it. */
export const consent = (broker: TestBroker, clientId: string) =>
  Effect.map(broker.get(authorizePath(clientId)), (page) => {
    const form = firstForm({ url: `${broker.url}/oauth/authorize`, status: page.status, text: page.text, headers: page.headers })
    return {
      page,
      cookie: cookieOf(page),
      decide: (decision: "allow" | "deny", changes: Readonly<Record<string, string>> = {}, headers: Readonly<Record<string, string>> = {}) =>
        broker.get("/oauth/consent", {
          method: "POST",
          headers: { origin: broker.url, cookie: cookieOf(page), ...headers },
          body: new URLSearchParams({ ...form?.fields, decision, ...changes })
        })
    }
  })

/** Allow, and the person's way through Forgejo: the address of our callback that Forgejo sends the browser to, and the cookie that it would bring. */
export const atCallback = (broker: TestBroker, clientId: string) =>
  Effect.gen(function*() {
    const { decide } = yield* consent(broker, clientId)
    const allowed = yield* decide("allow")
    const cookie = cookieOf(allowed)
    const callback = yield* Effect.promise(async () => {
      const browser = new Browser(`${broker.url}/oauth/callback`)
      let page = await browser.get(allowed.headers.get("location") ?? "")
      for (let pages = 0; page.status !== 0 && pages < 5; pages++) {
        page = await browser.submit(page, firstForm(page)?.fields["user_name"] === undefined ? {} : { user_name: ada.login, password: ada.password })
      }
      return new URL(page.url)
    })
    return { cookie, callback }
  })

export const comeBack = (broker: TestBroker, callback: URL, cookie: string): Effect.Effect<Answer> =>
  broker.get(`/oauth/callback${callback.search}`, { headers: cookie === "" ? {} : { cookie } })

/** A code for the client. */
export const code = (broker: TestBroker, clientId: string): Effect.Effect<string> =>
  Effect.gen(function*() {
    const { callback, cookie } = yield* atCallback(broker, clientId)
    const answer = yield* comeBack(broker, callback, cookie)
    return new URL(answer.headers.get("location") ?? "").searchParams.get("code") ?? ""
  })

export const token = (broker: TestBroker, fields: Readonly<Record<string, string>>): Effect.Effect<Answer> =>
  Effect.tap(broker.get("/oauth/token", { method: "POST", body: new URLSearchParams(fields) }), ({ text }) => {
    const { access_token: access, refresh_token: refresh } = JSON.parse(text) as { readonly access_token?: string; readonly refresh_token?: string }
    for (const secret of [access, refresh]) if (secret !== undefined) broker.secrets.add(secret)
  })

export const redemption = (clientId: string, value: string): Readonly<Record<string, string>> => ({
  grant_type: "authorization_code",
  client_id: clientId,
  code: value,
  redirect_uri: redirectUri,
  code_verifier: verifier
})
