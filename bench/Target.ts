import { Effect, type Scope } from "effect"
import { join } from "node:path"
import { tempDirectory } from "../test/fakes/TempDirectory.ts"
import { searchPath } from "../test/process/DaemonProcess.ts"
import { freePort } from "../test/process/Serving.ts"
import { type Process, startProcess, untilAnswers } from "./Process.ts"

/** Something that bridges Streamable HTTP to children, and runs. */
export interface Target extends Process {
  readonly name: string
  readonly mcpUrl: string
  /** Sessions take them in turn. */
  readonly bearers: ReadonlyArray<string>
}

/** Where things are. */
export interface Places {
  readonly root: string
  /** The folder of the peers' packages. */
  readonly peers: string | undefined
  readonly child: ReadonlyArray<string>
}

const started = (
  name: string,
  command: (port: number) => ReadonlyArray<string>,
  options: { readonly isGroup?: boolean; readonly bearers?: ReadonlyArray<string> } = {}
): Effect.Effect<Target, never, Scope.Scope> =>
  Effect.gen(function*() {
    const port = yield* freePort
    const log = join(yield* tempDirectory, "log")
    const process = yield* startProcess({ command: command(port), env: { PATH: searchPath }, log, isGroup: options.isGroup ?? false })
    const mcpUrl = `http://127.0.0.1:${port}/mcp`
    yield* untilAnswers(mcpUrl, log)
    return { ...process, name, mcpUrl, bearers: options.bearers ?? ["none"] }
  })

/** `users`: how many bearers there are. It looks at none, but keeps a child for each where there are no sessions. */
export const startFloor = ({ child, root }: Places, users: number): Effect.Effect<Target, never, Scope.Scope> =>
  started("floor", (port) => [process.execPath, join(root, "bench", "floor.mjs"), `${port}`, ...child], {
    bearers: Array.from({ length: users }, (_, at) => `user${at + 1}`)
  })

const peerPrograms: Readonly<Record<string, (places: Places, folder: string, port: number) => ReadonlyArray<string>>> = {
  "mcp-proxy": ({ child }, folder, port) =>
    [join(folder, "mcp-proxy", "dist", "bin", "mcp-proxy.mjs"), "--port", `${port}`, "--host", "127.0.0.1", "--server", "stream", "--", ...child],
  supergateway: ({ child, root }, folder, port) => [
    "--import", join(root, "bench", "loopback.mjs"), join(folder, "supergateway", "dist", "index.js"), "--stdio", child.join(" "),
    "--outputTransport", "streamableHttp", "--stateful", "--port", `${port}`, "--logLevel", "none"
  ]
}

/** Each in its stateful way. None where no peers were asked for. */
export const startPeers = (places: Places): Effect.Effect<ReadonlyArray<Target>, never, Scope.Scope> => {
  const { peers } = places
  return peers === undefined
    ? Effect.succeed([])
    : Effect.forEach(Object.entries(peerPrograms), ([name, command]) =>
      started(name, (port) => [process.execPath, ...command(places, peers, port)], { isGroup: true }))
}
