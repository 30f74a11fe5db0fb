// node nix/node-modules.mjs x64|arm64: installs node_modules for Linux on that processor into the working directory, which
// has package.json and package-lock.json. The same files come out on every machine, from npm 10.9 to 11.19 at least, so that
// node-modules.nix can name their hash. scripts/check-nix.mjs runs it too, and compares.
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync, rmSync } from "node:fs"
import { dirname } from "node:path"

const cpu = process.argv[2]
if (cpu !== "x64" && cpu !== "arm64") throw new Error(`Which processor: x64 or arm64, not ${cpu}`)

const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--os=linux", `--cpu=${cpu}`, "--libc=glibc"]
const { error, status } = spawnSync("npm", ["ci", ...flags], { stdio: ["ignore", 2, 2] })
if (error !== undefined || status !== 0) throw new Error(`npm ci failed${error === undefined ? "; its messages are above" : `: ${error.message}`}`)

// It says where each package came from, which is not the same everywhere.
rmSync("node_modules/.package-lock.json")

// Which of the packages for one platform are put in place depends on the version of npm. Of these the build needs esbuild's.
const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8"))
for (const [path, { cpu: processors }] of Object.entries(packages)) {
  if (processors === undefined || path.startsWith("node_modules/@esbuild/")) continue
  rmSync(path, { recursive: true, force: true })
  for (let folder = dirname(path); folder !== "node_modules" && isEmpty(folder); folder = dirname(folder)) rmSync(folder, { recursive: true })
}

function isEmpty(folder) {
  try {
    return readdirSync(folder).length === 0
  } catch {
    return false
  }
}
