// Bundles the daemon and the stand-in child into dist/. Native modules stay outside the bundle.
import { execFileSync } from "node:child_process"
import { chmodSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { build } from "esbuild"
import { moduleByModule } from "./module-by-module.mjs"

const { version } = JSON.parse(readFileSync("package.json", "utf8"))

const revision = () => {
  if (process.env.FJMCP_REVISION) return process.env.FJMCP_REVISION
  const git = (...args) => execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim()
  try {
    // Sources without a history of their own may lie in somebody else's repository.
    if (realpathSync(git("rev-parse", "--show-toplevel")) !== realpathSync(".")) return "unknown"
    return git("rev-parse", "--short=12", "HEAD") + (git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "-changed")
  } catch {
    return "unknown"
  }
}

/** The licences of what is bundled: each asks that its text goes with every copy. */
const licences = ({ outputs }) => {
  const used = Object.values(outputs).flatMap(({ inputs }) => Object.entries(inputs)).filter(([, { bytesInOutput }]) => bytesInOutput > 0)
  const folders = new Set(used.flatMap(([path]) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []))
  return [...folders].sort().map((folder) => {
    const { license, name, version } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"))
    const file = readdirSync(folder).find((name) => /^licen[cs]e(\.\w+)?$/i.test(name))
    if (file === undefined) throw new Error(`${name} is bundled, but has no licence file to go with it`)
    return `${name} ${version} (${license})\n\n${readFileSync(`${folder}/${file}`, "utf8").trim()}\n`
  }).join(`\n${"-".repeat(80)}\n\n`)
}

// Built aside and put in place at the end: what runs from dist/ meanwhile still finds its parts.
const aside = `dist.${process.pid}`
const { metafile } = await build({
  entryPoints: { main: "src/main.ts", "demo-child": "demo/child/main.ts" },
  outdir: aside,
  bundle: true,
  splitting: true,
  metafile: true,
  chunkNames: "[name]-[hash]",
  format: "esm",
  platform: "node",
  target: "node20.19",
  external: ["better-sqlite3"],
  plugins: [moduleByModule],
  define: { __VERSION__: JSON.stringify(version), __REVISION__: JSON.stringify(revision()) },
  // Some bundled packages are CommonJS and call require().
  banner: { js: "import { createRequire as __createRequire } from \"node:module\"; const require = __createRequire(import.meta.url);" },
  legalComments: "none",
  logLevel: "warning"
})
writeFileSync(`${aside}/LICENSES.txt`, licences(metafile))
chmodSync(`${aside}/main.js`, 0o755)
rmSync("dist", { recursive: true, force: true })
renameSync(aside, "dist")
