import type { Caller } from "./ApiAuth.ts"
import { apiError, authenticate } from "./ApiAuth.ts"
import { issueRoutes } from "./ApiIssues.ts"
import { repoRoutes } from "./ApiRepos.ts"
import type { Route } from "./ApiRoute.ts"
import { noSuchThing } from "./ApiRoute.ts"
import { userRoutes } from "./ApiUsers.ts"
import type { Reply, Request } from "./Http.ts"
import { json } from "./Http.ts"
import type { World } from "./World.ts"

const instanceRoutes: ReadonlyArray<Route> = [
  { method: "GET", path: "/version", needs: [], handle: ({ world }) => json(200, { version: world.knobs.version }) },
  {
    method: "GET",
    path: "/settings/api",
    needs: [],
    handle: () =>
      json(200, { max_response_items: 50, default_paging_num: 30, default_git_trees_per_page: 1000, default_max_blob_size: 10485760 })
  }
]

const routes = [...instanceRoutes, ...userRoutes, ...repoRoutes, ...issueRoutes].map((route) => ({
  ...route,
  pattern: new RegExp(`^/api/v1${route.path.replace(/\{\w+\}/g, "([^/]+)")}/?$`)
}))

/** Everything under `/api/v1`: authentication first, then the route, then the scope. */
export const api = (world: World, request: Request): Reply => {
  const caller = authenticate(world, request)
  if ("status" in caller) return caller
  for (const route of routes) {
    const match = route.method === request.method ? route.pattern.exec(request.path) : null
    if (match === null) continue
    const refused = refuse(world, route, caller)
    if (refused !== undefined) return refused
    return route.handle({ world, request, caller, params: match.slice(1).map(decode) })
  }
  return noSuchThing(world)
}

const decode = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

const refuse = (world: World, route: Pick<Route, "method" | "needs" | "signedIn">, caller: Caller): Reply | undefined => {
  if (route.signedIn === true && caller.user === undefined) return apiError(world, 401, "token is required")
  const level = route.method === "GET" ? "read" : "write"
  const missing = route.needs.find((category) => !caller.scope.allows(level, category))
  if (missing === undefined) return undefined
  return apiError(world, 403, `token does not have at least one of required scope(s): [${level}:${missing}]`)
}
