import { Effect, type Scope } from "effect"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import type { Forgejo, ForgejoOptions } from "../../demo/forgejo/Forgejo.ts"
import { startForgejo } from "../../demo/forgejo/Forgejo.ts"
import { McpClient } from "../../demo/McpClient.ts"
import { OAuthClient, type Tokens } from "../../demo/OAuthClient.ts"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import { childFile, type DaemonProcess, startDaemon } from "./DaemonProcess.ts"

export const ada = { login: "ada", password: "ada-password-1815" }

/** A port that is free now. */
export const freePort = Effect.async<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** The stand-in Forgejo with one user and her repository `playground`. */
export const standInForgejo = (options: ForgejoOptions = {}): Effect.Effect<Forgejo, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const forgejo = await startForgejo({ prefillLogin: ada, ...options })
      forgejo.addUser(ada)
      forgejo.addRepo(ada.login, "playground")
      return forgejo
    }),
    (forgejo) => Effect.promise(() => forgejo.stop())
  )

/** Settings of a daemon that a test can start, and start again. */
export interface ServeSettings {
  readonly url: string
  readonly mcpUrl: string
  readonly port: number
  readonly dataDir: string
  readonly clientSecret: string
  readonly env: Readonly<Record<string, string>>
}

export const settingsFor = (
  forgejo: Forgejo,
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<ServeSettings, never, Scope.Scope> =>
  Effect.gen(function*() {
    const dataDir = yield* tempDirectory
    const port = yield* freePort
    const url = `http://127.0.0.1:${port}`
    const { clientId, clientSecret } = forgejo.registerApp({ name: "fjmcp-broker", redirectUris: [`${url}/oauth/callback`] })
    return {
      url,
      mcpUrl: `${url}/mcp`,
      port,
      dataDir,
      clientSecret,
      env: {
        FJMCP_PUBLIC_URL: url,
        FJMCP_FORGEJO_URL: forgejo.url,
        FJMCP_FORGEJO_CLIENT_ID: clientId,
        FJMCP_FORGEJO_CLIENT_SECRET: clientSecret,
        FJMCP_LISTEN: `127.0.0.1:${port}`,
        FJMCP_DATA_DIR: dataDir,
        FJMCP_CHILD_COMMAND: `"${process.execPath}" "${childFile}" --extras`,
        FJMCP_CHILD_PRESET: "forgejo-mcp",
        ...env
      }
    }
  })

/** `serve`, when it says that it listens and `/readyz` says that it can work. */
export const serve = (settings: Pick<ServeSettings, "env" | "url">): Effect.Effect<DaemonProcess, never, Scope.Scope> =>
  Effect.gen(function*() {
    const daemon = yield* startDaemon(["serve"], settings.env)
    yield* daemon.untilLogged("broker.listening")
    const ready = yield* Effect.promise(() => fetch(`${settings.url}/readyz`))
    if (ready.status !== 200) return yield* Effect.dieMessage(`not ready: ${yield* Effect.promise(() => ready.text())}`)
    return daemon
  })

/** A stand-in Forgejo, a data directory and a daemon that is ready. */
export const serving = (env: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function*() {
    const forgejo = yield* standInForgejo()
    const settings = yield* settingsFor(forgejo, env)
    return { forgejo, settings, daemon: yield* serve(settings) }
  })

/** A new client that a user has allowed everything. */
export const signIn = (mcpUrl: string, user: typeof ada = ada): Effect.Effect<Tokens & { readonly clientId: string }> =>
  Effect.promise(async () => {
    const oauth = new OAuthClient(mcpUrl)
    const server = await oauth.discover()
    const clientId = await oauth.register(server, "Test client")
    return { ...await oauth.signIn(server, clientId, user), clientId }
  })

/** An MCP client with a session. */
export const openSession = (mcpUrl: string, token: string): Effect.Effect<McpClient> =>
  Effect.promise(async () => {
    const client = new McpClient(mcpUrl, token)
    const reply = await client.initialize()
    if (reply.result === undefined) throw new Error(`initialize: ${JSON.stringify(reply)}`)
    return client
  })

/** A grant of type `refresh_token`. */
export const refresh = (
  url: string,
  clientId: string,
  refreshToken: string
): Effect.Effect<{ readonly status: number; readonly tokens: Tokens }> =>
  Effect.promise(async () => {
    const body = new URLSearchParams({ grant_type: "refresh_token", client_id: clientId, refresh_token: refreshToken })
    const response = await fetch(`${url}/oauth/token`, { method: "POST", body })
    return { status: response.status, tokens: await response.json() as Tokens }
  })
