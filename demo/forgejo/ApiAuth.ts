import type { Reply, Request } from "./Http.ts"
import { json, readBasic } from "./Http.ts"
import type { ApiScope } from "./Scopes.ts"
import { allScopes, apiScopeOf } from "./Scopes.ts"
import type { User } from "./State.ts"
import { grantById, userById, userByLogin } from "./State.ts"
import { readToken } from "./Tokens.ts"
import type { World } from "./World.ts"

/** Who asks, and what the token is good for. */
export interface Caller {
  readonly user: User | undefined
  readonly scope: ApiScope
  /** Signed in by password, which some endpoints insist on. */
  readonly byPassword: boolean
}

/** Forgejo's error body. */
export const apiError = (world: World, status: number, message: string): Reply =>
  json(status, { message, url: `${world.url}/api/swagger` })

const anonymous: Caller = { user: undefined, scope: allScopes, byPassword: false }

/** The middleware before every API route: a token that is no good is refused even where none is needed. */
export const authenticate = (world: World, request: Request): Caller | Reply => {
  const token = tokenOf(request)
  const basic = readBasic(request)
  if (token === undefined && basic === undefined) return anonymous
  const caller = token === undefined ? byBasic(world, basic ?? ["", ""]) : byToken(world, token)
  if (caller?.user === undefined) return unauthorized(world, token ?? basic?.[1] ?? "")
  if (caller.user.prohibitLogin) {
    return json(403, { message: "This account is prohibited from signing in, please contact your site administrator." })
  }
  const sudo = request.query.get("sudo") ?? request.headers["sudo"]
  if (typeof sudo !== "string" || sudo === "") return caller
  if (!caller.user.isAdmin) return apiError(world, 403, "Only administrators allowed to sudo.")
  const other = userByLogin(world.state, sudo)
  return other === undefined ? apiError(world, 404, `user does not exist [uid: 0, name: ${sudo}]`) : { ...caller, user: other }
}

const tokenOf = (request: Request): string | undefined =>
  request.query.get("token") ?? request.query.get("access_token")
    ?? /^(?:token|bearer) +(.+)$/i.exec(request.headers.authorization ?? "")?.[1]

const byToken = (world: World, token: string): Caller | undefined => {
  const personal = world.state.personalTokens.find(({ sha1 }) => sha1 === token)
  if (personal !== undefined) {
    return { user: userById(world.state, personal.userId), scope: apiScopeOf(personal.scopes.join(" ")), byPassword: false }
  }
  const claims = readToken(world.keys, token, world.now())
  const grant = claims?.tt === 0 ? grantById(world.state, claims.gnt) : undefined
  return grant && { user: userById(world.state, grant.userId), scope: apiScopeOf(grant.scope), byPassword: false }
}

const byBasic = (world: World, [name, password]: readonly [string, string]): Caller | undefined => {
  const user = userByLogin(world.state, name)
  if (user !== undefined && user.password === password) return { user, scope: allScopes, byPassword: true }
  return byToken(world, password === "x-oauth-basic" || password === "" ? name : password)
}

const unauthorized = (world: World, token: string): Reply => {
  if (world.knobs.unauthorizedStyle === 16) {
    return apiError(world, 401, [
      "user does not exist [uid: 0, name: ]",
      `access token does not exist [sha: ${token}]`,
      `task with token "${token}" does not exist`
    ].join("\n"))
  }
  const looksLikeJwt = token.split(".").length === 3
  return apiError(world, 401, looksLikeJwt ? "user does not exist [uid: 0, name: ]" : "access token does not exist [sha: ]")
}
