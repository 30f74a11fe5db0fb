import type { App, Asset, Comment, Issue, Release, Repo, User } from "./State.ts"
import { userById } from "./State.ts"
import type { World } from "./World.ts"
import { rfc3339 } from "./World.ts"

export const userShape = (world: World, user: User) => ({
  id: user.id,
  login: user.login,
  login_name: "",
  source_id: 0,
  full_name: user.fullName,
  email: user.email,
  avatar_url: `${world.url}/avatars/${user.id}`,
  html_url: `${world.url}/${user.login}`,
  language: "en-US",
  is_admin: user.isAdmin,
  last_login: rfc3339(user.createdAt),
  created: rfc3339(user.createdAt),
  restricted: false,
  active: true,
  prohibit_login: user.prohibitLogin,
  location: "",
  pronouns: "",
  website: "",
  description: "",
  visibility: "public",
  followers_count: 0,
  following_count: 0,
  starred_repos_count: 0,
  username: user.login
})

const someUser = (world: World, id: number) => {
  const user = userById(world.state, id)
  return user === undefined ? null : userShape(world, user)
}

const fullName = (world: World, repo: Repo): string => `${userById(world.state, repo.ownerId)?.login ?? "ghost"}/${repo.name}`

/** `viewer` decides what `permissions` says. */
export const repoShape = (world: World, repo: Repo, viewer: User | undefined) => {
  const name = fullName(world, repo)
  const own = viewer !== undefined && (viewer.isAdmin || viewer.id === repo.ownerId)
  return {
    id: repo.id,
    owner: someUser(world, repo.ownerId),
    name: repo.name,
    full_name: name,
    description: repo.description,
    empty: false,
    private: repo.private,
    fork: false,
    template: false,
    parent: null,
    mirror: false,
    size: 24,
    language: "",
    languages_url: `${world.url}/api/v1/repos/${name}/languages`,
    html_url: `${world.url}/${name}`,
    url: `${world.url}/api/v1/repos/${name}`,
    link: "",
    ssh_url: `git@127.0.0.1:${name}.git`,
    clone_url: `${world.url}/${name}.git`,
    original_url: "",
    website: "",
    stars_count: 0,
    forks_count: 0,
    watchers_count: 1,
    open_issues_count: repo.issues.filter((issue) => issue.state === "open").length,
    open_pr_counter: 0,
    release_counter: repo.releases.length,
    default_branch: "main",
    archived: false,
    created_at: rfc3339(repo.createdAt),
    updated_at: rfc3339(repo.createdAt),
    permissions: { admin: own, push: own, pull: true },
    has_issues: true,
    has_wiki: true,
    has_pull_requests: true,
    has_projects: true,
    has_releases: true,
    has_packages: true,
    has_actions: false,
    internal: false,
    object_format_name: "sha1",
    topics: []
  }
}

export const issueShape = (world: World, repo: Repo, issue: Issue) => {
  const name = fullName(world, repo)
  return {
    id: issue.id,
    url: `${world.url}/api/v1/repos/${name}/issues/${issue.number}`,
    html_url: `${world.url}/${name}/issues/${issue.number}`,
    number: issue.number,
    user: someUser(world, issue.posterId),
    original_author: "",
    original_author_id: 0,
    title: issue.title,
    body: issue.body,
    ref: "",
    assets: [],
    labels: [],
    milestone: null,
    assignee: null,
    assignees: null,
    state: issue.state,
    is_locked: false,
    comments: issue.comments.length,
    created_at: rfc3339(issue.createdAt),
    updated_at: rfc3339(issue.updatedAt),
    closed_at: issue.closedAt === null ? null : rfc3339(issue.closedAt),
    due_date: null,
    pull_request: null,
    repository: { id: repo.id, name: repo.name, owner: userById(world.state, repo.ownerId)?.login ?? "ghost", full_name: name },
    pin_order: 0
  }
}

export const commentShape = (world: World, repo: Repo, issue: Issue, comment: Comment) => {
  const page = `${world.url}/${fullName(world, repo)}/issues/${issue.number}`
  return {
    id: comment.id,
    html_url: `${page}#issuecomment-${comment.id}`,
    pull_request_url: "",
    issue_url: page,
    user: someUser(world, comment.posterId),
    original_author: "",
    original_author_id: 0,
    body: comment.body,
    assets: [],
    created_at: rfc3339(comment.createdAt),
    updated_at: rfc3339(comment.createdAt)
  }
}

export const assetShape = (asset: Asset) => ({
  id: asset.id,
  name: asset.name,
  size: 0,
  download_count: 0,
  created_at: rfc3339(asset.createdAt),
  uuid: asset.uuid,
  browser_download_url: asset.url,
  type: "external"
})

export const releaseShape = (world: World, repo: Repo, release: Release) => {
  const name = fullName(world, repo)
  return {
    id: release.id,
    tag_name: release.tag,
    target_commitish: "main",
    name: release.tag,
    body: "",
    url: `${world.url}/api/v1/repos/${name}/releases/${release.id}`,
    html_url: `${world.url}/${name}/releases/tag/${release.tag}`,
    draft: false,
    prerelease: false,
    created_at: rfc3339(release.createdAt),
    published_at: rfc3339(release.createdAt),
    author: someUser(world, release.authorId),
    assets: release.assets.map(assetShape)
  }
}

/** `secret` is shown once, when the application is made. */
export const appShape = (app: App, secret: boolean) => ({
  id: app.id,
  name: app.name,
  client_id: app.clientId,
  client_secret: secret ? app.clientSecret : "",
  confidential_client: app.confidential,
  redirect_uris: app.redirectUris,
  created: rfc3339(app.createdAt)
})
