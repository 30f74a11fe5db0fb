import { Effect, Either, Layer, RuntimeFlags, RuntimeFlagsPatch } from "effect"
import { AppConfigLive, readSettings } from "../layers/AppConfigLive.ts"
import { LoggingLive } from "../layers/LoggingLive.ts"
import { readFileText } from "../layers/SettingsSources.ts"
import type { AppConfig } from "../services/AppConfig.ts"
import { CommandFailed, complain } from "./CommandFailed.ts"
import { parseFlags } from "./Flags.ts"
import { programName } from "./Help.ts"

/** Why something does not start: `message` is a whole sentence for the person who starts it. */
export interface StartupError {
  readonly message: string
}

const refuse = (heading: string, lines: ReadonlyArray<string>): Effect.Effect<never, CommandFailed> =>
  Effect.zipRight(
    complain([
      `${programName}: ${heading}`,
      ...lines.map((line) => `  ${line}`),
      `\`${programName} serve --help\` lists all settings.\n`
    ].join("\n")),
    new CommandFailed({ code: 2 })
  )

/**
 * Runs `broker` with the settings of `words` (the flags) and `env` until it is interrupted; its layers are then closed.
 * Wrong settings or flags: all of them on stderr, code 2. A broker that does not start: one sentence, code 1.
 */
export const runServe = <Out, E extends StartupError>(
  words: ReadonlyArray<string>,
  env: Readonly<Record<string, string | undefined>>,
  broker: Layer.Layer<Out, E, AppConfig>
): Effect.Effect<never, CommandFailed> =>
  Effect.gen(function*() {
    const flags = parseFlags(words)
    if (Either.isLeft(flags)) return yield* refuse("wrong flags", flags.left)
    const read = readSettings({ flags: flags.right, env, readFile: readFileText })
    if (Either.isLeft(read)) return yield* refuse("the settings cannot be used", read.left.message.split("\n"))
    return yield* Layer.launch(Layer.provide(broker, AppConfigLive(read.right))).pipe(
      Effect.catchAllDefect((defect) => Effect.zipRight(Effect.logFatal("broker.crashed", defect), new CommandFailed({ code: 1 }))),
      Effect.catchAll((error) =>
        error instanceof CommandFailed
          ? error
          : Effect.zipRight(complain(`${programName}: ${error.message}\n`), new CommandFailed({ code: 1 }))
      ),
      Effect.provide(LoggingLive(read.right.settings)),
      // Nobody reads them, and each fiber pays for them.
      Effect.withRuntimeFlagsPatch(RuntimeFlagsPatch.disable(RuntimeFlags.RuntimeMetrics))
    )
  })
