import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import type { Page } from "playwright-core"
import { OAuthClient } from "../../demo/OAuthClient.ts"
import { s256Challenge } from "../../src/domain/Pkce.ts"
import { plainServer } from "../fakes/PlainServer.ts"
import { serving } from "../process/Serving.ts"

const verifier = "a-verifier-of-a-client-that-a-person-connects-0001"

/** A page of somebody else's server. */
const htmlPage = (title: string, body: string) =>
  `<!doctype html><html lang="en"><title>${title}</title><link rel="icon" href="data:,">${body}</html>`

/** A server of a client on this computer, which shows what it was called back with. */
const clientSite = plainServer((_, response) => {
  response.writeHead(200, { "content-type": "text/html" })
  response.end(htmlPage("The client", "<h1>Back at the client</h1>"))
})

/** A daemon, and a client whose authorization has begun as often as `authorizeUrl` is called. */
export const visit = (options: { readonly clientName?: string } = {}) =>
  Effect.gen(function*() {
    const broker = yield* serving()
    const client = yield* clientSite
    const redirectUri = `${client.url}/callback`
    const oauth = new OAuthClient(broker.settings.mcpUrl)
    const server = yield* Effect.promise(() => oauth.discover())
    const clientId = yield* Effect.promise(async () => {
      const name = options.clientName ?? "Test editor"
      const body = JSON.stringify({ client_name: name, redirect_uris: [redirectUri], token_endpoint_auth_method: "none" })
      const answer = await fetch(server.registration_endpoint, { method: "POST", headers: { "content-type": "application/json" }, body })
      return (await answer.json() as { readonly client_id: string }).client_id
    })
    const authorizeUrl = (state: string = randomBytes(8).toString("hex")) =>
      `${server.authorization_endpoint}?${new URLSearchParams({
        response_type: "code",
        client_id: clientId,
        redirect_uri: redirectUri,
        state,
        resource: broker.settings.mcpUrl,
        code_challenge: s256Challenge(verifier),
        code_challenge_method: "S256"
      })}`
    /** The parameters of each callback, oldest first. */
    const callbacks = () =>
      client.received.filter(({ path }) => path.startsWith("/callback")).map(({ path }) => new URL(path, client.url).searchParams)
    const redeem = async (code: string) => {
      const fields = { grant_type: "authorization_code", client_id: clientId, code, redirect_uri: redirectUri, code_verifier: verifier }
      return (await fetch(server.token_endpoint, { method: "POST", body: new URLSearchParams(fields) })).status
    }
    return { ...broker, client, authorizeUrl, callbacks, redeem, issuer: server.issuer }
  })

/** Presses a button by its name, as a person does. */
export const press = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click()

/** Allow on our page, until Forgejo's sign-in form is there. */
export const allow = async (page: Page) => {
  await press(page, "Allow")
  await page.getByRole("heading", { name: "Sign in to Forgejo" }).waitFor()
  await page.waitForLoadState("load")
}

/** From Forgejo's sign-in form, which comes filled in, back to the client. */
export const throughForgejo = async (page: Page) => {
  await press(page, "Sign in")
  await press(page, "Allow")
  await page.getByRole("heading", { name: "Back at the client" }).waitFor()
}

/** A site of somebody else on this computer; `body` of its only page. */
export const foreignSite = (body: () => string) =>
  plainServer((_, response) => {
    response.writeHead(200, { "content-type": "text/html" })
    response.end(htmlPage("Somebody else", body()))
  })
