// Nix for checks: no network but for what asks for it, no daemon, no settings or channels of the machine.
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { root } from "../ensure.mjs"

const config = ["experimental-features = nix-command flakes", "build-users-group =", "sandbox = false", "substituters =", "flake-registry =", "builders ="]

/** @returns what spawnSync does, with both outputs as text */
export const nix = (program, args, { cwd = root, env = {} } = {}) =>
  spawnSync(program, args, { cwd, encoding: "utf8", maxBuffer: 2 ** 26, env: { ...process.env, NIX_PATH: "", NIX_CONFIG: config.join("\n"), ...env } })

const isInstalled = () => spawnSync("nix", ["--version"]).status === 0

/** Whether there is a Nix; in CI it is installed. */
export const ensureNix = () => {
  if (isInstalled()) return true
  if (process.env.CI === undefined || process.getuid?.() !== 0) return false
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
  const apt = (...args) => spawnSync("apt-get", ["-qq", "-o", "DPkg::Lock::Timeout=300", ...args], { stdio: ["ignore", 2, 2], env })
  apt("update")
  apt("install", "-y", "--no-install-recommends", "nix-bin")
  return isInstalled()
}

/** The files of the repository, committed or not, without what is ignored: as a flake in git has them. */
export const files = () => {
  const { status, stdout } = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" })
  if (status !== 0) throw new Error("git ls-files failed: the checks of Nix need a clone")
  return [...new Set(stdout.split("\0").filter((path) => path !== ""))]
}

/** A copy of these files in a folder of its own. */
export const copyTree = (paths) => {
  const folder = mkdtempSync(join(tmpdir(), "fjmcp-nix-"))
  for (const path of paths) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    cpSync(join(root, path), join(folder, path), { force: true })
  }
  return folder
}

const checkFile = "nix/tests/check.nix"

/** The files from which the flake in `folder` bundles the program, as a folder that can be written to; or Nix's message. */
export const sources = (folder) => {
  const { status, stderr, stdout } = nix("nix-instantiate", ["--eval", "--read-write-mode", "--json", join(folder, checkFile), "--arg", "root", folder, "-A", "sources"])
  if (status !== 0) return { problem: stderr.trim() }
  const copy = mkdtempSync(join(tmpdir(), "fjmcp-sources-"))
  const copied = spawnSync("sh", ["-c", 'cp -r "$1"/. "$2" && chmod -R u+w "$2"', "sh", JSON.parse(stdout), copy], { encoding: "utf8" })
  if (copied.status === 0) return { copy }
  rmSync(copy, { recursive: true, force: true })
  return { problem: copied.stderr }
}

/** All outputs of the flake in `folder`, with the stub in place of nixpkgs; or Nix's message. */
export const evaluate = (folder) => {
  const { status, stderr, stdout } = nix("nix-instantiate", ["--readonly-mode", "--eval", "--strict", "--json", checkFile, "--arg", "root", folder], { cwd: folder })
  return status === 0 ? { seen: JSON.parse(stdout) } : { problem: stderr.trim().split("\n").filter((line) => !line.startsWith("warning: ")).slice(0, 12).join("\n") }
}
