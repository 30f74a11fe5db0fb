import { randomBytes, randomUUID } from "node:crypto"

export interface User {
  readonly id: number
  readonly login: string
  readonly password: string
  readonly email: string
  readonly fullName: string
  readonly isAdmin: boolean
  /** True: the account may not sign in, and its tokens get 403. */
  prohibitLogin: boolean
  readonly createdAt: number
}

/** A registered OAuth2 application. */
export interface App {
  readonly id: number
  /** The user who made it through the API; 0 when it belongs to the instance. */
  readonly ownerId: number
  readonly name: string
  readonly clientId: string
  readonly clientSecret: string
  readonly confidential: boolean
  readonly redirectUris: ReadonlyArray<string>
  readonly createdAt: number
}

/** One per user and application. `counter` goes up with every refresh token that is issued. */
export interface Grant {
  readonly id: number
  readonly userId: number
  readonly appId: number
  readonly scope: string
  nonce: string
  counter: number
}

/** An authorization code. Forgejo's have no expiry. */
export interface Code {
  readonly code: string
  readonly grantId: number
  readonly redirectUri: string
  readonly challenge: string
  readonly method: string
}

/** A browser's session. It has room for one authorization: a second one in the same browser overwrites the first. */
export interface WebSession {
  readonly id: string
  readonly userId: number
  clientId?: string
  state?: string
  redirectUri?: string
  challenge?: string
  method?: string
}

export interface Comment {
  readonly id: number
  readonly posterId: number
  readonly body: string
  readonly createdAt: number
}

export interface Issue {
  readonly id: number
  readonly number: number
  readonly posterId: number
  title: string
  body: string
  state: "open" | "closed"
  readonly comments: Array<Comment>
  readonly createdAt: number
  updatedAt: number
  closedAt: number | null
}

/** A release asset of type "external": Forgejo hands out the URL that the repository's owner typed, wherever it leads. */
export interface Asset {
  readonly id: number
  readonly uuid: string
  readonly name: string
  readonly url: string
  readonly createdAt: number
}

export interface Release {
  readonly id: number
  readonly tag: string
  readonly authorId: number
  readonly assets: Array<Asset>
  readonly createdAt: number
}

export interface Repo {
  readonly id: number
  readonly ownerId: number
  readonly name: string
  readonly private: boolean
  readonly description: string
  readonly issues: Array<Issue>
  readonly releases: Array<Release>
  readonly createdAt: number
}

/** A personal access token, made with `POST /api/v1/users/{user}/tokens`. */
export interface PersonalToken {
  readonly id: number
  readonly userId: number
  readonly name: string
  readonly sha1: string
  readonly scopes: ReadonlyArray<string>
}

/** An access token of the OAuth2 provider that was handed out. */
export interface IssuedToken {
  readonly userId: number
  readonly token: string
  readonly at: number
}

/** Everything the stand-in remembers. It lives as long as the process. */
export interface State {
  readonly users: Array<User>
  readonly apps: Array<App>
  readonly grants: Array<Grant>
  readonly codes: Map<string, Code>
  readonly webSessions: Map<string, WebSession>
  readonly repos: Array<Repo>
  readonly personalTokens: Array<PersonalToken>
  /** Oldest first. For tests, which ask whose token a child holds. */
  readonly issued: Array<IssuedToken>
  /** A number that was not given out before. */
  readonly nextId: () => number
}

export const makeState = (): State => {
  let last = 0
  return {
    users: [],
    apps: [],
    grants: [],
    codes: new Map(),
    webSessions: new Map(),
    repos: [],
    personalTokens: [],
    issued: [],
    nextId: () => ++last
  }
}

const base32 = (bytes: Uint8Array): string => {
  const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
  let text = ""
  let held = 0
  let bits = 0
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xffff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet[(held >> bits) & 31]
    }
  }
  return bits > 0 ? text + alphabet[(held << (5 - bits)) & 31] : text
}

/** A secret as Forgejo makes them: `gto_` for clients, `gta_` for codes, then 32 random bytes in lower-case base32. */
export const newForgejoSecret = (prefix: "gto_" | "gta_"): string => prefix + base32(randomBytes(32))

/** Logins, like owner and repository names, are compared without regard to case. */
export const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

export const userByLogin = (state: State, login: string): User | undefined => state.users.find((user) => sameName(user.login, login))

export const userById = (state: State, id: number): User | undefined => state.users.find((user) => user.id === id)

export const appByClientId = (state: State, clientId: string): App | undefined => state.apps.find((app) => app.clientId === clientId)

export const grantById = (state: State, id: number): Grant | undefined => state.grants.find((grant) => grant.id === id)

export const grantOf = (state: State, userId: number, appId: number): Grant | undefined =>
  state.grants.find((grant) => grant.userId === userId && grant.appId === appId)

export const repoOf = (state: State, owner: string, name: string): Repo | undefined =>
  state.repos.find((repo) => sameName(repo.name, name) && sameName(userById(state, repo.ownerId)?.login ?? "", owner))

/** Forgets a grant and its codes. From the next request on, its tokens are refused. */
export const dropGrant = (state: State, grant: Grant): void => {
  state.grants.splice(state.grants.indexOf(grant), 1)
  for (const code of [...state.codes.values()]) {
    if (code.grantId === grant.id) state.codes.delete(code.code)
  }
}

export const addApp = (
  state: State,
  app: { readonly ownerId: number; readonly name: string; readonly confidential: boolean; readonly redirectUris: ReadonlyArray<string> },
  now: number
): App => {
  const added = { id: state.nextId(), clientId: randomUUID(), clientSecret: newForgejoSecret("gto_"), createdAt: now, ...app }
  state.apps.push(added)
  return added
}

export const addIssue = (state: State, repo: Repo, issue: Pick<Issue, "posterId" | "title" | "body">, now: number): Issue => {
  const added: Issue = {
    id: state.nextId(),
    number: repo.issues.length + 1,
    ...issue,
    state: "open",
    comments: [],
    createdAt: now,
    updatedAt: now,
    closedAt: null
  }
  repo.issues.push(added)
  return added
}
