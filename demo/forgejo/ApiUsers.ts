import { randomBytes } from "node:crypto"
import { apiError } from "./ApiAuth.ts"
import type { ApiRequest, Route } from "./ApiRoute.ts"
import { mayRead, noSuchThing, paged } from "./ApiRoute.ts"
import { appShape, repoShape, userShape } from "./ApiShapes.ts"
import type { Reply } from "./Http.ts"
import { json, parseJson } from "./Http.ts"
import type { User } from "./State.ts"
import { addApp, sameName, userByLogin } from "./State.ts"

const signedIn = (handle: (request: ApiRequest, user: User) => Reply) => (request: ApiRequest): Reply =>
  request.caller.user === undefined ? apiError(request.world, 401, "token is required") : handle(request, request.caller.user)

const texts = (value: unknown): ReadonlyArray<string> => Array.isArray(value) ? value.filter((item) => typeof item === "string") : []

const makeApp = ({ request, world }: ApiRequest, user: User): Reply => {
  const body = parseJson(request.body) ?? {}
  if (typeof body["name"] !== "string" || body["name"] === "") return apiError(world, 422, "[Name]: Required")
  const app = addApp(world.state, {
    ownerId: user.id,
    name: body["name"],
    confidential: body["confidential_client"] === true,
    redirectUris: texts(body["redirect_uris"])
  }, world.now())
  return json(201, appShape(app, true))
}

const makeToken = ({ caller, params, request, world }: ApiRequest): Reply => {
  const { user } = caller
  if (user === undefined || !caller.byPassword) return apiError(world, 401, "auth required")
  if (!sameName(user.login, params[0] ?? "")) return apiError(world, 403, "You are not allowed to do this.")
  const body = parseJson(request.body) ?? {}
  const name = typeof body["name"] === "string" ? body["name"] : ""
  const scopes = texts(body["scopes"])
  if (name === "") return apiError(world, 422, "[Name]: Required")
  if (scopes.length === 0) return apiError(world, 400, "access token must have a scope")
  const token = { id: world.state.nextId(), userId: user.id, name, sha1: randomBytes(20).toString("hex"), scopes }
  world.state.personalTokens.push(token)
  return json(201, { id: token.id, name, sha1: token.sha1, token_last_eight: token.sha1.slice(-8), scopes })
}

export const userRoutes: ReadonlyArray<Route> = [
  {
    method: "GET",
    path: "/user",
    needs: ["user"],
    signedIn: true,
    handle: signedIn(({ world }, user) => json(200, userShape(world, user)))
  },
  {
    method: "GET",
    path: "/user/repos",
    needs: ["user", "repository"],
    signedIn: true,
    handle: signedIn((request, user) =>
      paged(
        request,
        request.world.state.repos.filter((repo) => repo.ownerId === user.id && mayRead(repo, request.caller)),
        (repo) => repoShape(request.world, repo, user)
      )
    )
  },
  {
    method: "GET",
    path: "/user/orgs",
    needs: ["user", "organization"],
    signedIn: true,
    handle: (request) => paged(request, [], String)
  },
  {
    method: "GET",
    path: "/notifications",
    needs: ["notification"],
    signedIn: true,
    handle: (request) => paged(request, [], String)
  },
  {
    method: "POST",
    path: "/user/applications/oauth2",
    needs: ["user"],
    signedIn: true,
    handle: signedIn(makeApp)
  },
  {
    method: "GET",
    path: "/user/applications/oauth2",
    needs: ["user"],
    signedIn: true,
    handle: signedIn((request, user) =>
      paged(request, request.world.state.apps.filter((app) => app.ownerId === user.id), (app) => appShape(app, false))
    )
  },
  {
    method: "DELETE",
    path: "/user/applications/oauth2/{id}",
    needs: ["user"],
    signedIn: true,
    handle: signedIn(({ params, world }, user) => {
      const at = world.state.apps.findIndex((app) => app.ownerId === user.id && app.id === Number(params[0]))
      if (at < 0) return noSuchThing(world)
      world.state.apps.splice(at, 1)
      return { status: 204, headers: {}, body: "" }
    })
  },
  { method: "POST", path: "/users/{user}/tokens", needs: [], handle: makeToken },
  {
    method: "GET",
    path: "/users/{user}",
    needs: ["user"],
    handle: ({ params, world }) => {
      const user = userByLogin(world.state, params[0] ?? "")
      return user === undefined ? noSuchThing(world) : json(200, userShape(world, user))
    }
  }
]
