// Makes what `npm run demo` and `npm test` need, where it is missing or out of date. Imports nothing from node_modules.
import { spawnSync } from "node:child_process"
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const inRoot = (...path) => join(root, ...path)

/** stdout belongs to the program that is started afterwards: everything here goes to stderr. */
const say = (text) => process.stderr.write(`${text}\n`)

const give = (text) => {
  say(text)
  process.exit(1)
}

const run = (command, args) => spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] })

const checkNode = () => {
  const [major, minor] = process.versions.node.split(".").map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    give(`fjmcp-broker needs Node.js 20.19 or newer; this is ${process.versions.node}. See https://nodejs.org or your package manager.`)
  }
}

/** Whether what npm says it installed is what package-lock.json names. Optional packages are for other platforms. */
const installed = () => {
  const read = (path) => JSON.parse(readFileSync(path, "utf8")).packages
  try {
    const wanted = read(inRoot("package-lock.json"))
    const present = read(inRoot("node_modules", ".package-lock.json"))
    return Object.entries(wanted).every(([path, entry]) => path === "" || entry.optional || present[path]?.version === entry.version) &&
      Object.keys(present).every((path) => path in wanted)
  } catch {
    return false
  }
}

/** The one native package: not built, or built for another version of Node, it does not load. */
const nativeLoads = () => {
  try {
    const Database = createRequire(inRoot("package.json"))("better-sqlite3")
    new Database(":memory:").close()
    return true
  } catch {
    return false
  }
}

export const ensureDependencies = () => {
  checkNode()
  if (installed() && nativeLoads()) return
  // npm ci would empty the folder that a link leads to, which is somebody else's.
  if (lstatSync(inRoot("node_modules"), { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    give("node_modules is a link, and what it leads to is not what package-lock.json names. Remove the link, or install there.")
  }
  say("Installing dependencies (npm ci; a minute or two, once) ...")
  const { error, status } = run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"])
  if (error !== undefined) give(`npm could not be started: ${error.message}`)
  if (status !== 0) give("npm ci failed; its messages are above.")
}

/** The newest change of a file or folder below `path`. A folder changes when something in it is added or removed. */
const newest = (path) => {
  if (!existsSync(path)) return 0
  const entry = statSync(path)
  if (!entry.isDirectory()) return entry.mtimeMs
  return Math.max(entry.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))))
}

// The last one changes with every commit, whose id is built in.
const inputs = ["src", "demo", "scripts/build.mjs", "package.json", "package-lock.json", ".git/logs/HEAD"]
const outputs = ["dist/main.js", "dist/demo-child.js"]

const built = () => {
  const made = outputs.map((path) => newest(inRoot(path)))
  return made.every((time) => time > 0) && Math.min(...made) > Math.max(...inputs.map((path) => newest(inRoot(path))))
}

/** @returns whether the build went well */
export const build = () => run(process.execPath, [inRoot("scripts", "build.mjs")]).status === 0

export const ensureBuilt = () => {
  if (built()) return
  say("Building ...")
  if (!build()) give("The build failed; its messages are above.")
}
