import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type Setting, settingKeys, settingsTable, variableOf } from "../../src/layers/SettingsTable.ts"
import { configurationText, groups } from "./ConfigurationText.ts"

const settings: ReadonlyArray<Setting<unknown>> = settingKeys.map((key) => settingsTable[key])
const takes = (setting: Setting<unknown>, text: string): boolean => Either.isRight(setting.parse(text))

describe("docs/configuration.md", () => {
  it("is what the table of settings says; if not, run: node scripts/configuration.mjs", () => {
    const written = readFileSync(join(import.meta.dirname, "..", "..", "docs", "configuration.md"), "utf8")
    assert.strictEqual(written, configurationText)
  })

  it("has every setting, once", () => {
    assert.sameMembers(groups.flatMap(([, keys]) => keys), [...settingKeys])
  })

  it("has defaults and examples that can be used", () => {
    for (const setting of settings) {
      if (typeof setting.fallback === "object" && "text" in setting.fallback && setting.fallback.text !== "") {
        assert.isTrue(takes(setting, setting.fallback.text), setting.name)
      }
      if (setting.secret !== true) assert.isTrue(takes(setting, setting.example), setting.name)
    }
  })

  it("names the limits and words that are really taken, and what is beyond is refused", () => {
    const beyond: Readonly<Record<string, readonly [below: string, above: string]>> = {
      "1ms": ["0s", "2ms"], "0s": ["-1s", "1ms"], "24d": ["23d", "25d"], "1KiB": ["1023", "1025"], "256MiB": ["255MiB", "257MiB"]
    }
    let checked = 0
    for (const setting of settings) {
      const [, low, high] = /^(\S+) to (\S+)$/.exec(setting.allowed) ?? []
      if (low !== undefined && high !== undefined) {
        assert.isTrue([low, high].every((limit) => limit in beyond || /^\d+$/.test(limit)), `${setting.name}: give this test something beyond`)
        const below = beyond[low]?.[0] ?? String(Number(low) - 1)
        const above = beyond[high]?.[1] ?? String(Number(high) + 1)
        assert.deepStrictEqual([below, low, high, above].map((text) => takes(setting, text)), [false, true, true, false], setting.name)
        checked += 1
      } else if (setting.metavar.includes("|")) {
        assert.isTrue(setting.allowed.split(", ").every((word) => takes(setting, word)), setting.name)
        assert.isFalse(takes(setting, "something else"), setting.name)
        checked += 1
      }
    }
    assert.isAbove(checked, 25)
  })
})

describe("documents and shipped files", () => {
  const root = join(import.meta.dirname, "..", "..")
  const known = new Set([...settings.flatMap((setting) => [variableOf(setting), ...(setting.secret === true ? [`${variableOf(setting)}_FILE`] : [])]), "FJMCP_REVISION", "FJMCP_VERSION"])
  const unknownIn = (text: string) => [...text.matchAll(/\bFJMCP_[A-Z_]+\b/g)].map(([name]) => name).filter((name) => !known.has(name))

  it("name no setting that there is not", () => {
    const files = execFileSync("git", ["ls-files", "*.md", "deploy", "Containerfile", "nix/*.nix", "flake.nix"], { cwd: root, encoding: "utf8" }).trim().split("\n")
    assert.isAbove(files.length, 30)
    assert.deepStrictEqual(files.flatMap((file) => unknownIn(readFileSync(join(root, file), "utf8")).map((name) => `${file}: ${name}`)), [])
    assert.deepStrictEqual(unknownIn("FJMCP_SESSION_IDLE=1m FJMCP_SESSION_IDEL=1m"), ["FJMCP_SESSION_IDEL"])
  })
})
