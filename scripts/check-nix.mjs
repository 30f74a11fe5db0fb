// The flake, where there is no nixpkgs: everything in it is evaluated with a stub (nix/tests), the NixOS module with good and bad
// values; its unit is compared with the shipped one; the lock and the hashes of node_modules are recomputed; and changed copies
// must fail. `--build` builds and runs the package in Nix's sandbox besides (three minutes), `--write` writes settings.json and
// the hashes. docs/deploy/nixos.md says what this does not show.
import { execFile, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { ensureDependencies, root } from "./ensure.mjs"
import { mutations } from "./nix/mutations.mjs"
import { copyTree, ensureNix, evaluate, files, nix, sources } from "./nix/nix.mjs"
import { problemsIn, unitOf } from "./nix/problems.mjs"
import { settingsJson } from "./nix/settings-json.mjs"
import { report } from "./units/report.mjs"

ensureDependencies()
const { settings } = await import("./units/settings.mjs")
const { failed, finish, ok, skipped } = report()
const inRoot = (path) => readFileSync(join(root, path), "utf8")
const verdict = (what, problems) => problems.length === 0 ? ok(what) : failed(what, problems.join("\n"))

const table = await settings()
const write = process.argv.includes("--write")
if (write) writeFileSync(join(root, "nix/settings.json"), settingsJson(table))
verdict("nix/settings.json has the broker's settings", inRoot("nix/settings.json") === settingsJson(table) ? [] : ["it has others: node scripts/check-nix.mjs --write"])

const facts = { table, shipped: inRoot("deploy/systemd/fjmcp-broker.service"), example: inRoot("deploy/systemd/fjmcp-broker.env") }
const problemsAt = (folder) => {
  const { problem, seen } = evaluate(folder)
  return problem === undefined ? problemsIn(seen, facts) : [problem]
}

/** What is wrong with the Nix in the document: it has to parse, and to set options that there are. */
const documented = (folder, text, options) =>
  [...text.matchAll(/^```nix\n(.*?)^```$/gms)].flatMap(([, block]) => {
    const file = join(folder, "documented.nix")
    writeFileSync(file, block)
    const { status, stderr } = nix("nix-instantiate", ["--parse", file])
    rmSync(file)
    const [, set = ""] = /services\.fjmcp-broker = \{\n(.*?)^ {2}\};/ms.exec(block) ?? []
    const named = [...set.matchAll(/^ {4}(\w+) =/gm), ...block.matchAll(/services\.fjmcp-broker\.(\w+) =/g)].map(([, name]) => name)
    return [...(status === 0 ? [] : [stderr]), ...named.filter((name) => !options.includes(name)).map((name) => `services.fjmcp-broker has no option ${name}`)]
  })

const evaluation = (folder) => {
  const parsed = nix("nix-instantiate", ["--parse", ...files().filter((path) => path.endsWith(".nix"))])
  verdict("all files of Nix parse", parsed.status === 0 ? [] : [parsed.stderr])
  verdict("all outputs evaluate for both systems; the module has an option for each setting, takes good values, refuses bad ones, and " +
    "is hardened as the shipped unit", problemsAt(folder))

  const { seen } = evaluate(folder)
  if (seen !== undefined) {
    const text = inRoot("docs/deploy/nixos.md")
    verdict("docs/deploy/nixos.md: its Nix parses and sets options that there are", documented(folder, text, seen.options))
    verdict("with a misspelt option in it it fails", documented(folder, text.replace("forgejoClientId =", "forgejoClientID ="), seen.options).length > 0 ? [] : ["nothing was found"])
  }
  if (spawnSync("systemd-analyze", ["--version"]).status !== 0) skipped("systemd takes the module's units: systemd-analyze is missing")
  else if (seen !== undefined) {
    const file = join(folder, "fjmcp-broker.service")
    const verified = [seen.example, seen.all].map((service) => {
      writeFileSync(file, unitOf(service, process.execPath))
      return spawnSync("systemd-analyze", ["verify", "--man=no", file], { encoding: "utf8" })
    })
    rmSync(file)
    verdict("systemd takes the module's units", verified.flatMap(({ status, stderr }) => status === 0 && stderr.trim() === "" ? [] : [stderr]))
  }

  for (const { file, finds, from, to, what } of mutations) {
    const text = inRoot(file)
    const changed = text.replace(from, to)
    if (changed === text) {
      failed(`with ${what} it fails`, "the copy is the same: change the mutation")
      continue
    }
    writeFileSync(join(folder, file), changed)
    const problems = problemsAt(folder)
    writeFileSync(join(folder, file), text)
    if (problems.some((problem) => finds.test(problem))) ok(`with ${what} it fails`)
    else failed(`with ${what} it fails`, problems.length === 0 ? "nothing was found" : `something else was found:\n${problems.join("\n")}`)
  }
}

/** Whether the program can be bundled from the files that the package names: a new import may lead out of them. */
const bundles = (folder) => {
  const { copy, problem } = sources(folder)
  if (copy === undefined) return [problem]
  try {
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"))
    const { status, stderr } = spawnSync(process.execPath, ["scripts/build.mjs"], { cwd: copy, encoding: "utf8", env: { ...process.env, FJMCP_REVISION: "check" } })
    return status === 0 ? [] : [stderr]
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

const bundling = (folder) => {
  const file = "nix/package.nix"
  verdict("the files that the package names are all that the bundle needs", bundles(folder))
  writeFileSync(join(folder, file), inRoot(file).replace("      ../demo\n", ""))
  verdict("with a folder less they are not", bundles(folder).some((problem) => problem.includes("demo/")) ? [] : ["the bundle was made"])
  writeFileSync(join(folder, file), inRoot(file))
}

/** With Nix's own commands, on a flake that is no clone. */
const flake = (folder) => {
  const stub = ["--offline", "--no-write-lock-file", "--override-input", "nixpkgs", `path:${folder}/nix/tests/stub`]
  const checked = nix("nix", ["flake", "check", "--no-build", ...stub, `path:${folder}`], { cwd: folder })
  verdict("nix flake check takes the shape of the outputs", checked.status === 0 ? [] : [checked.stderr])

  const locked = () => nix("nix", ["flake", "lock", "--offline", "--no-update-lock-file", `path:${folder}`], { cwd: folder })
  const lock = locked()
  verdict("flake.lock is that of flake.nix", lock.status === 0 ? [] : [lock.stderr])
  writeFileSync(join(folder, "flake.nix"), inRoot("flake.nix").replace("nixos-26.05", "nixos-25.11"))
  verdict("with another input in flake.nix it is not", locked().status === 0 ? ["the lock was taken"] : [])
  writeFileSync(join(folder, "flake.nix"), inRoot("flake.nix"))
}

/** What npm puts into a folder for that processor, as Nix would hash it. */
const hashFor = async (cpu) => {
  const folder = mkdtempSync(join(tmpdir(), "fjmcp-hash-"))
  try {
    for (const file of ["package.json", "package-lock.json"]) writeFileSync(join(folder, file), inRoot(file))
    await promisify(execFile)(process.execPath, [join(root, "nix/node-modules.mjs"), cpu], { cwd: folder })
    for (const file of ["package.json", "package-lock.json"]) rmSync(join(folder, file))
    return nix("nix", ["hash", "path", "--type", "sha256", "--sri", folder]).stdout.trim()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const hashes = async () => {
  const file = "nix/node-modules.nix"
  const cpus = ["x64", "arm64"]
  const found = await Promise.allSettled(cpus.map(hashFor))
  for (const [index, cpu] of cpus.entries()) {
    const { reason, status, value: hash } = found[index]
    const what = `the hash of node_modules for ${cpu}`
    const pattern = new RegExp(`(cpu = "${cpu}";\\s+hash = ")([^"]*)`)
    if (status === "rejected") failed(what, reason.stderr || reason.message)
    else if (write) writeFileSync(join(root, file), inRoot(file).replace(pattern, `$1${hash}`))
    const named = pattern.exec(inRoot(file))?.[2]
    if (status !== "rejected") verdict(what, named === hash ? [] : [`it is ${hash}, and ${named} in ${file}: node scripts/check-nix.mjs --write`])
  }
}

if (ensureNix()) {
  const folder = copyTree(files())
  try {
    evaluation(folder)
    bundling(folder)
    flake(folder)
    await hashes()
    if (process.argv.includes("--build")) {
      const { build } = await import("./nix/build.mjs")
      for (const { problem, what } of build(folder)) verdict(what, problem === undefined ? [] : [problem])
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
} else skipped("everything else of Nix: nix is missing (Debian: apt-get install nix-bin)")
finish()
