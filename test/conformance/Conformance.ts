/**
 * The official suites against the built broker, through OAuth: `npm run conformance`, which scripts/conformance.mjs starts.
 * The broker's child is everything-stdio.mjs, a server of 2025. README.md says what is run; the numbers that have to be
 * reached stand here, and are never lowered.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Duration, Effect } from "effect"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { everything } from "../process/Everything.ts"
import { signIn } from "../process/Serving.ts"
import { runAuthorization } from "./Authorization.ts"
import { bearerProxy } from "./BearerProxy.ts"
import { runSet, type Scenario, type Tools } from "./Suite.ts"

interface Required {
  readonly title: string
  readonly revision: string
  /** Arguments of the fixture. */
  readonly fixture?: ReadonlyArray<string>
  /** How many of the scored scenarios have to pass. */
  readonly scored: number
  /** Scored ones that cannot pass; all others have to. */
  readonly impossible?: ReadonlyArray<string>
  /** Unscored ones that have to pass without a warning. */
  readonly unscored: ReadonlyArray<string>
  /** Those that check nothing, but may warn. */
  readonly unchecked?: ReadonlyArray<string>
}

const sets: ReadonlyArray<Required> = [
  {
    title: "2025-11-25",
    revision: "2025-11-25",
    scored: 30,
    unscored: ["server-session-lifecycle", "json-schema-2020-12", "server-sse-polling"],
    // A server on stdio cannot close the stream that the broker answers with.
    unchecked: ["server-sse-polling"]
  },
  {
    title: "2026-07-28",
    revision: "2026-07-28",
    scored: 37,
    unscored: ["json-schema-2020-12", "http-header-validation", "http-custom-header-server-validation"]
  },
  {
    title: "2026-07-28 without key hints",
    revision: "2026-07-28",
    fixture: ["--no-key-hint"],
    scored: 36,
    // It insists on a key that no message of a server of 2025 carries.
    impossible: ["input-required-result-basic-elicitation"],
    unscored: ["json-schema-2020-12", "http-header-validation", "http-custom-header-server-validation"]
  }
]
const authorization = { title: "authorization", scored: 2, unscored: [] }

interface Verdict {
  readonly title: string
  readonly passed: number
  readonly failed: number
  readonly checks: number
  readonly seconds: number
}

/** Prints every scenario, and counts those that have to pass. */
const judge = (required: Omit<Required, "revision">, scenarios: ReadonlyArray<Scenario>, seconds: number): Verdict => {
  const { impossible = [], scored, title, unchecked = [], unscored } = required
  const width = Math.max(...scenarios.map(({ name }) => name.length))
  let passed = 0
  let failed = 0
  console.log(`\n${title}`)
  for (const one of scenarios) {
    const isRequired = one.isScored ? !impossible.includes(one.name) : unscored.includes(one.name)
    const isWell = one.failed === 0 && (one.passed > 0 || unchecked.includes(one.name)) && (one.isScored || one.warned === 0)
    if (isRequired && isWell) passed += 1
    if (isRequired && !isWell) failed += 1
    const word = isWell ? "ok" : isRequired ? "FAILED" : "not ok"
    const notes = [...(one.warned > 0 ? [`${one.warned} warnings`] : []), ...(isRequired ? [] : ["not required"])]
    console.log(`  ${word.padEnd(6)}  ${one.name.padEnd(width)}  ${one.passed} of ${one.passed + one.failed}${notes.length === 0 ? "" : `  (${notes.join(", ")})`}`)
    if (isRequired) for (const reason of one.reasons) console.log(`            ${reason}`)
  }
  const missing = scored + unscored.length - passed - failed
  if (missing > 0) console.log(`  FAILED  ${missing} scenarios that have to pass were not run`)
  return { title, passed, failed: failed + Math.max(0, missing), checks: scenarios.reduce((sum, one) => sum + one.passed, 0), seconds: Math.round(seconds) }
}

/** A set that cannot be run has failed, all of it; the others are run all the same. */
const timed = (required: Omit<Required, "revision">, run: Effect.Effect<ReadonlyArray<Scenario>>) =>
  run.pipe(
    Effect.catchAllDefect((defect) =>
      Effect.sync(() => {
        console.log(`\n${required.title} could not be run: ${String(defect)}`)
        return []
      })),
    Effect.timed,
    Effect.map(([took, scenarios]) => judge(required, scenarios, Duration.toSeconds(took)))
  )

const conformance = (tools: Tools) =>
  Effect.gen(function*() {
    const verdicts: Array<Verdict> = []
    for (const required of sets) {
      verdicts.push(
        yield* timed(required, Effect.scoped(Effect.gen(function*() {
          const { settings } = yield* everything(required.fixture)
          const { access_token } = yield* signIn(settings.mcpUrl)
          const url = yield* bearerProxy(settings.mcpUrl, access_token)
          return yield* runSet(tools, required.revision, url, required.title.replaceAll(" ", "-"))
        })))
      )
    }
    verdicts.push(
      yield* timed(authorization, Effect.scoped(Effect.flatMap(everything(), ({ settings }) => runAuthorization(tools, settings.mcpUrl))))
    )
    console.log(`\n${"set".padEnd(30)}  passed  failed  checks  seconds`)
    for (const { checks, failed, passed, seconds, title } of verdicts) {
      console.log(`${title.padEnd(30)}${[passed, failed, checks, seconds].map((figure) => String(figure).padStart(8)).join("")}`)
    }
    const sum = (of: (verdict: Verdict) => number) => verdicts.reduce((all, verdict) => all + of(verdict), 0)
    console.log(`\n${sum(({ passed }) => passed)} passed, ${sum(({ failed }) => failed)} failed`)
    process.exitCode = sum(({ failed }) => failed) === 0 ? 0 : 1
  })

const { values } = parseArgs({ options: { node: { type: "string", default: "" }, packages: { type: "string", default: "" } } })
// What the last run found stays there to be looked at.
const output = join(values.packages, "..", "conformance-results")
rmSync(output, { recursive: true, force: true })
// Its handling of signals ends the daemons too.
NodeRuntime.runMain(conformance({ node: values.node, packages: values.packages, output }))
