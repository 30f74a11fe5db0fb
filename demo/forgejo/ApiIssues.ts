import { apiError } from "./ApiAuth.ts"
import type { ApiRequest, Route } from "./ApiRoute.ts"
import { mayWrite, noSuchThing, paged, repoFor } from "./ApiRoute.ts"
import { commentShape, issueShape } from "./ApiShapes.ts"
import type { Reply } from "./Http.ts"
import { json, parseJson } from "./Http.ts"
import type { Issue, Repo, User } from "./State.ts"
import { addIssue } from "./State.ts"

const withRepo = (handle: (request: ApiRequest, repo: Repo) => Reply) => (request: ApiRequest): Reply => {
  const repo = repoFor(request)
  return repo === undefined ? noSuchThing(request.world) : handle(request, repo)
}

const withIssue = (handle: (request: ApiRequest, repo: Repo, issue: Issue) => Reply) =>
  withRepo((request, repo) => {
    const issue = repo.issues.find(({ number }) => number === Number(request.params[2]))
    return issue === undefined ? noSuchThing(request.world) : handle(request, repo, issue)
  })

const signedIn = (request: ApiRequest, handle: (user: User, body: Record<string, unknown>) => Reply): Reply =>
  request.caller.user === undefined
    ? apiError(request.world, 401, "token is required")
    : handle(request.caller.user, parseJson(request.request.body) ?? {})

const textOf = (value: unknown): string => typeof value === "string" ? value : ""

// The Go client always sends `type=`, empty: it means both issues and pull requests. There are no pull requests here.
const list = withRepo((request, repo) => {
  const { query } = request.request
  const state = query.get("state") || "open"
  const wanted = query.get("q")?.toLowerCase() ?? ""
  const found = query.get("type") === "pulls" ? [] : repo.issues.filter((issue) =>
    (state === "all" || issue.state === state) && issue.title.toLowerCase().includes(wanted)
  )
  return paged(request, [...found].reverse(), (issue) => issueShape(request.world, repo, issue))
})

const create = withRepo((request, repo) =>
  signedIn(request, (user, body) => {
    const { world } = request
    const title = textOf(body["title"])
    if (title.trim() === "") return apiError(world, 422, "[Title]: Required")
    const issue = addIssue(world.state, repo, { posterId: user.id, title, body: textOf(body["body"]) }, world.now())
    if (body["closed"] === true) setState(issue, "closed", world.now())
    return json(201, issueShape(world, repo, issue))
  })
)

const setState = (issue: Issue, state: Issue["state"], now: number) => {
  issue.state = state
  issue.closedAt = state === "closed" ? now : null
}

const edit = withIssue((request, repo, issue) =>
  signedIn(request, (user, body) => {
    const { world } = request
    if (issue.posterId !== user.id && !mayWrite(repo, user)) return apiError(world, 403, "user should have permission to write issues")
    const { state } = body
    if (typeof body["title"] === "string" && body["title"] !== "") issue.title = body["title"]
    if (typeof body["body"] === "string") issue.body = body["body"]
    if (state === "open" || state === "closed") setState(issue, state, world.now())
    else if (state !== undefined && state !== null) return apiError(world, 422, `unknown state: ${textOf(state)}`)
    issue.updatedAt = world.now()
    return json(201, issueShape(world, repo, issue))
  })
)

const comment = withIssue((request, repo, issue) =>
  signedIn(request, (user, body) => {
    const { world } = request
    if (textOf(body["body"]) === "") return apiError(world, 422, "[Body]: Required")
    const added = { id: world.state.nextId(), posterId: user.id, body: textOf(body["body"]), createdAt: world.now() }
    issue.comments.push(added)
    issue.updatedAt = world.now()
    return json(201, commentShape(world, repo, issue, added))
  })
)

export const issueRoutes: ReadonlyArray<Route> = [
  { method: "GET", path: "/repos/{owner}/{repo}/issues", needs: ["issue"], handle: list },
  { method: "POST", path: "/repos/{owner}/{repo}/issues", needs: ["issue"], signedIn: true, handle: create },
  {
    method: "GET",
    path: "/repos/{owner}/{repo}/issues/{index}",
    needs: ["issue"],
    handle: withIssue(({ world }, repo, issue) => json(200, issueShape(world, repo, issue)))
  },
  { method: "PATCH", path: "/repos/{owner}/{repo}/issues/{index}", needs: ["issue"], signedIn: true, handle: edit },
  {
    method: "GET",
    path: "/repos/{owner}/{repo}/issues/{index}/comments",
    needs: ["issue"],
    handle: withIssue((request, repo, issue) =>
      json(200, issue.comments.map((made) => commentShape(request.world, repo, issue, made)))
    )
  },
  { method: "POST", path: "/repos/{owner}/{repo}/issues/{index}/comments", needs: ["issue"], signedIn: true, handle: comment }
]
