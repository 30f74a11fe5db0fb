import { Effect } from "effect"
import { build } from "esbuild"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import { serving } from "./Serving.ts"

const fixture = join(dirname(dirname(fileURLToPath(import.meta.url))), "conformance", "everything-stdio.mjs")

/**
 * A broker as an operator runs it, whose child is the fixture of the conformance suites, in front of the stand-in Forgejo.
 * The fixture is bundled: a suite waits half a second for the answer to a call that needs another child, and the SDK alone
 * takes longer to load from its many files on a busy machine.
 */
export const everything = (args: ReadonlyArray<string> = [], env: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function*() {
    const outfile = join(yield* tempDirectory, "everything-stdio.mjs")
    yield* Effect.promise(() =>
      build({ entryPoints: [fixture], outfile, bundle: true, minify: true, format: "esm", platform: "node", target: "node20.19", logLevel: "warning" }))
    return yield* serving({
      FJMCP_CHILD_COMMAND: [process.execPath, outfile, ...args].map((word) => `"${word}"`).join(" "),
      FJMCP_CHILD_PRESET: "custom",
      // A suite starts more children than any user may.
      FJMCP_MAX_STARTS_PER_MINUTE: "1000",
      ...env
    })
  })
