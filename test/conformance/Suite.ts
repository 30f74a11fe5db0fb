import { Effect, type Scope } from "effect"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { startProgram } from "../process/Program.ts"

/** Where the suite and a Node that can run it are. */
export interface Tools {
  readonly node: string
  /** A folder `node_modules`. */
  readonly packages: string
  /** Where everything that the suite says and finds is kept. */
  readonly output: string
}

/** What came out of one scenario. */
export interface Scenario {
  readonly name: string
  readonly passed: number
  readonly failed: number
  readonly warned: number
  /** Whether the requirement set counts it. */
  readonly isScored: boolean
  /** Of its failures and warnings. */
  readonly reasons: ReadonlyArray<string>
}

interface Check {
  readonly id: string
  readonly status: string
  readonly description?: string
  readonly errorMessage?: string
  readonly details?: { readonly message?: string }
}

/** Far more than any set takes, also where every scenario runs into its own limit of 30 seconds. */
const longest = "25 minutes"

/** Starts one command of the suite, with an environment of nothing but what it needs to run. */
export const startSuite = ({ node, packages }: Tools, args: ReadonlyArray<string>) =>
  startProgram(node, [join(packages, "@modelcontextprotocol", "conformance", "dist", "index.js"), ...args], { NO_COLOR: "1" })

export const plain = (text: string): string => text.replace(/\x1b\[[0-9;]*m/g, "")

const reasonOf = ({ description, details, errorMessage, id, status }: Check): string =>
  `${status === "WARNING" ? "warning" : "failure"} in ${id}: ${String(errorMessage ?? details?.message ?? description).replace(/\s+/g, " ").slice(0, 300)}`

const checksOf = (folder: string, name: string): ReadonlyArray<Check> | undefined => {
  const found = readdirSync(folder).find((entry) => entry.startsWith(`server-${name}-`) && /^\d{4}-\d\d-\d\dT/.test(entry.slice(name.length + 8)))
  if (found === undefined) return undefined
  try {
    return JSON.parse(readFileSync(join(folder, found, "checks.json"), "utf8")) as ReadonlyArray<Check>
  } catch {
    return undefined
  }
}

/** What a run says in `log` and has left in `results`. A scenario that threw has left nothing there. */
const scenariosOf = (log: string, results: string): ReadonlyArray<Scenario> => {
  const [, summary = ""] = log.split("=== SUMMARY ===")
  const [, unscored = ""] = log.split(/^Not scored for /m)
  const unscoredNames = new Set([...unscored.matchAll(/^\s+[✓✗] (\S+) \(/gm)].map(([, name]) => name))
  return [...summary.matchAll(/^[✓✗] (\S+): (\d+) passed, (\d+) failed/gm)].map(([, name = "", passed, failed]) => {
    const checks = checksOf(results, name) ?? []
    const count = (status: string) => checks.filter((check) => check.status === status).length
    const thrown = new RegExp(`Failed to run scenario ${name}:\\s*(.*)`).exec(log)?.[1]
    return {
      name,
      passed: Math.max(Number(passed), count("SUCCESS")),
      failed: Math.max(Number(failed), count("FAILURE")),
      warned: count("WARNING"),
      isScored: !unscoredNames.has(name),
      reasons: [
        ...checks.filter(({ status }) => status === "FAILURE" || status === "WARNING").map(reasonOf),
        ...(thrown === undefined ? [] : [`failure: ${thrown}`])
      ]
    }
  })
}

/** Runs the server scenarios that a revision of the specification requires, at its own wire. */
export const runSet = (tools: Tools, revision: string, url: string, folder: string): Effect.Effect<ReadonlyArray<Scenario>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const output = join(tools.output, folder)
    mkdirSync(output, { recursive: true })
    const suite = yield* startSuite(tools, ["server", "--url", url, "--requirements", revision, "-o", join(output, "results")])
    yield* suite.exited.pipe(
      Effect.timeoutFail({ duration: longest, onTimeout: () => new Error(`the set ${revision} did not end within ${longest}`) }),
      Effect.orDie
    )
    const log = plain(`${suite.stdout.text}\n${suite.stderr.text}`)
    writeFileSync(join(output, "log.txt"), log)
    const scenarios = scenariosOf(log, join(output, "results"))
    return scenarios.length > 0 ? scenarios : yield* Effect.dieMessage(`no scenario was run:\n${log.slice(-2000)}`)
  })
