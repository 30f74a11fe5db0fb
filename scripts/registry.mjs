// Programs from the registry that are no dependencies: they lie below node_modules/.cache.
import { spawnSync } from "node:child_process"
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "./ensure.mjs"

/**
 * Installs `packages` (name to version) into a folder of their own where they are missing. `withScripts` names those that
 * are put in place by a script of theirs.
 *
 * @returns the folder's node_modules
 */
export const packagesAt = (folder, packages, withScripts = []) => {
  const home = join(root, "node_modules", ".cache", folder)
  const isInstalled = ([name, version]) => {
    try {
      const { version: present } = JSON.parse(readFileSync(join(home, "node_modules", name, "package.json"), "utf8"))
      return present === version || present.startsWith(`${version}.`)
    } catch {
      return false
    }
  }
  const missing = Object.entries(packages).filter((wanted) => !isInstalled(wanted))
  if (missing.length > 0) {
    const specs = missing.map(([name, version]) => `${name}@${version}`)
    process.stderr.write(`Installing ${specs.join(", ")} (once) ...\n`)
    mkdirSync(home, { recursive: true })
    copyFileSync(join(root, ".npmrc"), join(home, ".npmrc"))
    const manifest = join(home, "package.json")
    const allowScripts = Object.fromEntries(withScripts.map((name) => [name, true]))
    if (!existsSync(manifest)) writeFileSync(manifest, JSON.stringify({ private: true, allowScripts }))
    const { error, status } = spawnSync("npm", ["install", "--save-exact", "--no-audit", "--no-fund", "--loglevel=error", ...specs], {
      cwd: home,
      stdio: ["ignore", 2, 2]
    })
    if (error !== undefined || status !== 0) throw new Error(`npm install failed${error === undefined ? "; its messages are above" : `: ${error.message}`}`)
  }
  return join(home, "node_modules")
}
