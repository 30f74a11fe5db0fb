// `npm test`: installs where needed, then types, lint, build and tests. Everything runs even if something before it failed.
// Arguments go to vitest. Where CI is set, a soak of 45 seconds, the conformance suites and clients from the registry follow.
// The last line is `N passed, N failed, N skipped`: tests, scenarios and clients' checks, plus one each for types, lint, build
// and soak.
import { spawnSync } from "node:child_process"
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
  const well = run()
  count[well ? "passed" : "failed"] += 1
  console.log(`${well ? "ok" : "FAILED"}  ${name}`)
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

/** Runs a script whose last line is `N passed, N failed`, and adds those. */
const counting = (script) => {
  const { status, stdout } = spawnSync(process.execPath, [join(root, "scripts", script)], { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 2 ** 26 })
  process.stdout.write(stdout)
  const [, passed = 0, failed = 0] = /(\d+) passed, (\d+) failed\n$/.exec(stdout) ?? []
  count.passed += Number(passed)
  // Who ends badly has a failure, also without such a line.
  count.failed += status === 0 ? Number(failed) : Math.max(1, Number(failed))
}

if (process.env.CI !== undefined && process.argv.length === 2) {
  step("soak", () => spawnSync(process.execPath, [join(root, "scripts", "soak.mjs"), "--seconds", "45"], { cwd: root, stdio: "inherit" }).status === 0)
  counting("conformance.mjs")
  counting("clients.mjs")
}

console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
process.exitCode = count.failed === 0 ? 0 : 1
