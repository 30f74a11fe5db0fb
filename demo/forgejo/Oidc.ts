import type { Reply, Request } from "./Http.ts"
import { json, readBasic, readForm, text } from "./Http.ts"
import { appByClientId, grantById, userById } from "./State.ts"
import { jwkOf, readToken } from "./Tokens.ts"
import type { World } from "./World.ts"
import { issuerOf } from "./World.ts"

/** `GET /.well-known/openid-configuration`. It names no API scope, no registration and no revocation. */
export const discovery = (world: World): Reply =>
  json(200, {
    issuer: issuerOf(world),
    authorization_endpoint: `${world.url}/login/oauth/authorize`,
    token_endpoint: `${world.url}/login/oauth/access_token`,
    jwks_uri: `${world.url}/login/oauth/keys`,
    userinfo_endpoint: `${world.url}/login/oauth/userinfo`,
    introspection_endpoint: `${world.url}/login/oauth/introspect`,
    response_types_supported: ["code", "id_token"],
    id_token_signing_alg_values_supported: ["RS256"],
    subject_types_supported: ["public"],
    scopes_supported: ["openid", "profile", "email", "groups"],
    claims_supported: [
      "aud", "exp", "iat", "iss", "sub", "name", "preferred_username", "profile", "picture", "website", "locale", "updated_at",
      "email", "email_verified", "groups"
    ],
    code_challenge_methods_supported: ["plain", "S256"],
    grant_types_supported: ["authorization_code", "refresh_token"]
  })

/** `GET /login/oauth/keys`. */
export const keys = (world: World): Reply => json(200, { keys: [jwkOf(world.keys)] })

/** `GET` or `POST /login/oauth/userinfo`: the e-mail address comes whatever the scope is. */
export const userinfo = (world: World, request: Request): Reply => {
  const token = /^(?:Bearer|token) (.+)$/i.exec(request.headers.authorization ?? "")?.[1]
  if (token === undefined) return text(401, "no valid authorization", { "www-authenticate": "Bearer realm=\"\"" })
  const claims = readToken(world.keys, token, world.now())
  const grant = claims?.tt === 0 ? grantById(world.state, claims.gnt) : undefined
  const user = grant && userById(world.state, grant.userId)
  if (user === undefined) return text(401, "Unauthorized")
  return json(200, {
    sub: String(user.id),
    name: user.fullName || user.login,
    preferred_username: user.login,
    email: user.email,
    picture: `${world.url}/avatars/${user.id}`
  })
}

/**
 * `POST /login/oauth/introspect`: any client may ask about any token. Refresh tokens count as active, spent ones too,
 * since the counter is not looked at.
 */
export const introspect = (world: World, request: Request): Reply => {
  const [clientId, secret] = readBasic(request) ?? ["", ""]
  const asker = appByClientId(world.state, clientId)
  if (asker === undefined || asker.clientSecret !== secret) {
    return text(401, "no valid authorization", { "www-authenticate": "Basic realm=\"\"" })
  }
  const claims = readToken(world.keys, readForm(request).get("token") ?? "", world.now())
  const grant = claims && grantById(world.state, claims.gnt)
  const app = grant && world.state.apps.find(({ id }) => id === grant.appId)
  if (grant === undefined || app === undefined) return json(200, { active: false })
  return json(200, {
    active: true,
    ...(grant.scope === "" ? {} : { scope: grant.scope }),
    username: userById(world.state, grant.userId)?.login,
    iss: issuerOf(world),
    sub: String(grant.userId),
    aud: [app.clientId]
  })
}
