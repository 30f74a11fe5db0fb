/**
 * Measures the built broker: `npm run bench`, which scripts/bench.mjs starts. docs/performance.md says what each scenario and
 * column means. This process is the load, and the stand-in Forgejo; what is measured runs in processes of its own.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect } from "effect"
import { writeFileSync } from "node:fs"
import { cpus, loadavg } from "node:os"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { compiledChild } from "./Child.ts"
import { guard, most } from "./Guard.ts"
import { type Result, tableOf } from "./Rows.ts"
import { scenarios } from "./Scenarios.ts"
import type { Places } from "./Target.ts"

const root = dirname(dirname(fileURLToPath(import.meta.url)))

const usage = `npm run bench -- [--scenario NAME,...] [--seconds N] [--rounds N] [--peers] [--json FILE] | --guard

  --scenario  ${Object.keys(scenarios).join(", ")}; all unless told
  --seconds   of one round on one target, 1 to 60; 5 unless told
  --rounds    1 to 20; 3 unless told
  --peers     mcp-proxy and supergateway too; they are installed into a folder of their own
  --json      writes the figures there, too
  --guard     only says whether a call has become too dear, as CI does: exit code 1 where it has
`

const wrong = (sentence: string): never => {
  console.error(`${sentence}\n\n${usage}`)
  process.exit(2)
}

const options = {
  scenario: { type: "string", default: Object.keys(scenarios).join(",") },
  seconds: { type: "string", default: "5" },
  rounds: { type: "string", default: "3" },
  json: { type: "string" },
  guard: { type: "boolean", default: false },
  packages: { type: "string" },
  help: { type: "boolean", default: false }
} as const

const read = () => {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error))
  }
}

const values = read()
if (values.help) {
  console.log(usage)
  process.exit(0)
}

const number = (flag: "rounds" | "seconds", max: number): number => {
  const given = Number(values[flag])
  return given >= 1 && given <= max ? given : wrong(`--${flag} takes a number from 1 to ${max}, not "${values[flag]}"`)
}

const effort = { seconds: number("seconds", 60), rounds: Math.round(number("rounds", 20)) }
const chosen = values.scenario.split(",").filter((name) => name !== "").map((name) => {
  const scenario = scenarios[name]
  return scenario === undefined ? wrong(`--scenario: there is no "${name}"; there are ${Object.keys(scenarios).join(", ")}`) : { name, scenario }
})

const machine = () => ({
  processor: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  node: process.versions.node,
  /** Over the last minute, before the first scenario: whatever it is above 0 is load of others. */
  loadBefore: loadavg()[0] ?? 0
})

const guarded = (places: Places) =>
  Effect.map(guard(places), (row) => {
    const ratio = row?.toFloor?.cpu ?? Number.NaN
    const isWell = ratio <= most && row?.errors === 0
    console.log(`${isWell ? "ok" : "FAILED"}: ${row?.cpuMs.toFixed(3)} ms of CPU for a call, ${ratio.toFixed(2)} x the floor; at most ${most}, and no error of ${row?.errors}`)
    process.exitCode = isWell ? 0 : 1
  })

const benched = (places: Places) =>
  Effect.gen(function*() {
    const on = machine()
    console.log(`${on.cores} x ${on.processor}, Node ${on.node}, load ${on.loadBefore.toFixed(1)} before; ${effort.rounds} rounds of ${effort.seconds} s, medians\n`)
    const results: Array<Result> = []
    for (const { name, scenario } of chosen) {
      console.error(`${name} ...`)
      const result = { scenario: name, ...yield* Effect.scoped(scenario(places, effort)) }
      results.push(result)
      console.log(tableOf(result))
    }
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine: on, ...effort, results }, undefined, 2)}\n`)
    // Peers may do what they like.
    const failed = results.flatMap(({ rows }) => rows).filter(({ errors, target }) => errors > 0 && (target === "broker" || target === "floor"))
    if (failed.length > 0) process.exitCode = 1
  })

const places = { root, peers: values.packages, child: compiledChild(root) }
// Its handling of signals ends what was started too.
NodeRuntime.runMain(values.guard ? guarded(places) : benched(places))
