// The systemd unit: what systemd says of it, that its times and names are those of the broker, and copies that must fail.
// `--live` runs it under a real systemd in a container besides (scripts/units/live.mjs).
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ensureDependencies, root } from "./ensure.mjs"
import { report } from "./units/report.mjs"
import { problemsOf } from "./units/unit.mjs"

ensureDependencies()
const { settings } = await import("./units/settings.mjs")

const { failed, finish, ok, skipped } = report()
const unit = readFileSync(join(root, "deploy/systemd/fjmcp-broker.service"), "utf8")
const example = readFileSync(join(root, "deploy/systemd/fjmcp-broker.env"), "utf8")
const table = await settings()

/** Lines about what is wrong with a unit: systemd's words, then ours. */
const problems = (text, env = example) => [...problemsOf(text, env, table), ...(hasSystemd ? systemdOn(text) : [])]

/** Of 100, less is better: 12 by systemd 252. Without any one of its strong lines the unit is above. */
const worstExposure = 15

const folder = mkdtempSync(join(tmpdir(), "fjmcp-units-"))
const systemdOn = (text) => {
  const file = join(folder, "fjmcp-broker.service")
  // The program need not be installed here.
  writeFileSync(file, text.replace("/usr/local/bin/fjmcp-broker", process.execPath))
  const analyze = (...args) => spawnSync("systemd-analyze", args, { encoding: "utf8", env: { ...process.env, SYSTEMD_PAGER: "" } })
  const verified = analyze("verify", "--man=no", file)
  const secure = analyze("security", "--offline=true", `--threshold=${worstExposure}`, file)
  return [
    ...(verified.status === 0 && verified.stderr.trim() === "" ? [] : [`systemd-analyze verify: ${verified.stderr.trim()}`]),
    ...(secure.status === 0 ? [] : [`systemd-analyze security: ${secure.stdout.trim().split("\n").at(-1)}`])
  ]
}

const installed = () => spawnSync("systemd-analyze", ["--version"]).status === 0
if (!installed() && process.env.CI !== undefined && process.getuid?.() === 0) {
  spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "systemd"], { stdio: ["ignore", 2, 2], env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } })
}
const hasSystemd = installed()
if (!hasSystemd) skipped("systemd's own checks of the unit: systemd-analyze is missing")

/** Copies with one thing wrong, and a word of the problem that has to be found. `systemd`: only systemd knows. */
const broken = [
  { what: "a key that systemd does not know", from: "KillMode=", to: "KilMode=", finds: /KilMode/, systemd: true },
  { what: "a value that systemd does not know", from: "ProtectSystem=strict", to: "ProtectSystem=rather", finds: /rather/, systemd: true },
  { what: "a program that is not there", from: "/usr/local/bin/fjmcp-broker", to: "/usr/local/bin/fjmcp-brocker", finds: /brocker/, systemd: true },
  { what: "a system call that does not exist", from: "SystemCallFilter=capset", to: "SystemCallFilter=capsett", finds: /capsett/, systemd: true },
  { what: "no capability bounding set", from: "CapabilityBoundingSet=\n", to: "", finds: /exposure/i, systemd: true },
  { what: "no filter of system calls", from: /SystemCallFilter=.*\n/g, to: "", finds: /exposure/i, systemd: true },
  { what: "a fixed user", from: "DynamicUser=yes", to: "User=root", finds: /exposure/i, systemd: true },
  { what: "all address families", from: /RestrictAddressFamilies=.*\n/, to: "", finds: /exposure/i, systemd: true },
  { what: "setpriv kept from capset", from: "SystemCallFilter=capset\n", to: "", finds: /setpriv/ },
  { what: "memory that V8 could not use", from: "NoNewPrivileges=yes", to: "NoNewPrivileges=yes\nMemoryDenyWriteExecute=yes", finds: /MemoryDenyWriteExecute/ },
  { what: "TERM to the children too", from: "KillMode=mixed", to: "KillMode=control-group", finds: /KillMode/ },
  { what: "less time to stop than the drain takes", from: "TimeoutStopSec=60s", to: "TimeoutStopSec=25s", finds: /TimeoutStopSec/ },
  { what: "a credential under another name", from: "LoadCredential=sealing-key:", to: "LoadCredential=sealing:", finds: /sealing-key/ },
  { what: "a secret in the environment", from: "DynamicUser=yes", to: "DynamicUser=yes\nEnvironment=FJMCP_FORGEJO_CLIENT_SECRET=x", finds: /secret/ },
  { what: "an unknown setting in the example", env: `${example}FJMCP_FORGEJO_ULR=https://forgejo.example.org\n`, finds: /FORGEJO_ULR/ },
  { what: "a required setting missing in the example", env: example.replace(/FJMCP_PUBLIC_URL=.*/, ""), finds: /FJMCP_PUBLIC_URL/ }
]

try {
  const found = problems(unit)
  if (found.length === 0) ok(`the unit: ${hasSystemd ? "systemd takes it, exposure at most 1.5; " : ""}times, credentials and settings are the broker's`)
  else failed("the unit", found.join("\n"))

  for (const { env = example, finds, from, systemd, to, what } of broken) {
    const changed = from === undefined ? unit : unit.replace(from, to)
    if (systemd === true && !hasSystemd) skipped(`with ${what} it fails`)
    else if (changed === unit && env === example) failed(`with ${what} it fails`, "the copy is the same as the unit: change the mutation")
    else if (problems(changed, env).some((problem) => finds.test(problem))) ok(`with ${what} it fails`)
    else failed(`with ${what} it fails`, "nothing was found")
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

if (process.argv.includes("--live")) {
  const { live } = await import("./units/live.mjs")
  for (const line of await live()) {
    const [, verdict, text] = /^(ok|FAILED|skipped) {2}(.*)$/s.exec(line) ?? [undefined, "FAILED", line]
    if (verdict === "ok") ok(text)
    else if (verdict === "skipped") skipped(text)
    else failed(text)
  }
}
finish()
