import type { Caller } from "./ApiAuth.ts"
import type { Reply, Request } from "./Http.ts"
import { json } from "./Http.ts"
import type { ScopeCategory } from "./Scopes.ts"
import type { Repo, User } from "./State.ts"
import { repoOf } from "./State.ts"
import type { World } from "./World.ts"

export interface ApiRequest {
  readonly world: World
  readonly request: Request
  readonly caller: Caller
  /** The `{...}` parts of the path, in order. */
  readonly params: ReadonlyArray<string>
}

export interface Route {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE"
  /** After `/api/v1`, with `{name}` for a variable part. */
  readonly path: string
  /** Scope categories that a token needs, all of them: read for GET, write for the rest. */
  readonly needs: ReadonlyArray<ScopeCategory>
  /** Refused without a token. */
  readonly signedIn?: boolean
  readonly handle: (request: ApiRequest) => Reply
}

/** Also the answer for private things of others, so that they cannot be told from missing ones. */
export const noSuchThing = (world: World): Reply =>
  json(404, { errors: [], message: "The target couldn't be found.", url: `${world.url}/api/swagger` })

/** One page of `items` with Forgejo's paging headers; `page` and `limit` come from the query (30 a page, 50 at most). */
export const paged = <A>({ request, world }: ApiRequest, items: ReadonlyArray<A>, shape: (item: A) => unknown): Reply => {
  const whole = (name: string, otherwise: number) => {
    const value = Number(request.query.get(name))
    return Number.isInteger(value) && value > 0 ? value : otherwise
  }
  const limit = Math.min(whole("limit", 30), 50)
  const page = whole("page", 1)
  const last = Math.max(1, Math.ceil(items.length / limit))
  const link = (number: number, rel: string) => {
    const query = new URLSearchParams(request.query)
    query.set("page", String(number))
    return `<${world.url}${request.path}?${query}>; rel="${rel}"`
  }
  const links = page < last ? [link(page + 1, "next"), link(last, "last")] : []
  return json(200, items.slice((page - 1) * limit, page * limit).map(shape), {
    "x-total-count": String(items.length),
    ...(links.length > 0 ? { link: links.join(",") } : {})
  })
}

export const mayRead = (repo: Repo, { scope, user }: Caller): boolean =>
  !repo.private || (!scope.publicOnly && user !== undefined && (user.isAdmin || user.id === repo.ownerId))

export const mayWrite = (repo: Repo, user: User): boolean => user.isAdmin || user.id === repo.ownerId

/** The repository named by the first two parts of the path, if the caller may know of it. */
export const repoFor = ({ caller, params, world }: ApiRequest): Repo | undefined => {
  const repo = repoOf(world.state, params[0] ?? "", params[1] ?? "")
  return repo !== undefined && mayRead(repo, caller) ? repo : undefined
}
