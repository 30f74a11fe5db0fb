import { assert, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..", "..")

/** Whether two texts are the same but for how quotes are escaped in the sources. */
const plain = (text: string) => text.replaceAll("\\\"", "\"")

it("every test that docs/requirements.md names is in the file that it names", () => {
  const table = readFileSync(join(root, "docs", "requirements.md"), "utf8")
  const files = new Set(readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" }))
  const named = [...table.matchAll(/`((?:[\w-]+\/)+[\w.-]+)`: ((?:"(?:[^"\n]|\\")+"(?:; )?)+)/g)]
  assert.isAbove(named.length, 50)
  const missing = named.flatMap(([, file = "", names = ""]) => {
    const path = `${file}.test.ts`
    if (!files.has(path)) return [`there is no test/${path}`]
    const source = plain(readFileSync(join(root, "test", path), "utf8"))
    return [...names.matchAll(/"((?:[^"\n]|\\")+)"/g)].flatMap(([, name = ""]) => source.includes(plain(name)) ? [] : [`test/${path}: ${name}`])
  })
  assert.deepStrictEqual(missing, [])
})
