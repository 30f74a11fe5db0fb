// The npm package as a user has it: packed from a clean clone of HEAD, installed into another folder, and its demo run from there.
// better-sqlite3 is installed without its scripts, and what they would compile (two minutes) is taken from this clone's
// node_modules, where `npm ci` has compiled it; `--full` runs the scripts instead. Needs npm's registry, or its cache.
// The last line is `N passed, N failed, N skipped`.
import { execFileSync, spawnSync } from "node:child_process"
import { cpSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { ensureDependencies, root } from "./ensure.mjs"
import { expect, tally } from "./tally.mjs"

ensureDependencies()
const isFull = process.argv.includes("--full")
const { check, end } = tally()
const folder = mkdtempSync(join(tmpdir(), "fjmcp-package-"))
process.on("exit", () => rmSync(folder, { recursive: true, force: true }))

/** As a shell of the user's would run it: of our own environment only what finds programs, and npm's settings. */
const ofNpm = /^(?:npm_config_(?:registry|userconfig|cafile|ca|strict_ssl|proxy|https_proxy|noproxy)|node_extra_ca_certs|(?:https?|no|all)_proxy)$/i
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => ofNpm.test(name))),
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  LANG: "C.UTF-8",
  npm_config_update_notifier: "false"
}
const run = (cwd, program, ...args) => {
  const { error, status, stderr, stdout } = spawnSync(program, args, { cwd, env, encoding: "utf8", timeout: isFull ? 600_000 : 120_000 })
  return { status, stdout, output: `${stdout}${stderr}${error?.message ?? ""}` }
}
const well = (cwd, program, ...args) => {
  const { output, status, stdout } = run(cwd, program, ...args)
  expect(status === 0, `${program} ${args.join(" ")}: exit code ${status}\n${output.slice(-2000)}`)
  return stdout
}

const git = (...args) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim()
const head = git("rev-parse", "--short=12", "HEAD")
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

const clone = join(folder, "clone")
const elsewhere = join(folder, "elsewhere")
const installed = join(elsewhere, "node_modules", "fjmcp-broker")
const native = join("better-sqlite3", "build", "Release", "better_sqlite3.node")
let tarball = ""

await check("npm pack in a clean clone builds first", () => {
  git("-c", "advice.detachedHead=false", "clone", "--quiet", root, clone)
  // What is installed there is what its lock names: ensure.mjs looks. Two minutes of npm ci otherwise.
  symlinkSync(join(root, "node_modules"), join(clone, "node_modules"))
  const packed = well(clone, "npm", "pack", "--silent", "--pack-destination", folder).trim().split("\n").at(-1)
  tarball = join(folder, packed)
  expect(packed === `fjmcp-broker-${version}.tgz` && existsSync(tarball), `it made ${packed}`)
})

await check(`it is installed into another folder${isFull ? ", compiled there" : ""}, with better-sqlite3 and no development dependency`, () => {
  mkdirSync(elsewhere)
  copyFileSync(join(root, ".npmrc"), join(elsewhere, ".npmrc"))
  writeFileSync(join(elsewhere, "package.json"), JSON.stringify({ private: true, ...(isFull ? { allowScripts: { "better-sqlite3": true } } : {}) }))
  well(elsewhere, "npm", "install", "--prefer-offline", "--loglevel=error", ...(isFull ? [] : ["--ignore-scripts"]), tarball)
  const there = readdirSync(join(elsewhere, "node_modules")).filter((name) => !name.startsWith("."))
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"))
  const wanted = new Set(["fjmcp-broker", ...Object.entries(packages).filter(([path, { dev }]) => path !== "" && dev !== true).map(([path]) => path.split("node_modules/").at(-1))])
  const more = there.filter((name) => !wanted.has(name))
  expect(more.length === 0 && there.includes("better-sqlite3"), `it has ${more.join(", ") || "no better-sqlite3"}`)
})

if (!isFull) {
  await check("(broken on purpose) without what the scripts compile it says what to do", () => {
    const { output, status } = run(elsewhere, "npx", "--no-install", "fjmcp-broker", "demo", "--once")
    expect(status === 1 && output.includes(`cd ${elsewhere} && npm rebuild better-sqlite3`), output)
  })
  const target = join(elsewhere, "node_modules", native)
  mkdirSync(dirname(target), { recursive: true })
  cpSync(join(root, "node_modules", native), target)
}

await check("npx fjmcp-broker --version tells version and revision", () => {
  const said = well(elsewhere, "npx", "--no-install", "fjmcp-broker", "--version")
  expect(said === `fjmcp-broker ${version} (${head})\n`, said)
})

await check("npx fjmcp-broker demo --once: a whole client journey from there", () => {
  const said = well(elsewhere, "npx", "--no-install", "fjmcp-broker", "demo", "--once")
  expect(said.endsWith("The journey is complete.\n"), said.slice(-500))
})

await check("(broken on purpose) a package without the stand-in child is noticed", () => {
  rmSync(join(installed, "dist", "demo-child.js"))
  expect(run(elsewhere, "npx", "--no-install", "fjmcp-broker", "demo", "--once").status === 1, "the journey went well all the same")
})

end()
