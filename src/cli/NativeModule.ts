import Database from "better-sqlite3"
import { Effect } from "effect"
import { fileURLToPath } from "node:url"
import { CommandFailed, complain } from "./CommandFailed.ts"
import { programName } from "./Help.ts"

/** `dist/` lies in the package, and that in `node_modules` or in a clone. */
const installation = (): string => {
  const path = fileURLToPath(import.meta.url)
  const at = path.lastIndexOf("/node_modules/fjmcp-broker/")
  return at === -1 ? path.slice(0, Math.max(path.lastIndexOf("/dist/"), 1)) : path.slice(0, at)
}

/**
 * The one native package is compiled where it is installed. Where npm was told to run no scripts, or Node was changed since,
 * it does not load, and every later message would blame the data directory.
 */
export const nativeModuleLoads = Effect.try(() => new Database(":memory:").close()).pipe(
  Effect.catchAll(() =>
    Effect.zipRight(
      complain(
        `${programName}: better-sqlite3 is not built for this Node.js (${process.version}). Run: cd ${installation()} && npm rebuild better-sqlite3\n` +
          "That takes python3, make and g++ where no prebuilt file can be had. If npm says that it has run no scripts, allow that one in npm's configuration.\n"
      ),
      new CommandFailed({ code: 1 })
    ))
)
