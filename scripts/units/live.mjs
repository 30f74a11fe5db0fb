// The shipped unit under a real systemd, in a container: `node scripts/check-units.mjs --live`. Needs root, podman with runc, and
// debootstrap, which takes most of its minute and a half and loads Debian's packages.
import { build } from "esbuild"
import { spawn, spawnSync } from "node:child_process"
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { build as buildBroker, root } from "../ensure.mjs"

const packages = "systemd,systemd-sysv,dbus,openssl,ca-certificates,util-linux,curl"

const must = (command, args) => {
  const { error, status, stderr, stdout } = spawnSync(command, args, { encoding: "utf8", maxBuffer: 2 ** 26 })
  if (error !== undefined || status !== 0) throw new Error(`${command} ${args[0]} failed: ${error?.message ?? (stderr || stdout).slice(-2000)}`)
  return stdout
}

/** The commands of a document that are marked with `<!-- run by check-units.mjs --live -->`, in order. */
const blocksOf = (text) => [...text.matchAll(/^<!-- run by check-units.mjs --live -->\n```\w+\n(.*?)^```$/gms)].map(([, commands]) => commands)

/** As `npm install --global` lays it out. The native module is the one that was built for the Node that runs this. */
const install = async (at) => {
  if (!buildBroker()) throw new Error("the build failed")
  const home = join(at, "usr/local/lib/node_modules/fjmcp-broker")
  mkdirSync(join(home, "node_modules"), { recursive: true })
  cpSync(join(root, "dist"), join(home, "dist"), { recursive: true })
  copyFileSync(join(root, "package.json"), join(home, "package.json"))
  for (const name of ["better-sqlite3", "bindings", "file-uri-to-path"]) {
    cpSync(join(root, "node_modules", name), join(home, "node_modules", name), { recursive: true, dereference: true })
  }
  copyFileSync(process.execPath, join(at, "usr/local/bin/node"))
  symlinkSync("../lib/node_modules/fjmcp-broker/dist/main.js", join(at, "usr/local/bin/fjmcp-broker"))
  cpSync(join(root, "deploy"), join(at, "root/clone/deploy"), { recursive: true })
  const blocks = blocksOf(readFileSync(join(root, "docs/deploy/systemd.md"), "utf8"))
  for (const [index, commands] of blocks.entries()) writeFileSync(join(at, `root/clone/${index}.sh`), `set -e\n${commands}`)
  const inside = join(at, "usr/local/lib/inside.mjs")
  await build({ entryPoints: [join(root, "scripts/units/inside.mjs")], outfile: inside, bundle: true, format: "esm", platform: "node", logLevel: "warning" })
  chmodSync(inside, 0o644)
}

/** @returns lines for the report of check-units.mjs */
export const live = async () => {
  if (process.getuid?.() !== 0) return ["skipped  the unit under systemd: only root can"]
  const missing = ["podman", "runc", "debootstrap"].filter((name) => spawnSync("sh", ["-c", `command -v ${name}`]).status !== 0)
  if (missing.length > 0) return [`skipped  the unit under systemd: ${missing.join(", ")} is missing`]

  const folder = mkdtempSync(join(tmpdir(), "fjmcp-live-"))
  const name = `fjmcp-live-${process.pid}`
  const podman = ["--root", join(folder, "storage"), "--runroot", join(folder, "run"), "--cgroup-manager=cgroupfs", "--runtime", "runc"]
  try {
    const system = join(folder, "system")
    // A folder from an earlier `debootstrap` saves a minute.
    const made = process.env.FJMCP_LIVE_SYSTEM
    if (made !== undefined && existsSync(made)) must("cp", ["-a", made, system])
    else must("debootstrap", ["--variant=minbase", `--include=${packages}`, "bookworm", system])
    await install(system)
    const run = ["run", "--rm", "--name", name, "--systemd=always", "--privileged", "--network=none", "--ulimit", "nofile=16384:16384", "--ulimit", "nproc=8192:8192"]
    const container = spawn("podman", [...podman, ...run, "--rootfs", system, "/lib/systemd/systemd"], { stdio: "ignore" })
    const ended = new Promise((resolve) => container.once("exit", resolve))
    const exec = (...args) => spawnSync("podman", [...podman, "exec", name, ...args], { encoding: "utf8" })
    try {
      for (let tries = 0; tries < 60 && !/running|degraded/.test(exec("systemctl", "is-system-running").stdout); tries++) {
        await new Promise((resolve) => setTimeout(resolve, 500))
      }
      // As on a machine, and not as in podman's containers: else credentials are mounted where only systemd sees them.
      exec("mount", "--make-rshared", "/")
      const { status, stderr, stdout } = exec("/usr/local/bin/node", "/usr/local/lib/inside.mjs")
      const lines = stdout.trim().split("\n").filter((line) => line !== "")
      return status === 0 ? lines : [...lines, `FAILED  the unit under systemd: ${stderr.slice(-2000)}`]
    } finally {
      spawnSync("podman", [...podman, "stop", "--time", "5", name])
      await ended
    }
  } finally {
    spawnSync("umount", [join(folder, "storage", "overlay")])
    // podman puts things away for a moment after its container has ended.
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 300 })
  }
}
