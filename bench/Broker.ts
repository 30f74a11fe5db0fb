import { Effect, type Scope } from "effect"
import { statSync } from "node:fs"
import { join } from "node:path"
import type { Forgejo } from "../demo/forgejo/Forgejo.ts"
import { tempDirectory } from "../test/fakes/TempDirectory.ts"
import { searchPath } from "../test/process/DaemonProcess.ts"
import { type ServeSettings, settingsFor, signIn, standInForgejo } from "../test/process/Serving.ts"
import { startProcess, untilAnswers } from "./Process.ts"
import type { Places, Target } from "./Target.ts"

/**
 * What differs from `serve` as it ships: room for the sessions and starts of a load, and no child that is taken for
 * stateful. The access log is on, into a file.
 */
const room = {
  FJMCP_CHILD_PRESET: "forgejo-mcp",
  FJMCP_MAX_SESSIONS: "4096",
  FJMCP_MAX_SESSIONS_PER_USER: "4096",
  FJMCP_MAX_STARTS_PER_MINUTE: "100000"
}

export interface BrokerRun extends Target {
  /** From its start to the first 200 of `/readyz`, in milliseconds. */
  readonly readyMs: number
}

/** A stand-in Forgejo in this process, and a data directory on which a broker can be started, and started again. */
export interface Ground {
  readonly forgejo: Forgejo
  readonly settings: ServeSettings
  /** `bearers` are what `signInUsers` gave in an earlier run. */
  readonly start: (bearers?: ReadonlyArray<string>) => Effect.Effect<BrokerRun, never, Scope.Scope>
  /** The log's length in bytes. */
  readonly logged: () => number
}

export const brokerGround = (
  { child, root }: Places,
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Ground, never, Scope.Scope> =>
  Effect.gen(function*() {
    const forgejo = yield* standInForgejo()
    const command = child.map((word) => `"${word}"`).join(" ")
    const settings = yield* settingsFor(forgejo, { ...room, FJMCP_CHILD_COMMAND: command, ...env })
    const log = join(yield* tempDirectory, "log")
    const start = (bearers: ReadonlyArray<string> = []) =>
      Effect.gen(function*() {
        const since = performance.now()
        const daemon = yield* startProcess({
          command: [process.execPath, join(root, "dist", "main.js"), "serve"],
          env: { PATH: searchPath, ...settings.env },
          log
        })
        yield* untilAnswers(`${settings.url}/readyz`, log, 200)
        return { ...daemon, name: "broker", mcpUrl: settings.mcpUrl, bearers, readyMs: performance.now() - since }
      })
    return { forgejo, settings, start, logged: () => statSync(log).size }
  })

/** New users of the stand-in Forgejo, each signed in by the whole OAuth flow; gives their access tokens. */
export const signInUsers = ({ forgejo, settings }: Ground, logins: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>> =>
  Effect.forEach(logins, (login) => {
    const user = { login, password: `${login}-password` }
    forgejo.addUser(user)
    return Effect.map(signIn(settings.mcpUrl, user), (tokens) => tokens.access_token)
  })

export const logins = (count: number): ReadonlyArray<string> => Array.from({ length: count }, (_, at) => `user${at + 1}`)
