import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..", "..")
const read = (...path: ReadonlyArray<string>) => readFileSync(join(root, ...path), "utf8")

/** Whether two texts are the same but for how quotes are escaped in the sources. */
const plain = (text: string) => text.replaceAll("\\\"", "\"")

/** Each file with the tests that are named of it. */
const namedIn = (text: string) => [...text.matchAll(/`((?:[\w-]+\/)+[\w.-]+)`: ((?:"(?:[^"\n]|\\")+"(?:; )?)+)/g)]

describe.each([["requirements.md", 50], ["security.md", 50]] as const)("docs/%s", (document, atLeast) => {
  it("names no test that is not in the file that it names", () => {
    const files = new Set(readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" }))
    const named = namedIn(read("docs", document))
    assert.isAbove(named.length, atLeast)
    const missing = named.flatMap(([, file = "", names = ""]) => {
      const path = `${file}.test.ts`
      if (!files.has(path)) return [`there is no test/${path}`]
      const source = plain(read("test", path))
      return [...names.matchAll(/"((?:[^"\n]|\\")+)"/g)].flatMap(([, name = ""]) => source.includes(plain(name)) ? [] : [`test/${path}: ${name}`])
    })
    assert.deepStrictEqual(missing, [])
  })
})

describe("docs/security.md", () => {
  const tables = read("docs", "security.md").split(/\n{2,}/).filter((part) => /^\|.*\| shown by \|\n/.test(part))
  const claims = tables.flatMap((table) => table.trim().split("\n").slice(2).map((row) => row.split(" | ").at(-1)?.replace(/ \|$/, "") ?? ""))

  it("claims nothing without a test, but what is so by design or by the operating system", () => {
    assert.isAbove(tables.length, 8)
    const isBacked = (claim: string) => namedIn(claim).length > 0 || /^by design: \S|^operating system$/.test(claim)
    assert.deepStrictEqual(claims.filter((claim) => !isBacked(claim)), [])
  })

  it("leaves nothing of a claim unread", () => {
    const left = claims.map((claim) => namedIn(claim).reduce((text, [whole]) => text.replace(whole, ""), claim).trim())
    assert.deepStrictEqual(left.filter((text) => text !== "" && !/^by design: |^operating system$/.test(text)), [])
  })

  it("names only files that there are", () => {
    const sources = claims.flatMap((claim) => [...claim.matchAll(/`(src\/[\w./]+)`/g)].map(([, path = ""]) => path))
    assert.isNotEmpty(sources)
    for (const path of sources) assert.doesNotThrow(() => read(path), path)
  })
})
