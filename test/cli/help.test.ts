import { assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { flagOf, settingKeys, settingsTable, variableOf } from "../../src/layers/SettingsTable.ts"
import { defaultOf } from "../../src/cli/Help.ts"

const inRoot = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** The bundled program with no settings at all. */
const run = (...args: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [inRoot("dist/main.js"), ...args], { encoding: "utf8", env: {} })
  return { status, stderr, stdout }
}

beforeAll(() => {
  const script = `import { ensureBuilt } from ${JSON.stringify(new URL("../../scripts/ensure.mjs", import.meta.url).href)}; ensureBuilt()`
  const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" })
  assert.strictEqual(status, 0, stderr)
})

describe("the bundled program", () => {
  it("prints its version and revision", () => {
    const { status, stderr, stdout } = run("--version")
    assert.deepStrictEqual([status, stderr], [0, ""])
    assert.match(stdout, /^fjmcp-broker \d+\.\d+\.\d+ \([\w-]+\)\n$/)
    assert.strictEqual(run("serve", "--version").stdout, stdout)
  })

  it("shows its commands when it is called without arguments", () => {
    const { status, stdout } = run()
    assert.strictEqual(status, 0)
    assert.match(stdout, /^ {2}serve {2}/m)
    assert.match(stdout, /^ {2}demo {3}/m)
    assert.strictEqual(run("--help").stdout, stdout)
  })

  it("lists every setting with flag, variable, description and default in the help of serve", () => {
    const { status, stderr, stdout } = run("serve", "--help")
    assert.deepStrictEqual([status, stderr], [0, ""])
    const text = stdout.replace(/\s+/g, " ")
    for (const key of settingKeys) {
      const setting = settingsTable[key]
      assert.include(text, `--${flagOf(setting)} ${setting.metavar} (${variableOf(setting)}`)
      assert.include(text, `${setting.description} [${defaultOf(setting)}]`)
    }
    assert.isEmpty(stdout.split("\n").filter((line) => line.length > 125))
    assert.notInclude(stdout, "\u001b")
  })

  it("says which commands there are when it does not know one", () => {
    const { status, stderr, stdout } = run("sevre")
    assert.deepStrictEqual([status, stdout], [2, ""])
    assert.match(stderr, /^fjmcp-broker: there is no command "sevre"; did you mean "serve"\?\n/)
  })

  it("takes --log-level for its own setting, not for the library's", () => {
    const { status, stderr } = run("serve", "--log-level", "loud")
    assert.strictEqual(status, 2)
    assert.include(stderr, "FJMCP_LOG_LEVEL (--log-level): must be trace, debug, info, warning, error, fatal or none, not \"loud\".")
  })

  it("never sees --log-level=debug vanish: the other settings are still reported with code 2", () => {
    const { status, stderr } = run("serve", "--log-level", "debug")
    assert.strictEqual(status, 2)
    assert.include(stderr, "FJMCP_PUBLIC_URL")
    assert.notInclude(stderr, "LOG_LEVEL")
  })
})
