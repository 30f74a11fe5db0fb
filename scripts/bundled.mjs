// Runs a program of test/ that works with the built daemon.
import { spawn } from "node:child_process"
import { readFileSync, rmSync } from "node:fs"
import { basename, join } from "node:path"
import { pathToFileURL } from "node:url"
import { ensureBuilt, ensureDependencies, root } from "./ensure.mjs"

/** In the bundle each file still knows where it lies. */
const knownPlaces = {
  name: "known-places",
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href)),
      loader: "ts"
    }))
}

/**
 * Installs and builds where needed, bundles `source` (a path below the root) and runs it to its end, whose exit code becomes
 * ours. `moreArgs` is called when the dependencies are there.
 */
export const runBundled = async (source, args, moreArgs = () => []) => {
  ensureDependencies()
  ensureBuilt()
  const all = [...args, ...moreArgs()]
  // Not before it is there.
  const { build } = await import("esbuild")
  // Below node_modules the packages are found, and nothing is published or linted.
  const bundle = join(root, "node_modules", ".cache", `${basename(source, ".ts")}.${process.pid}.mjs`)
  await build({
    entryPoints: [join(root, source)],
    outfile: bundle,
    bundle: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "node20.19",
    plugins: [knownPlaces],
    logLevel: "warning"
  })

  const program = spawn(process.execPath, [bundle, ...all], { stdio: "inherit" })
  // It stops its daemon first. What was cut short has proved nothing.
  let isCut = false
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      isCut = true
      program.kill(signal)
    })
  }
  program.on("exit", (code) => {
    rmSync(bundle, { force: true })
    process.exit(isCut ? 1 : code ?? 1)
  })
}
