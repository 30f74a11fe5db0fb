// Runs commands as a reader of the documents would, without leaving anything behind.
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { root } from "./ensure.mjs"

const apart = ["--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child"]

/** Why commands cannot be run so here; nothing where they can. */
export const obstacle = () => {
  if (process.platform !== "linux" || process.getuid() !== 0) return "only root on Linux can mount a throwaway copy of the file system"
  const missing = ["unshare", "mount", "chroot", "ip", "curl"].filter((name) => spawnSync("which", [name]).status !== 0)
  if (missing.length > 0) return `${missing.join(", ")} missing: apt-get install util-linux iproute2 curl`
  return spawnSync("unshare", [...apart, "--", "mount", "-t", "tmpfs", "none", "/mnt"]).status === 0 ? undefined : "root may not mount anything in here"
}

/** Run by sh inside its own mounts, processes and network: this machine's files, with every change in memory. */
const enter = `
set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/all"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/all"
if [ ! -e "$1/all$2/package.json" ]; then
  mkdir -p "$1/upper2" "$1/work2" "$1/all$2"
  mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper2,workdir=$1/work2" "$1/all$2"
fi
mount -t proc proc "$1/all/proc"
mount --rbind /dev "$1/all/dev"
ip link set lo up
exec chroot "$1/all" /bin/bash -c 'cd "$1" && shift && exec bash -c "$1"' bash "$2" "$3"
`

/**
 * Runs a bash script in the repository's folder: as root, all files of the machine are there and can be changed, and every
 * change is gone afterwards; there is a loopback network of its own and no other. Whatever it has started ends with it.
 *
 * @returns its exit code (nothing where the time was up), output, and the lines it wrote to file descriptor 3
 */
export const runThrowaway = async (script, seconds) => {
  const folder = mkdtempSync(join(tmpdir(), "fjmcp-docs-"))
  try {
    const program = spawn(
      "unshare",
      [...apart, "--", "sh", "-c", enter, "sh", folder, root, script],
      { stdio: ["ignore", "pipe", "pipe", "pipe"], env: { PATH: process.env.PATH, LANG: "C.UTF-8", HOME: "/root", USER: "root" } }
    )
    let output = ""
    let report = ""
    program.stdout.on("data", (data) => (output += data))
    program.stderr.on("data", (data) => (output += data))
    program.stdio[3].on("data", (data) => (report += data))
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      program.kill("SIGKILL")
    }, seconds * 1000)
    const code = await new Promise((resolve, reject) => program.once("error", reject).once("close", resolve))
    clearTimeout(timer)
    return { code: isLate ? undefined : code, output, report: report.split("\n").filter((line) => line !== "") }
  } finally {
    // Its mounts were in a namespace of their own: this is but the empty place of them.
    rmdirSync(folder)
  }
}
