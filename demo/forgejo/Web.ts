import { authorize, grant } from "./Authorize.ts"
import type { Reply, Request } from "./Http.ts"
import { html, readForm, redirect } from "./Http.ts"
import { discovery, introspect, keys, userinfo } from "./Oidc.ts"
import { applicationsPage, homePage, issuePage, issuesPage, loginPage, messagePage } from "./Pages.ts"
import { dropGrant, repoOf, sameName, userById } from "./State.ts"
import { accessToken } from "./TokenEndpoint.ts"
import { askToSignIn, endSession, refuseCrossOrigin, signedIn, startSession, targetOf } from "./WebSessions.ts"
import type { World } from "./World.ts"

const notFound = (): Reply =>
  html(404, messagePage("Not Found", "The page you are trying to reach either does not exist or is not yours to see."))

/** Everything outside `/api/v1`. */
export const web = (world: World, request: Request): Reply | Promise<Reply> => {
  const route = `${request.method} ${request.path}`
  switch (route) {
    case "GET /.well-known/openid-configuration":
      return discovery(world)
    case "GET /login/oauth/keys":
      return keys(world)
    case "GET /login/oauth/userinfo":
    case "POST /login/oauth/userinfo":
      return userinfo(world, request)
    case "POST /login/oauth/introspect":
      return introspect(world, request)
    case "POST /login/oauth/access_token":
      return accessToken(world, request)
    default:
      return refuseCrossOrigin(request) ?? pages(world, request, route)
  }
}

/** What a browser with cookies asks for. */
const pages = (world: World, request: Request, route: string): Reply => {
  switch (route) {
    case "GET /login/oauth/authorize":
    case "POST /login/oauth/authorize":
      return authorize(world, request)
    case "POST /login/oauth/grant":
      return grant(world, request)
    case "GET /user/login":
      return signedIn(world, request) ? redirect(targetOf(request)) : html(200, loginPage(world.prefillLogin))
    case "POST /user/login":
      return login(world, request)
    case "POST /user/logout":
      return endSession(world, request)
    case "GET /":
      return html(200, homePage(signedIn(world, request)?.user))
    case "GET /user/settings/applications":
      return applications(world, request)
  }
  const revoked = /^POST \/user\/settings\/applications\/oauth2\/\d+\/revoke\/(\d+)$/.exec(route)?.[1]
  if (revoked !== undefined) return revoke(world, request, Number(revoked))
  return issues(world, request, route)
}

const login = (world: World, request: Request): Reply => {
  const form = readForm(request)
  const name = form.get("user_name") ?? ""
  const user = world.state.users.find((candidate) => sameName(candidate.login, name) || sameName(candidate.email, name))
  if (user === undefined || user.password !== form.get("password")) {
    return html(200, loginPage(world.prefillLogin, "Username or password is incorrect."))
  }
  if (user.prohibitLogin) return html(200, messagePage("Sign in prohibited", "Your account is prohibited from signing in."))
  return startSession(world, request, user)
}

const applications = (world: World, request: Request): Reply => {
  const visitor = signedIn(world, request)
  if (visitor === undefined) return askToSignIn(request.path)
  return html(200, applicationsPage(world.state.grants.flatMap((given) => {
    const app = world.state.apps.find(({ id }) => id === given.appId)
    return app !== undefined && given.userId === visitor.user.id ? [{ app, grant: given }] : []
  })))
}

const revoke = (world: World, request: Request, id: number): Reply => {
  const visitor = signedIn(world, request)
  if (visitor === undefined) return askToSignIn("/user/settings/applications")
  const given = world.state.grants.find((candidate) => candidate.id === id && candidate.userId === visitor.user.id)
  if (given !== undefined) dropGrant(world.state, given)
  return redirect("/user/settings/applications")
}

/** `/{owner}/{repo}/issues` and `/{owner}/{repo}/issues/{n}`, so that the links in API answers lead somewhere. */
const issues = (world: World, request: Request, route: string): Reply => {
  const [, owner = "", name = "", number] = /^GET \/([^/]+)\/([^/]+)\/issues(?:\/(\d+))?$/.exec(route) ?? []
  const repo = repoOf(world.state, owner, name)
  const holder = repo && userById(world.state, repo.ownerId)
  if (repo === undefined || holder === undefined) return notFound()
  if (repo.private && signedIn(world, request)?.user.id !== repo.ownerId) return notFound()
  if (number === undefined) return html(200, issuesPage(holder, repo))
  const issue = repo.issues.find((candidate) => candidate.number === Number(number))
  if (issue === undefined) return notFound()
  return html(200, issuePage(holder, repo, issue, userById(world.state, issue.posterId)?.login ?? "ghost"))
}
