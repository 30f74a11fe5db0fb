import type { ApiRequest, Route } from "./ApiRoute.ts"
import { mayRead, noSuchThing, paged, repoFor } from "./ApiRoute.ts"
import { assetShape, releaseShape, repoShape } from "./ApiShapes.ts"
import type { Reply } from "./Http.ts"
import { json } from "./Http.ts"
import type { Release, Repo } from "./State.ts"
import { sameName, userById } from "./State.ts"

const withRepo = (handle: (request: ApiRequest, repo: Repo) => Reply) => (request: ApiRequest): Reply => {
  const repo = repoFor(request)
  return repo === undefined ? noSuchThing(request.world) : handle(request, repo)
}

const withRelease = (handle: (request: ApiRequest, release: Release, repo: Repo) => Reply) =>
  withRepo((request, repo) => {
    const release = repo.releases.find(({ id }) => id === Number(request.params[2]))
    return release === undefined ? noSuchThing(request.world) : handle(request, release, repo)
  })

const search = ({ caller, request, world }: ApiRequest): Reply => {
  const wanted = (request.query.get("q") ?? "").toLowerCase()
  const found = world.state.repos.filter((repo) => mayRead(repo, caller) && repo.name.toLowerCase().includes(wanted))
  return json(200, { ok: true, data: found.map((repo) => repoShape(world, repo, caller.user)) }, { "x-total-count": String(found.length) })
}

export const repoRoutes: ReadonlyArray<Route> = [
  { method: "GET", path: "/repos/search", needs: ["repository"], handle: search },
  {
    method: "GET",
    path: "/users/{user}/repos",
    needs: ["user", "repository"],
    handle: (request) => {
      const { caller, params, world } = request
      const owned = world.state.repos.filter((repo) =>
        sameName(userById(world.state, repo.ownerId)?.login ?? "", params[0] ?? "") && mayRead(repo, caller)
      )
      return paged(request, owned, (repo) => repoShape(world, repo, caller.user))
    }
  },
  {
    method: "GET",
    path: "/repos/{owner}/{repo}",
    needs: ["repository"],
    handle: withRepo(({ caller, world }, repo) => json(200, repoShape(world, repo, caller.user)))
  },
  {
    method: "GET",
    path: "/repos/{owner}/{repo}/releases",
    needs: ["repository"],
    handle: withRepo((request, repo) => paged(request, repo.releases, (release) => releaseShape(request.world, repo, release)))
  },
  {
    method: "GET",
    path: "/repos/{owner}/{repo}/releases/{id}",
    needs: ["repository"],
    handle: withRelease(({ world }, release, repo) => json(200, releaseShape(world, repo, release)))
  },
  {
    method: "GET",
    path: "/repos/{owner}/{repo}/releases/{id}/assets",
    needs: ["repository"],
    handle: withRelease((_, release) => json(200, release.assets.map(assetShape)))
  },
  {
    method: "GET",
    path: "/repos/{owner}/{repo}/releases/{id}/assets/{asset}",
    needs: ["repository"],
    handle: withRelease(({ params, world }, release) => {
      const asset = release.assets.find(({ id }) => id === Number(params[3]))
      return asset === undefined ? noSuchThing(world) : json(200, assetShape(asset))
    })
  }
]
