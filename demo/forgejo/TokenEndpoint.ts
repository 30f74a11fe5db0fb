import { createHash } from "node:crypto"
import type { Reply, Request } from "./Http.ts"
import { json, readBasic, readForm } from "./Http.ts"
import { isRegistered } from "./RedirectUris.ts"
import { hasWord } from "./Scopes.ts"
import type { App, Code, Grant } from "./State.ts"
import { appByClientId, grantById, userById } from "./State.ts"
import { readToken, signJwt } from "./Tokens.ts"
import type { World } from "./World.ts"
import { issuerOf, isStrict, rfc3339 } from "./World.ts"

/** Every refusal is a 400, also of a client: Forgejo never answers 401 here. */
const refuse = (error: string, description: string): Reply => json(400, { error, error_description: description })

interface TokenRequest {
  readonly clientId: string
  readonly clientSecret: string
  readonly field: (name: string) => string
}

/** `POST /login/oauth/access_token`. */
export const accessToken = async (world: World, request: Request): Promise<Reply> => {
  const form = readForm(request)
  const field = (name: string) => form.get(name) ?? ""
  let clientId = field("client_id")
  let clientSecret = field("client_secret")
  if ((clientId === "" || clientSecret === "") && (request.headers.authorization ?? "").startsWith("Basic ")) {
    const basic = readBasic(request)
    if (basic === undefined) return refuse("invalid_request", "cannot parse basic auth header")
    const differs = (inBody: string, inHeader: string) => inBody !== "" && inBody !== inHeader
    if (differs(clientId, basic[0])) return refuse("invalid_request", "client_id in request body inconsistent with Authorization header")
    if (differs(clientSecret, basic[1])) {
      return refuse("invalid_request", "client_secret in request body inconsistent with Authorization header")
    }
    [clientId, clientSecret] = basic
  }
  switch (field("grant_type")) {
    case "authorization_code":
      return redeemCode(world, { clientId, clientSecret, field })
    case "refresh_token":
      return refresh(world, { clientId, clientSecret, field })
    default:
      return refuse("unsupported_grant_type", "Only refresh_token or authorization_code grant type is supported")
  }
}

const wrongSecret = (app: App, secret: string): string | undefined =>
  !app.confidential || app.clientSecret === secret
    ? undefined
    : secret === "" ? "invalid empty client secret" : "invalid client secret"

const redeemCode = async (world: World, request: TokenRequest): Promise<Reply> => {
  const app = appByClientId(world.state, request.clientId)
  if (app === undefined) return refuse("invalid_client", `cannot load client with client id: '${request.clientId}'`)
  const wrong = wrongSecret(app, request.clientSecret)
  if (wrong !== undefined) return refuse("unauthorized_client", wrong)
  const redirectUri = request.field("redirect_uri")
  if (redirectUri !== "" && !isRegistered(app, redirectUri)) return refuse("unauthorized_client", "unexpected redirect URI")
  const code = world.state.codes.get(request.field("code"))
  const grant = code && grantById(world.state, code.grantId)
  if (code === undefined || grant === undefined) return refuse("unauthorized_client", "client is not authorized")
  if (!provesPossession(world, code, request.field("code_verifier"))) return refuse("unauthorized_client", "failed PKCE code challenge")
  if (isStrict(world) && code.redirectUri !== redirectUri) {
    return refuse("unauthorized_client", "redirect_uri does not match the authorization request")
  }
  if (grant.appId !== app.id) return refuse("invalid_grant", "invalid grant")
  await race(world)
  const deleted = world.state.codes.delete(code.code)
  if (!deleted && isStrict(world)) return refuse("invalid_request", "cannot proceed your request")
  return issue(world, app, grant, grant.counter)
}

const refresh = async (world: World, request: TokenRequest): Promise<Reply> => {
  const app = appByClientId(world.state, request.clientId)
  if (app === undefined) return refuse("invalid_client", `cannot load client with client id: ${JSON.stringify(request.clientId)}`)
  const wrong = wrongSecret(app, request.clientSecret)
  if (wrong !== undefined) return refuse("invalid_client", wrong)
  const claims = readToken(world.keys, request.field("refresh_token"), world.now())
  if (claims === undefined) return refuse("unauthorized_client", "unable to parse refresh token")
  if (isStrict(world) && claims.tt !== 1) return refuse("unauthorized_client", "token is not a refresh token")
  const grant = grantById(world.state, claims.gnt)
  if (grant === undefined) return refuse("invalid_grant", "grant does not exist")
  if (isStrict(world) && grant.appId !== app.id) return refuse("invalid_grant", "refresh token was not issued to this client")
  if (world.knobs.rotate && (claims.cnt !== grant.counter || claims.cnt === 0)) {
    return refuse("unauthorized_client", "token was already used")
  }
  const seen = grant.counter
  await race(world)
  return issue(world, app, grant, seen)
}

/** Whether `verifier` fits the challenge of the authorization. */
const provesPossession = (world: World, code: Code, verifier: string): boolean => {
  if (isStrict(world) && code.challenge !== "" && verifier === "") return false
  switch (code.method) {
    case "S256":
      return createHash("sha256").update(verifier).digest("base64url") === code.challenge
    case "plain":
      return verifier === code.challenge
    default:
      return true
  }
}

const race = (world: World): Promise<void> | undefined =>
  world.knobs.raceMs > 0 ? new Promise((resolve) => setTimeout(resolve, world.knobs.raceMs)) : undefined

/**
 * A new pair. With rotation the counter goes up, which ends every refresh token of the grant that came before, also one
 * from another sign-in of the same user; access tokens live on. `seen` is the counter at the time of the check.
 */
const issue = (world: World, app: App, grant: Grant, seen: number): Reply => {
  if (grantById(world.state, grant.id) === undefined) return refuse("invalid_grant", "grant does not exist")
  if (world.knobs.rotate) {
    if (isStrict(world) && grant.counter !== seen) return refuse("invalid_grant", "cannot increase the grant counter")
    grant.counter += 1
  }
  const iat = Math.floor(world.now() / 1000)
  const exp = iat + world.knobs.accessSeconds
  const refreshClaims = { gnt: grant.id, tt: 1, cnt: grant.counter, exp: iat + world.knobs.refreshSeconds, iat }
  const token = signJwt(world.keys, { gnt: grant.id, tt: 0, exp, iat })
  world.state.issued.push({ userId: grant.userId, token, at: world.now() })
  return json(200, {
    access_token: token,
    token_type: "bearer",
    expires_in: world.knobs.accessSeconds,
    refresh_token: signJwt(world.keys, refreshClaims),
    ...(hasWord(grant.scope, "openid") ? { id_token: idToken(world, app, grant, iat, exp) } : {})
  })
}

const idToken = (world: World, app: App, grant: Grant, iat: number, exp: number): string => {
  const user = userById(world.state, grant.userId)
  const profile = user && {
    name: user.fullName || user.login,
    preferred_username: user.login,
    profile: `${world.url}/${user.login}`,
    picture: `${world.url}/avatars/${user.id}`,
    website: "",
    locale: "en-US",
    updated_at: rfc3339(user.createdAt)
  }
  return signJwt(world.keys, {
    iss: issuerOf(world),
    sub: String(grant.userId),
    aud: [app.clientId],
    exp,
    iat,
    ...(grant.nonce === "" ? {} : { nonce: grant.nonce }),
    ...(hasWord(grant.scope, "profile") ? profile : {}),
    ...(hasWord(grant.scope, "email") ? { email: user?.email, email_verified: true } : {})
  })
}
