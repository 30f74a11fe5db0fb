// The shipped Caddyfile, and the `caddyfile` blocks of the documents, in Caddy itself; then the broker behind it over TLS. Where CI
// is set and we are root, Caddy is installed. Everything is on loopback, with certificates of Caddy's own authority, whose
// files lie in a folder that goes. The last line is `N passed, N failed, N skipped`.
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { runBundled } from "./bundled.mjs"
import { root } from "./ensure.mjs"
import { blocksOf, documents } from "./markdown.mjs"

const hasCaddy = () => spawnSync("caddy", ["version"], { stdio: "ignore" }).status === 0
const end = (line, result, code) => {
  console.log(`${line}\n${result}`)
  process.exit(code)
}

if (!hasCaddy() && process.env.CI !== undefined && process.getuid?.() === 0) {
  const options = { stdio: ["ignore", 2, 2], env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } }
  const apt = ["-qq", "-o", "DPkg::Lock::Timeout=300"]
  spawnSync("apt-get", [...apt, "update"], options)
  spawnSync("apt-get", [...apt, "install", "-y", "--no-install-recommends", "caddy"], options)
}
if (!hasCaddy()) end("skipped  the Caddyfile: there is no caddy (Debian: apt-get install caddy)", "0 passed, 0 failed, 1 skipped", 0)

process.chdir(root)
const scratch = mkdtempSync(join(tmpdir(), "fjmcp-caddy-"))
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }))
const storage = join(scratch, "storage")
mkdirSync(storage)

/** Node reads the authorities that it trusts when it starts: Caddy has to make its own before. */
const authority = join(storage, "pki", "authorities", "local", "root.crt")
const first = join(scratch, "first")
writeFileSync(first, `{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n\tstorage file_system ${storage}\n}\nhttps://localhost:0 {\n\tbind 127.0.0.1\n\ttls internal\n}\n`)
const maker = spawn("caddy", ["run", "--adapter", "caddyfile", "--config", first], {
  stdio: "ignore",
  env: { PATH: process.env.PATH, HOME: scratch, XDG_DATA_HOME: scratch, XDG_CONFIG_HOME: scratch }
})
const isOver = new Promise((resolve) => maker.once("exit", resolve))
for (let wait = 0; wait < 200 && !existsSync(authority); wait++) await sleep(50)
maker.kill("SIGTERM")
await isOver
if (!existsSync(authority)) end("FAILED  Caddy makes a certificate authority of its own", "0 passed, 1 failed, 0 skipped", 1)

const examples = documents().flatMap(({ name, text }) =>
  blocksOf(text).filter(({ language }) => language === "caddyfile").map(({ line, text }) => ({ place: `${name}, line ${line}`, text })))
process.env.NODE_EXTRA_CA_CERTS = authority
await runBundled("test/caddy/Caddy.ts", ["--scratch", scratch, "--storage", storage, "--examples", JSON.stringify(examples)])
