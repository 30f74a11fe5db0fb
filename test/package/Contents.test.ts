import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { isBuiltin } from "node:module"
import { join } from "node:path"

const root = join(import.meta.dirname, "..", "..")
const run = (program: string, ...args: ReadonlyArray<string>) => execFileSync(program, args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Readonly<Record<string, Readonly<Record<string, string>>>>

describe("the npm package", () => {
  it("holds the built program, the documents and what a service needs, and nothing else", () => {
    const [{ files }] = JSON.parse(run("npm", "pack", "--dry-run", "--json", "--ignore-scripts")) as [{ files: ReadonlyArray<{ path: string }> }]
    const documents = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "docs").trim().split("\n")
    const built = readdirSync(join(root, "dist"), { recursive: true, encoding: "utf8" })
    for (const name of built) assert.match(name, /^((main|demo-child|(chunk|demo)-[A-Z0-9]{8})\.js|LICENSES\.txt)$/)
    assert.deepStrictEqual(
      files.map(({ path }) => path).sort(),
      [
        "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md", "package.json",
        ...built.map((name) => `dist/${name}`),
        "deploy/caddy/Caddyfile",
        "deploy/quadlet/fjmcp-broker.container", "deploy/quadlet/fjmcp-broker.volume",
        "deploy/systemd/fjmcp-broker.env", "deploy/systemd/fjmcp-broker.service",
        ...documents
      ].sort()
    )
  })

  it("needs better-sqlite3 and nothing else: whatever else the program imports is of Node", () => {
    assert.deepStrictEqual(Object.keys(manifest["dependencies"] ?? {}), ["better-sqlite3"])
    for (const name of readdirSync(join(root, "dist"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"))) {
      const text = readFileSync(join(root, "dist", name), "utf8")
      const imported = [...text.matchAll(/^import (?:[^"';]* from )?"([^"]+)";$/gm)].map(([, from = ""]) => from)
      const foreign = imported.filter((from) => !from.startsWith("./") && !isBuiltin(from) && from !== "better-sqlite3")
      assert.deepStrictEqual(foreign, [], name)
      assert.notInclude(text, "sourceMappingURL=", name)
    }
  })

  it("has the licences of the packages that are bundled into it", () => {
    const licences = readFileSync(join(root, "dist", "LICENSES.txt"), "utf8")
    const named = [...licences.matchAll(/^(\S+) \d\S* \((MIT|ISC|BSD-3-Clause)\)\n\n\S/gm)].map(([, name]) => name)
    for (const name of ["@effect/platform-node", "effect", "multipasta", "@modelcontextprotocol/sdk", "zod"]) assert.include(named, name)
    assert.lengthOf(licences.split(`\n${"-".repeat(80)}\n\n`), named.length, "every one is of a kind that we know")
    assert.isAtLeast(licences.match(/copyright/gi)?.length ?? 0, named.length)
  })

  it("has a program that can be run, of this version and revision, and claims no address", () => {
    const main = join(root, manifest["bin"]?.["fjmcp-broker"] ?? "")
    assert.isTrue(readFileSync(main, "utf8").startsWith("#!/usr/bin/env node\n"))
    assert.strictEqual(statSync(main).mode & 0o111, 0o111)
    const head = run("git", "rev-parse", "--short=12", "HEAD").trim()
    assert.match(run(process.execPath, main, "--version"), new RegExp(`^fjmcp-broker ${String(manifest["version"])} \\(${head}(-changed)?\\)\\n$`))
    for (const field of ["repository", "homepage", "bugs"]) assert.notProperty(manifest, field)
  })
})
