import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { serving } from "./Serving.ts"

const fixture = join(dirname(dirname(fileURLToPath(import.meta.url))), "conformance", "everything-stdio.mjs")

/** A broker as an operator runs it, whose child is the fixture of the conformance suites, in front of the stand-in Forgejo. */
export const everything = (args: ReadonlyArray<string> = [], env: Readonly<Record<string, string>> = {}) =>
  serving({
    FJMCP_CHILD_COMMAND: [process.execPath, fixture, ...args].map((word) => `"${word}"`).join(" "),
    FJMCP_CHILD_PRESET: "custom",
    // A suite starts more children than any user may.
    FJMCP_MAX_STARTS_PER_MINUTE: "1000",
    ...env
  })
