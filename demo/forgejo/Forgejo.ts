import { randomUUID } from "node:crypto"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Faults } from "./Faults.ts"
import { makeFaults } from "./Faults.ts"
import type { Knobs } from "./Knobs.ts"
import { defaultKnobs } from "./Knobs.ts"
import type { Recorder } from "./Recorder.ts"
import { makeRecorder } from "./Recorder.ts"
import { listener } from "./Server.ts"
import type { Grant, Issue, Repo, State, User } from "./State.ts"
import { addApp, appByClientId, dropGrant, grantOf, makeState, repoOf, userByLogin } from "./State.ts"
import { makeKeys, rotateKey } from "./Tokens.ts"
import type { World } from "./World.ts"

export interface ForgejoOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number
  /** The address to listen on, 127.0.0.1 unless told. */
  readonly host?: string
  /** Milliseconds since 1970, for tests of expiry and of clock skew. */
  readonly now?: () => number
  /** The sign-in form comes filled in with these. */
  readonly prefillLogin?: { readonly login: string; readonly password: string }
  /** Knobs that differ from the defaults from the start. */
  readonly knobs?: Partial<Knobs>
}

/**
 * A stand-in for Forgejo as far as a broker and its children see one: sign-in and consent pages, the OAuth2 provider with
 * its grants, counters and error texts, and the part of the API that the tools of the stand-in child use.
 * It follows the sources of Forgejo 11 to 16; where versions differ, a knob chooses. Everything is kept in memory.
 */
export interface Forgejo {
  /** `http://127.0.0.1:PORT`, without a final slash. */
  readonly url: string
  readonly knobs: Knobs
  readonly faults: Faults
  readonly requests: Recorder
  /** Everything it remembers, for assertions and for setting up what has no call of its own. */
  readonly state: State
  /** An application of the instance (not of a user). Confidential unless told. */
  readonly registerApp: (app: {
    readonly name: string
    readonly redirectUris: ReadonlyArray<string>
    readonly confidential?: boolean
  }) => { readonly clientId: string; readonly clientSecret: string }
  /** Throws when there is a user of that login. */
  readonly addUser: (user: {
    readonly login: string
    readonly password: string
    readonly fullName?: string
    readonly isAdmin?: boolean
  }) => { readonly id: number }
  /** Throws when there is no user `owner`. */
  readonly addRepo: (owner: string, name: string, options?: { readonly private?: boolean; readonly description?: string }) => Repo
  /** A release with one asset of type "external", whose URL may lead anywhere. */
  readonly addExternalAsset: (
    owner: string,
    repo: string,
    asset: { readonly name: string; readonly url: string; readonly tag?: string }
  ) => { readonly releaseId: number; readonly assetId: number }
  readonly issues: (owner: string, repo: string) => ReadonlyArray<Issue>
  readonly grant: (login: string, clientId: string) => Grant | undefined
  /** What the user does at Settings > Applications > Revoke. Nothing happens when there is no grant. */
  readonly revokeGrant: (login: string, clientId: string) => void
  /** Blocks or unblocks an account. */
  readonly prohibitLogin: (login: string, prohibited: boolean) => void
  /** A new signing key: every token made before is refused. */
  readonly rotateKey: () => void
  /** Stops listening and closes every connection, hanging ones too. */
  readonly stop: () => Promise<void>
}

export const startForgejo = async (options: ForgejoOptions = {}): Promise<Forgejo> => {
  const now = options.now ?? Date.now
  const state = makeState()
  const keys = await makeKeys()
  const knobs: Knobs = { ...defaultKnobs(), ...options.knobs }
  const faults = makeFaults()
  const requests = makeRecorder()

  const host = options.host ?? "127.0.0.1"
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(options.port ?? 0, host, resolve)
  })
  const { port } = server.address() as AddressInfo
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`
  const world: World = { url, knobs, state, keys, now, prefillLogin: options.prefillLogin }
  server.on("request", listener(world, faults, requests))

  const someUser = (login: string): User => {
    const user = userByLogin(state, login)
    if (user === undefined) throw new Error(`The stand-in has no user "${login}": call addUser first.`)
    return user
  }
  const someRepo = (owner: string, name: string): Repo => {
    const repo = repoOf(state, owner, name)
    if (repo === undefined) throw new Error(`The stand-in has no repository "${owner}/${name}": call addRepo first.`)
    return repo
  }
  const findGrant = (login: string, clientId: string): Grant | undefined => {
    const app = appByClientId(state, clientId)
    return app && grantOf(state, someUser(login).id, app.id)
  }

  return {
    url,
    knobs,
    faults,
    requests,
    state,
    registerApp: ({ confidential = true, name, redirectUris }) => addApp(state, { ownerId: 0, name, confidential, redirectUris }, now()),
    addUser: ({ fullName = "", isAdmin = false, login, password }) => {
      if (userByLogin(state, login) !== undefined) throw new Error(`The stand-in has a user "${login}" already.`)
      const email = `${login}@forgejo.example`
      const user: User = { id: state.nextId(), login, password, email, fullName, isAdmin, prohibitLogin: false, createdAt: now() }
      state.users.push(user)
      return { id: user.id }
    },
    addRepo: (owner, name, { description = "", private: isPrivate = false } = {}) => {
      const ownerId = someUser(owner).id
      const repo = { id: state.nextId(), ownerId, name, private: isPrivate, description, issues: [], releases: [], createdAt: now() }
      state.repos.push(repo)
      return repo
    },
    addExternalAsset: (owner, name, { name: file, tag = "v1.0.0", url: target }) => {
      const repo = someRepo(owner, name)
      const asset = { id: state.nextId(), uuid: randomUUID(), name: file, url: target, createdAt: now() }
      const release = { id: state.nextId(), tag, authorId: repo.ownerId, assets: [asset], createdAt: now() }
      repo.releases.push(release)
      return { releaseId: release.id, assetId: asset.id }
    },
    issues: (owner, name) => someRepo(owner, name).issues,
    grant: findGrant,
    revokeGrant: (login, clientId) => {
      const found = findGrant(login, clientId)
      if (found !== undefined) dropGrant(state, found)
    },
    prohibitLogin: (login, prohibited) => {
      someUser(login).prohibitLogin = prohibited
    },
    rotateKey: () => rotateKey(keys),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}
