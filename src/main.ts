#!/usr/bin/env node
import { NodeRuntime } from "@effect/platform-node"
import { Effect } from "effect"
import { CommandFailed, complain, exitCodeOf, print } from "./cli/CommandFailed.ts"
import { commands, demoHelp, programName, rootHelp, serveHelp, versionText } from "./cli/Help.ts"
import { nativeModuleLoads } from "./cli/NativeModule.ts"
import { runServe } from "./cli/serve.ts"
import { nearest } from "./domain/Nearest.ts"
import { BrokerLive } from "./layers/Broker.ts"

const [name, ...rest] = process.argv.slice(2)

const has = (...flags: ReadonlyArray<string>): boolean => process.argv.slice(2).some((word) => flags.includes(word))

/** Help and version are ours: the library's help has a paragraph of boilerplate for each flag, and colours also in a pipe. */
const main = Effect.gen(function*() {
  if (has("--version")) return yield* print(versionText)
  if (name === "help" && rest[0] !== undefined && rest[0] in commands) return yield* print(rest[0] === "serve" ? serveHelp : demoHelp)
  if (name === undefined || name === "help" || name === "--help" || name === "-h") return yield* print(rootHelp)
  if (!Object.hasOwn(commands, name)) {
    const meant = nearest(name, Object.keys(commands))
    const hint = meant === undefined ? "" : `; did you mean "${meant}"?`
    yield* complain(`${programName}: there is no command "${name}"${hint}\n\n${rootHelp}`)
    return yield* new CommandFailed({ code: 2 })
  }
  if (has("--help", "-h")) return yield* print(name === "serve" ? serveHelp : demoHelp)
  yield* nativeModuleLoads
  if (name === "serve") return yield* runServe(rest, process.env, BrokerLive)
  // The demo and what reads its flags are not in the memory of a broker that serves.
  const { runDemo } = yield* Effect.promise(() => import("./cli/demo.ts"))
  return yield* runDemo(rest)
})

// NodeRuntime stops listening after the first signal, and a second one would then kill the process, and leave work half
// done. A terminal's Ctrl-C reaches a whole group: npm and the script that started us send it on, so it comes twice.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => undefined)
// Whoever reads our output may go away (`| head`, a stopped log collector): no reason to end.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined)

NodeRuntime.runMain(main, {
  disableErrorReporting: true,
  disablePrettyLogger: true,
  teardown: (exit, onExit) => onExit(exitCodeOf(exit))
})
