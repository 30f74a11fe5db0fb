// Programs from the registry that need a newer Node than the broker does.
import { spawnSync } from "node:child_process"
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "./ensure.mjs"

const home = join(root, "node_modules", ".cache", "newer-node")

const isInstalled = ([name, version]) => {
  try {
    const { version: present } = JSON.parse(readFileSync(join(home, "node_modules", name, "package.json"), "utf8"))
    return present === version || present.startsWith(`${version}.`)
  } catch {
    return false
  }
}

/**
 * Installs Node 24 and `packages` (name to version) where they are missing, and nothing outside of node_modules/.cache.
 *
 * @returns the arguments that tell a program of test/ where they are
 */
export const newerNode = (packages) => {
  const missing = Object.entries({ node: "24", ...packages }).filter((wanted) => !isInstalled(wanted))
  if (missing.length > 0) {
    const specs = missing.map(([name, version]) => `${name}@${version}`)
    process.stderr.write(`Installing ${specs.join(", ")} (once) ...\n`)
    mkdirSync(home, { recursive: true })
    copyFileSync(join(root, ".npmrc"), join(home, ".npmrc"))
    const manifest = join(home, "package.json")
    // Node's package puts its binary in place with a script.
    if (!existsSync(manifest)) writeFileSync(manifest, JSON.stringify({ private: true, allowScripts: { node: true } }))
    const { error, status } = spawnSync("npm", ["install", "--save-exact", "--no-audit", "--no-fund", "--loglevel=error", ...specs], {
      cwd: home,
      stdio: ["ignore", 2, 2]
    })
    if (error !== undefined || status !== 0) throw new Error(`npm install failed${error === undefined ? "; its messages are above" : `: ${error.message}`}`)
  }
  return ["--node", join(home, "node_modules", "node", "bin", "node"), "--packages", join(home, "node_modules")]
}
