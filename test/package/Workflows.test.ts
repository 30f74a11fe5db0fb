import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { parse } from "yaml"

const root = join(import.meta.dirname, "..", "..")
const text = (path: string) => readFileSync(join(root, path), "utf8")

interface Step {
  readonly uses?: string
  readonly run?: string
  readonly with?: Readonly<Record<string, unknown>>
}
interface Workflow {
  readonly on: Readonly<Record<string, unknown>>
  readonly permissions?: unknown
  readonly jobs: Readonly<Record<string, { readonly "timeout-minutes": number; readonly permissions?: unknown; readonly steps: ReadonlyArray<Step> }>>
}

const forgejo = parse(text(".forgejo/workflows/ci.yml")) as Workflow
const github = parse(text(".github/workflows/ci.yml")) as Workflow
const stepsOf = (workflow: Workflow) => Object.values(workflow.jobs).flatMap(({ steps }) => steps)
const runsOf = (workflow: Workflow) => Object.entries(workflow.jobs).map(([name, { steps }]) => [name, steps.flatMap(({ run }) => run ?? [])])

/** What a command of a workflow names that is not there. */
const missing = (command: string): ReadonlyArray<string> => {
  const { scripts } = JSON.parse(text("package.json")) as { readonly scripts: Readonly<Record<string, string>> }
  const names = [...command.matchAll(/\bnpm (?:run )?([\w:-]+)/g)].map(([, name = ""]) => name).filter((name) => scripts[name] === undefined)
  const files = [...command.matchAll(/(?<=^|\s)(\.?[\w-]+\/[\w./-]+)/gm)].map(([, path = ""]) => path).filter((path) => {
    const entry = statSync(join(root, path), { throwIfNoEntry: false })
    return entry === undefined || (entry.mode & 0o111) === 0
  })
  return [...names, ...files]
}

describe("the workflows", () => {
  it("are one for each forge, run the same, and everything with .ci/run", () => {
    assert.deepStrictEqual([readdirSync(join(root, ".forgejo/workflows")), readdirSync(join(root, ".github/workflows"))], [["ci.yml"], ["ci.yml"]])
    assert.deepStrictEqual(runsOf(forgejo), runsOf(github))
    assert.include(stepsOf(github).map(({ run }) => run), ".ci/run")
  })

  it("call what exists and can be run", () => {
    for (const { run = "" } of [...stepsOf(forgejo), ...stepsOf(github)]) assert.deepStrictEqual(missing(run), [], run)
    assert.deepStrictEqual(missing("bash .ci/walk && npm run no-such && npm test && scripts/test.mjs"), ["no-such", ".ci/walk", "scripts/test.mjs"])
  })

  it("use actions by commit, with no more rights than reading", () => {
    assert.deepStrictEqual(github.permissions, { contents: "read" })
    for (const workflow of [forgejo, github]) {
      assert.notProperty(workflow.on, "pull_request_target")
      for (const job of Object.values(workflow.jobs)) {
        assert.isUndefined(job.permissions)
        assert.isAtMost(job["timeout-minutes"], 45)
      }
      for (const { uses, with: options } of stepsOf(workflow)) {
        if (uses === undefined) continue
        assert.match(uses, /@[0-9a-f]{40}$/)
        assert.strictEqual(options?.["persist-credentials"], false)
      }
    }
  })
})
