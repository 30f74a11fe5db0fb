// `npm run soak [-- --seconds N]`: builds where needed, then runs test/process/Soak.ts against the built daemon, 15 minutes
// unless told. Exit code 1 when something that must hold does not.
import { spawn } from "node:child_process"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { ensureBuilt, ensureDependencies, root } from "./ensure.mjs"

ensureDependencies()
ensureBuilt()

// Not before it is there.
const { build } = await import("esbuild")
const source = join(root, "test", "process", "Soak.ts")
// Below node_modules the packages are found, and nothing is published or linted.
const bundle = join(root, "node_modules", ".cache", `soak.${process.pid}.mjs`)
await build({
  entryPoints: [source],
  outfile: bundle,
  bundle: true,
  packages: "external",
  format: "esm",
  platform: "node",
  target: "node20.19",
  // The files that ask where they are lie in the same folder.
  define: { "import.meta.url": JSON.stringify(pathToFileURL(source).href) },
  logLevel: "warning"
})

const soak = spawn(process.execPath, [bundle, ...process.argv.slice(2)], { stdio: "inherit" })
// It stops its daemon first. What was cut short has proved nothing.
let isCut = false
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    isCut = true
    soak.kill(signal)
  })
}
soak.on("exit", (code) => {
  rmSync(bundle, { force: true })
  process.exit(isCut ? 1 : code ?? 1)
})
