import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import type { Forgejo, ForgejoOptions } from "../../demo/forgejo/Forgejo.ts"
import { startForgejo } from "../../demo/forgejo/Forgejo.ts"
import { OAuthClient } from "../../demo/OAuthClient.ts"
import { BrokerLive } from "../../src/layers/Broker.ts"
import type { Settings } from "../../src/services/AppConfig.ts"
import { bundleChild } from "../demo/ChildProcess.ts"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import { settingsLayer } from "../fakes/TestSettings.ts"
import type { Entry } from "./TestLog.ts"
import { TestLog } from "./TestLog.ts"
import type { Answer } from "./Wire.ts"
import { exchange } from "./Wire.ts"

let child: Awaited<ReturnType<typeof bundleChild>> | undefined
beforeAll(async () => {
  child = await bundleChild()
})
afterAll(() => child?.remove())

export const ada = { login: "ada", password: "ada-password-1815" }
export const ben = { login: "ben", password: "ben-password-1909" }

/** The stand-in Forgejo with two users, who have a repository `playground` each. */
export const forgejoWith = (options: ForgejoOptions = {}): Effect.Effect<Forgejo, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const forgejo = await startForgejo(options)
      for (const user of [ada, ben]) {
        forgejo.addUser(user)
        forgejo.addRepo(user.login, "playground")
      }
      return forgejo
    }),
    (forgejo) => Effect.promise(() => forgejo.stop())
  )

/** A client that a user has signed in to. */
export interface SignedIn {
  readonly clientId: string
  readonly token: string
  readonly refreshToken: string
}

export interface PostOptions {
  readonly session?: string
  /** Over the usual ones. An empty value takes one away. */
  readonly headers?: Readonly<Record<string, string>>
}

const freePort = Effect.async<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** The pids of the stand-in children that this process has started and that have not been reaped. */
export const children = (): ReadonlyArray<number> =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const parent = Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[1])
      return parent === process.pid && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(child?.file ?? "?") ? [Number(pid)] : []
    } catch {
      return []
    }
  })

/** The whole daemon in this process, as a client on the network sees it. */
export class TestBroker {
  readonly url: string
  readonly mcpUrl: string
  readonly forgejo: Forgejo
  /** The broker's own client id at Forgejo. */
  readonly forgejoApp: string
  readonly log: TestLog
  /** Drains and stops it, as SIGTERM does; the test's end does it anyway. */
  readonly stop: Effect.Effect<void>
  /** What must never be in the log. */
  readonly secrets = new Set<string>()

  constructor(url: string, forgejo: Forgejo, forgejoApp: string, log: TestLog, stop: Effect.Effect<void>) {
    this.url = url
    this.mcpUrl = `${url}/mcp`
    this.forgejo = forgejo
    this.forgejoApp = forgejoApp
    this.log = log
    this.stop = stop
  }

  get(path: string, init: RequestInit = {}): Effect.Effect<Answer> {
    return Effect.orDie(exchange(`${this.url}${path}`, init))
  }

  /** A new client, and a user who allows it everything. */
  signIn(user: typeof ada = ada): Effect.Effect<SignedIn> {
    return this.#signIn(user, undefined)
  }

  /** The same client once more: another grant of Ada's. */
  signInAgain({ clientId }: SignedIn): Effect.Effect<SignedIn> {
    return this.#signIn(ada, clientId)
  }

  #signIn(user: typeof ada, known: string | undefined): Effect.Effect<SignedIn> {
    return Effect.promise(async () => {
      const oauth = new OAuthClient(this.mcpUrl)
      const server = await oauth.discover()
      const clientId = known ?? await oauth.register(server, "Test client")
      const { access_token: token, refresh_token: refreshToken } = await oauth.signIn(server, clientId, user)
      for (const secret of [token, refreshToken, user.password]) this.secrets.add(secret)
      return { clientId, token, refreshToken }
    })
  }

  /** The parts of a POST to `/mcp`, for those who want to look at the stream themselves. */
  init(client: SignedIn, message: unknown, { headers = {}, session }: PostOptions = {}): RequestInit {
    const all = {
      authorization: `Bearer ${client.token}`,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      ...(session === undefined ? {} : { "mcp-session-id": session }),
      ...headers
    }
    const body = typeof message === "string" ? message : JSON.stringify(message)
    return { method: "POST", headers: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== "")), body }
  }

  /** Fails where the connection is refused or cut. A text is sent as it is. */
  tryPost(client: SignedIn, message: unknown, options: PostOptions = {}): Effect.Effect<Answer, Error> {
    return Effect.tap(exchange(this.mcpUrl, this.init(client, message, options)), ({ headers }) => {
      const id = headers.get("mcp-session-id")
      if (id !== null) this.secrets.add(id)
    })
  }

  post(client: SignedIn, message: unknown, options: PostOptions = {}): Effect.Effect<Answer> {
    return Effect.orDie(this.tryPost(client, message, options))
  }

  /** A session of the client: its id. */
  open(client: SignedIn): Effect.Effect<string> {
    return Effect.flatMap(this.post(client, initialize()), ({ headers, status, text }) => {
      const id = headers.get("mcp-session-id")
      return id === null ? Effect.dieMessage(`initialize: ${status} ${text.slice(0, 300)}`) : Effect.succeed(id)
    })
  }

  delete(client: SignedIn, session?: string, headers: Readonly<Record<string, string>> = {}): Effect.Effect<Answer> {
    const named = session === undefined ? {} : { "mcp-session-id": session }
    return this.get("/mcp", { method: "DELETE", headers: { authorization: `Bearer ${client.token}`, ...named, ...headers } })
  }

  /** A form for the token endpoint or its neighbours, as a public client sends it. */
  form(path: string, { clientId }: SignedIn, fields: Readonly<Record<string, string>>): Effect.Effect<Answer> {
    return this.get(path, { method: "POST", body: new URLSearchParams({ client_id: clientId, ...fields }) })
  }

  refresh(client: SignedIn): Effect.Effect<{ readonly status: number; readonly client: SignedIn }> {
    return Effect.map(this.form("/oauth/token", client, { grant_type: "refresh_token", refresh_token: client.refreshToken }), (answer) => {
      const tokens = JSON.parse(answer.text) as { readonly access_token?: string; readonly refresh_token?: string }
      for (const secret of [tokens.access_token, tokens.refresh_token]) if (secret !== undefined) this.secrets.add(secret)
      return { status: answer.status, client: { ...client, token: tokens.access_token ?? "", refreshToken: tokens.refresh_token ?? "" } }
    })
  }

  /** The Forgejo tokens that children have shown it, oldest first. */
  childTokens(): ReadonlyArray<string> {
    return this.forgejo.requests.all.flatMap(({ authorization = "" }) => authorization.startsWith("token ") ? [authorization.slice(6)] : [])
  }

  /** The secrets that stand in the log: there must be none. Forgejo's tokens are those that it has been shown. */
  leaks(): ReadonlyArray<string> {
    for (const { authorization, query } of this.forgejo.requests.all) {
      for (const secret of [authorization?.split(" ")[1], new URLSearchParams(query).get("state")]) if (secret) this.secrets.add(secret)
    }
    return [...this.secrets].filter((secret) => this.log.lines.some((line) => line.includes(secret)))
  }
}

export const initialize = (protocolVersion = "2025-11-25", id: string | number = 1) => ({
  jsonrpc: "2.0",
  id,
  method: "initialize",
  params: { protocolVersion, capabilities: {}, clientInfo: { name: "test", version: "1" } }
})

export const rpc = (id: string | number, method: string, params?: unknown) => ({
  jsonrpc: "2.0",
  id,
  method,
  ...(params === undefined ? {} : { params })
})

export const notification = (method: string, params?: unknown) => ({ jsonrpc: "2.0", method, ...(params === undefined ? {} : { params }) })

export const toolCall = (id: string | number, name: string, args: unknown = {}, progressToken?: string | number) =>
  rpc(id, "tools/call", { name, arguments: args, ...(progressToken === undefined ? {} : { _meta: { progressToken } }) })

/**
 * The broker on a free port over a given Forgejo and data directory. At its end no child may be left, and no secret may
 * have been logged: that holds for every test.
 */
export const brokerOn = (
  forgejo: Forgejo,
  dataDir: string,
  changes: Partial<Settings> = {}
): Effect.Effect<TestBroker, never, Scope.Scope> =>
  Effect.gen(function*() {
    const log = new TestLog()
    const start = Effect.gen(function*() {
      const port = yield* freePort
      const url = `http://127.0.0.1:${port}`
      const { clientId, clientSecret } = forgejo.registerApp({ name: "fjmcp-broker", redirectUris: [`${url}/oauth/callback`] })
      const scope = yield* Scope.make()
      const settings = settingsLayer({
        publicUrl: url,
        forgejoUrl: forgejo.url,
        forgejoInternalUrl: forgejo.url,
        forgejoClientId: clientId,
        forgejoClientSecret: Redacted.make(clientSecret),
        listen: { host: "127.0.0.1", port },
        dataDir,
        sealingKeyFile: join(dataDir, "sealing.key"),
        childCommand: [process.execPath, child?.file ?? "", "--extras"],
        // Many tests share one user and one broker.
        maxStartsPerMinute: 10_000,
        ...changes
      })
      yield* Layer.build(Layer.provide(BrokerLive, settings)).pipe(
        Scope.extend(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      // Once, and to its end, whoever asks for it and goes away again.
      const stop = yield* Effect.cached(Effect.uninterruptible(Effect.provide(Scope.close(scope, Exit.void), log.layer)))
      const broker = new TestBroker(url, forgejo, clientId, log, stop)
      broker.secrets.add(clientSecret)
      return broker
    })
    return yield* Effect.acquireRelease(
      // Somebody else may take the port between our finding it and our listening on it.
      start.pipe(Effect.retry({ times: 3, while: (error) => error._tag === "ListenFailed" }), Effect.orDie, Effect.provide(log.layer)),
      (broker) =>
        Effect.zipRight(broker.stop, Effect.suspend(() => {
          const left = { children: children(), secretsInLog: broker.leaks() }
          return left.children.length + left.secretsInLog.length > 0
            ? Effect.dieMessage(`left behind: ${JSON.stringify(left)}`)
            : Effect.void
        }))
    )
  })

/** A Forgejo, an empty data directory, and the broker. */
export const testBroker = (changes: Partial<Settings> = {}): Effect.Effect<TestBroker, never, Scope.Scope> =>
  Effect.gen(function*() {
    const dataDir = yield* tempDirectory
    return yield* brokerOn(yield* forgejoWith(), dataDir, changes)
  })

/** One broker for the tests of a file, each of which leaves it as it was. */
export class SharedBroker extends Context.Tag("test/SharedBroker")<SharedBroker, {
  readonly broker: TestBroker
  /** Ada's, for requests that open no session. */
  readonly client: SignedIn
}>() {}

export const sharedBroker = (changes: Partial<Settings> = {}) =>
  Layer.scoped(
    SharedBroker,
    Effect.gen(function*() {
      const broker = yield* testBroker(changes)
      return { broker, client: yield* broker.signIn() }
    })
  )

/** A client for one test. At its end the grant is revoked, and its sessions and children are gone. */
export const guest = (broker: TestBroker, user = ada): Effect.Effect<SignedIn, never, Scope.Scope> =>
  Effect.acquireRelease(broker.signIn(user), (client) => {
    const key = createHash("sha256").update(client.clientId).digest("hex").slice(0, 12)
    const isIts = (entry: Entry) => entry["client"] === key
    return Effect.gen(function*() {
      yield* broker.form("/oauth/revoke", client, { token: client.refreshToken })
      const opened = broker.log.all("session.opened").filter(isIts).length
      if (opened > 0) yield* broker.log.until("session.ended", opened, isIts)
    })
  })
