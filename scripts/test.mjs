// `npm test`: installs where needed, then types, lint, build and tests. Everything runs even if something before it failed.
// Arguments go to vitest. Where CI is set, a soak of 45 seconds, the conformance suites, clients from the registry and the checks
// of what we ship (scripts/check-*.mjs) follow. The last line is `N passed, N failed, N skipped`: tests, scenarios, what clients
// and checks did, plus one each for types, lint, build, soak and the guard of what a call costs.
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { build, ensureDependencies, root } from "./ensure.mjs"

ensureDependencies()

const count = { passed: 0, failed: 0, skipped: 0 }

/** Runs a program of node_modules; whether it ended well. */
const node = (script, ...args) =>
  spawnSync(process.execPath, [join(root, "node_modules", script), ...args], { cwd: root, stdio: "inherit" }).status === 0

const step = (name, run) => {
  const begin = Date.now()
  const well = run()
  count[well ? "passed" : "failed"] += 1
  console.log(`${well ? "ok" : "FAILED"}  ${name} (${Math.round((Date.now() - begin) / 1000)} s)`)
}

step("types", () => node("typescript/bin/tsc", "--noEmit"))
step("lint", () => node("eslint/bin/eslint.js", ".", "--max-warnings", "0"))
step("build", build)

const folder = mkdtempSync(join(tmpdir(), "fjmcp-test-"))
const file = join(folder, "vitest.json")
try {
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`]
  const well = node("vitest/vitest.mjs", "run", ...reporters, ...process.argv.slice(2))
  const report = JSON.parse(readFileSync(file, "utf8"))
  // A file that cannot be loaded has no tests that could fail.
  const broken = report.testResults.filter(({ assertionResults, status }) =>
    status === "failed" && assertionResults.every((test) => test.status !== "failed"))
  const failed = report.numFailedTests + broken.length
  count.passed += report.numPassedTests
  // An error outside of any test fails the run and is in no number.
  count.failed += failed === 0 && !well ? 1 : failed
  count.skipped += report.numPendingTests + report.numTodoTests
} catch (error) {
  console.error(`The tests left no report: ${error.message}`)
  count.failed += 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Adds what a script said in its last line, `N passed, N failed` and perhaps `, N skipped`. */
const add = ({ code, seconds, script, stdout }) => {
  process.stdout.write(stdout)
  const [, passed = 0, failed = 0, skipped = 0] = /(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\n$/.exec(stdout) ?? []
  count.passed += Number(passed)
  // Who ends badly has a failure, also without such a line.
  count.failed += code === 0 && passed !== 0 ? Number(failed) : Math.max(1, Number(failed))
  count.skipped += Number(skipped)
  console.log(`${script}: ${seconds} s\n`)
}

/** Runs scripts one after the other; what each says comes at its end, so that those of two lanes do not mix. */
const lane = async (...scripts) => {
  for (const script of scripts) {
    const begin = Date.now()
    const program = spawn(process.execPath, [join(root, "scripts", script)], { cwd: root, stdio: ["ignore", "pipe", "inherit"] })
    let stdout = ""
    program.stdout.setEncoding("utf8").on("data", (text) => (stdout += text))
    const code = await new Promise((resolve) => program.once("error", () => resolve(1)).once("close", resolve))
    add({ code, script, seconds: Math.round((Date.now() - begin) / 1000), stdout })
  }
}

if (process.env.CI !== undefined && process.argv.length === 2) {
  step("soak", () => spawnSync(process.execPath, [join(root, "scripts", "soak.mjs"), "--seconds", "45"], { cwd: root, stdio: "inherit" }).status === 0)
  step("guard: what a call costs, by the floor", () => spawnSync(process.execPath, [join(root, "scripts", "bench.mjs"), "--guard"], { cwd: root, stdio: "inherit" }).status === 0)
  await lane("conformance.mjs", "clients.mjs")
  // The image takes minutes of one core, most of them for a compiler.
  await Promise.all([
    lane("check-image.mjs"),
    lane("check-caddy.mjs", "check-package.mjs", "check-docs.mjs", "check-units.mjs", "check-nix.mjs")
  ])
}

console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
process.exitCode = count.failed === 0 ? 0 : 1
