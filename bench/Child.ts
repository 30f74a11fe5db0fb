import { spawnSync } from "node:child_process"
import { mkdirSync, statSync } from "node:fs"
import { join } from "node:path"

const changed = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

/** The command of the child: child.c, compiled where that is needed. Without a compiler child.mjs, and it says so. */
export const compiledChild = (root: string): ReadonlyArray<string> => {
  const source = join(root, "bench", "child.c")
  const folder = join(root, "node_modules", ".cache", "bench")
  const program = join(folder, "child")
  if (changed(program) > changed(source)) return [program]
  mkdirSync(folder, { recursive: true })
  const { error, status } = spawnSync("cc", ["-O2", "-Wall", "-o", program, source], { stdio: ["ignore", 2, 2] })
  if (error === undefined && status === 0) return [program]
  console.error("bench/child.c COULD NOT BE COMPILED (is there a cc?): a Node child is used in its place, which is slower to start and takes CPU of its own.")
  return [process.execPath, join(root, "bench", "child.mjs")]
}
