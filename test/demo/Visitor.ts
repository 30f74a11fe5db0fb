import type { Forgejo, ForgejoOptions } from "../../demo/forgejo/Forgejo.ts"
import { startForgejo } from "../../demo/forgejo/Forgejo.ts"
import { createHash, randomBytes } from "node:crypto"

export const callback = "http://127.0.0.1:9/callback"
export const scope = "openid profile read:user write:repository write:issue"

/** A browser as far as these tests need one: cookies, no script, redirects followed by hand. */
export class Visitor {
  readonly #cookies = new Map<string, string>()
  readonly #base: string
  constructor(base: string) {
    this.#base = base
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ")
    const headers = { ...init.headers as Record<string, string>, ...(cookie === "" ? {} : { cookie }) }
    const response = await fetch(new URL(path, this.#base), { ...init, headers, redirect: "manual" })
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/max-age=0/i.test(line)) this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
    return response
  }

  post(path: string, fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return this.fetch(path, { method: "POST", body: new URLSearchParams(fields), headers })
  }

  signIn(login: string): Promise<Response> {
    return this.post("/user/login", { user_name: login, password: "secret" })
  }
}

/** The first form of a page: its action, its fields, and the name and value of its first button. */
export const firstForm = (page: string) => {
  const form = /<form[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/.exec(page)
  const unescape = (text: string) => text.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
  const attribute = (tag: string, name: string) => unescape(new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? "")
  const inputs = [...(form?.[2] ?? "").matchAll(/<input[^>]*>/g)]
  const fields = Object.fromEntries(inputs.map(([tag]) => [attribute(tag, "name"), attribute(tag, "value")]))
  const button = /<button[^>]*>/.exec(form?.[2] ?? "")?.[0] ?? ""
  return { action: form?.[1] ?? "", fields, button: [attribute(button, "name"), attribute(button, "value")] as const }
}

export interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
  readonly id_token?: string
  readonly expires_in: number
}

/** A stand-in with the user `alice`, her repository `notes` and one confidential application, and shortcuts through the dance. */
export const world = async (options: ForgejoOptions = {}) => {
  const forgejo: Forgejo = await startForgejo(options)
  forgejo.addUser({ login: "alice", password: "secret", fullName: "Alice" })
  forgejo.addRepo("alice", "notes")
  const app = forgejo.registerApp({ name: "Broker", redirectUris: [callback] })
  const verifier = randomBytes(32).toString("base64url")
  const authorizePath = (changes: Readonly<Record<string, string>> = {}) =>
    `/login/oauth/authorize?${new URLSearchParams({
      client_id: app.clientId,
      redirect_uri: callback,
      response_type: "code",
      scope,
      state: "st",
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      ...changes
    })}`

  const answerOf = (response: Response): URLSearchParams => new URL(response.headers.get("location") ?? "about:blank").searchParams

  /** From the authorization request to the redirect back, through the consent page when there is one. */
  const authorize = async (visitor: Visitor, changes: Readonly<Record<string, string>> = {}): Promise<URLSearchParams> => {
    const first = await visitor.fetch(authorizePath(changes))
    if (first.status !== 200) return answerOf(first)
    const form = firstForm(await first.text())
    return answerOf(await visitor.post(form.action, { ...form.fields, [form.button[0]]: form.button[1] }))
  }

  const token = async (fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}) => {
    const client = { client_id: app.clientId, client_secret: app.clientSecret }
    const response = await fetch(`${forgejo.url}/login/oauth/access_token`, {
      method: "POST",
      body: new URLSearchParams({ ...client, ...fields }),
      headers
    })
    return { status: response.status, body: await response.json() as Tokens & { error?: string; error_description?: string } }
  }

  const signedIn = async (login = "alice"): Promise<Visitor> => {
    const visitor = new Visitor(forgejo.url)
    await visitor.signIn(login)
    return visitor
  }

  const code = async (changes: Readonly<Record<string, string>> = {}): Promise<string> =>
    (await authorize(await signedIn(), changes)).get("code") ?? ""

  const redeem = (given: string, changes: Readonly<Record<string, string>> = {}) =>
    token({ grant_type: "authorization_code", code: given, redirect_uri: callback, code_verifier: verifier, ...changes })

  const refresh = (refreshToken: string, changes: Readonly<Record<string, string>> = {}) =>
    token({ grant_type: "refresh_token", refresh_token: refreshToken, ...changes })

  const login = async (changes: Readonly<Record<string, string>> = {}): Promise<Tokens> => (await redeem(await code(changes))).body

  const api = async (path: string, accessToken?: string, init: RequestInit = {}) => {
    const bearer = accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }
    const headers = { ...bearer, ...init.headers as Record<string, string> }
    const response = await fetch(`${forgejo.url}/api/v1${path}`, { ...init, headers })
    const body = await response.text()
    return { status: response.status, headers: response.headers, body, json: () => JSON.parse(body) as Record<string, unknown> }
  }

  return { forgejo, app, verifier, authorizePath, authorize, token, signedIn, code, redeem, refresh, login, api }
}

export type World = Awaited<ReturnType<typeof world>>
