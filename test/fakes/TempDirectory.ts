import { Effect } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A directory of its own, removed with the scope. */
export const tempDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "fjmcp-test-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)
