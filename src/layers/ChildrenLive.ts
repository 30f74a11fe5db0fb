import { Effect, Layer, Option, Redacted } from "effect"
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { version } from "../domain/Build.ts"
import { scrubber } from "../domain/Scrub.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { Children, SpawnFailed } from "../services/Children.ts"
import { commandLine, environment, findProgram } from "./ChildCommand.ts"
import { runProcess } from "./ChildProcess.ts"

/** The spellings of the master key: it is written as base64url or base64, with or without its padding. */
const keySpellings = (path: string) =>
  Effect.promise(() => readFile(path, "utf8").catch(() => "")).pipe(
    Effect.map((text) => text.trim().replace(/=+$/, "")),
    Effect.map((key) => [key, key.replaceAll("-", "+").replaceAll("_", "/"), key.replaceAll("+", "-").replaceAll("/", "_")])
  )

const make = Effect.gen(function*() {
  const config = yield* AppConfig
  const [name, ...args] = config.childCommand
  const path = process.env.PATH ?? "/usr/local/bin:/usr/bin:/bin"
  const tool = (program: string) => Effect.map(Effect.option(findProgram(program, path)), Option.getOrUndefined)
  const tools = { setpriv: yield* tool("setpriv"), prlimit: yield* tool("prlimit") }
  if (config.sandbox === "basic" && tools.setpriv === undefined) {
    yield* Effect.logWarning("children.unconfined").pipe(
      Effect.annotateLogs({ reason: "setpriv (util-linux) was not found: children keep their privileges and outlive a kill -9 of the broker" })
    )
  }

  // Every child has a home of its own; what a killed run left goes at the next start.
  const homes = join(config.dataDir, "homes")
  yield* Effect.promise(() => rm(homes, { recursive: true, force: true }).then(() => mkdir(homes, { recursive: true, mode: 0o700 })))
  const home = Effect.acquireRelease(
    Effect.tryPromise({
      try: () => mkdtemp(join(homes, "child-")),
      catch: () => new SpawnFailed({ category: "system limit", detail: `no folder could be made in ${homes}; check its space and permissions.` })
    }),
    (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }).catch(() => undefined))
  )

  const program = findProgram(name, path)
  // The store's layers, built before, have made the key file where there was none.
  const scrubOwn = scrubber([Redacted.value(config.forgejoClientSecret), ...(yield* keySpellings(config.sealingKeyFile))])
  return Children.of({
    check: Effect.asVoid(program),
    spawn: Effect.fn("Children.spawn")(function*(request) {
      const command = commandLine(yield* program, args, config.sandbox, tools)
      const token = Redacted.value(request.token)
      const scrubToken = scrubber([token])
      return yield* runProcess({
        command,
        env: environment({
          forgejoUrl: config.forgejoInternalUrl,
          preset: config.childPreset,
          tokenVariable: config.childTokenVariable,
          token,
          userAgent: `fjmcp-broker/${version}`,
          home: yield* home
        }, process.env),
        maxLine: config.maxLine,
        scrub: (text) => scrubToken(scrubOwn(text)),
        onStderr: (line) =>
          (/\b(ERROR|FATAL|PANIC|panic|error)\b/.test(line) ? Effect.logWarning("child.stderr") : Effect.logDebug("child.stderr")).pipe(
            Effect.annotateLogs({ child: request.label, line })
          ),
        onLeftOut: (lines) => Effect.annotateLogs(Effect.logWarning("child.stderr_left_out"), { child: request.label, lines }),
        onDropped: (reason) => Effect.annotateLogs(Effect.logWarning("child.message_dropped"), { child: request.label, reason })
      })
    })
  })
})

export const ChildrenLive = Layer.effect(Children, make)
