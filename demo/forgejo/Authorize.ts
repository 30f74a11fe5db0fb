import type { Reply, Request } from "./Http.ts"
import { html, readForm, redirect } from "./Http.ts"
import { authorizeErrorPage, grantPage, messagePage } from "./Pages.ts"
import { isRegistered, withQuery } from "./RedirectUris.ts"
import type { Grant, WebSession } from "./State.ts"
import { appByClientId, grantOf, newForgejoSecret } from "./State.ts"
import { askToSignIn, signedIn } from "./WebSessions.ts"
import type { World } from "./World.ts"

const refuse = (redirectUri: string, state: string, error: string, description: string): Reply =>
  redirect(withQuery(redirectUri, { error, error_description: description, state }))

type Pkce = Pick<WebSession, "challenge" | "method">

const issueCode = (world: World, grant: Grant, pkce: Pkce, redirectUri: string, state: string): Reply => {
  const code = newForgejoSecret("gta_")
  const { challenge = "", method = "" } = pkce
  world.state.codes.set(code, { code, grantId: grant.id, redirectUri, challenge, method })
  return redirect(withQuery(redirectUri, state === "" ? { code } : { code, state }))
}

/** `GET` or `POST /login/oauth/authorize`. The order of the checks is Forgejo's. */
export const authorize = (world: World, request: Request): Reply => {
  const visitor = signedIn(world, request)
  if (visitor === undefined) return askToSignIn(`${request.path}?${request.query}`)
  const { session, user } = visitor
  const form = request.method === "POST" ? readForm(request) : request.query
  const field = (name: string) => form.get(name) ?? ""
  const redirectUri = field("redirect_uri")
  const state = field("state")

  const app = appByClientId(world.state, field("client_id"))
  if (app === undefined) return html(400, authorizeErrorPage("unauthorized_client", "Client ID not registered"))
  if (!isRegistered(app, redirectUri)) return html(400, authorizeErrorPage("invalid_request", "Unregistered Redirect URI"))
  if (field("response_type") !== "code") {
    return refuse(redirectUri, state, "unsupported_response_type", "Only code response type is supported.")
  }

  const challenge = field("code_challenge")
  const method = field("code_challenge_method")
  if (method === "S256" || method === "plain") {
    // One slot per browser: the authorization that was begun last wins, also for the code of an earlier one.
    Object.assign(session, { challenge, method })
  } else if (method !== "") {
    return refuse(redirectUri, state, "invalid_request", "unsupported code challenge method")
  } else if (!app.confidential) {
    return refuse(redirectUri, state, "invalid_request", "PKCE is required for public clients")
  }

  const grant = grantOf(world.state, user.id, app.id)
  if (app.confidential && grant !== undefined) {
    // No question is asked again, and whatever scope was wanted this time, the grant keeps the one it has.
    if (field("nonce") !== "") grant.nonce = field("nonce")
    return issueCode(world, grant, { challenge, method }, redirectUri, state)
  }

  Object.assign(session, { clientId: app.clientId, redirectUri, state })
  return html(200, grantPage(app, user, { state, scope: field("scope"), nonce: field("nonce"), redirectUri }))
}

/** `POST /login/oauth/grant`: what the consent page sends. */
export const grant = (world: World, request: Request): Reply => {
  const visitor = signedIn(world, request)
  if (visitor === undefined) return askToSignIn("/")
  const { session, user } = visitor
  const form = readForm(request)
  const field = (name: string) => form.get(name) ?? ""
  const redirectUri = field("redirect_uri")
  const state = field("state")
  const app = appByClientId(world.state, field("client_id"))
  const sameAsShown = session.clientId === app?.clientId && session.redirectUri === redirectUri && session.state === state
  if (app === undefined || !sameAsShown) {
    return html(400, messagePage("Bad Request", "This is not the authorization that was shown last in this browser."))
  }
  if (field("granted") !== "true") return refuse(redirectUri, state, "access_denied", "the request is denied")

  let given = grantOf(world.state, user.id, app.id)
  if (given === undefined) {
    given = { id: world.state.nextId(), userId: user.id, appId: app.id, scope: field("scope"), nonce: "", counter: 0 }
    world.state.grants.push(given)
  } else if (given.scope !== field("scope")) {
    return refuse(redirectUri, state, "server_error", "a grant exists with different scope")
  }
  if (field("nonce") !== "") given.nonce = field("nonce")
  return issueCode(world, given, session, redirectUri, state)
}
