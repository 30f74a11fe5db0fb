import { assert, describe, it } from "@effect/vitest"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

interface Block {
  readonly language: string
  readonly text: string
  readonly line: number
  readonly mark?: string
  readonly isStray?: boolean
}
interface Markdown {
  readonly blocksOf: (text: string) => ReadonlyArray<Block>
  readonly linksOf: (text: string) => ReadonlyArray<string>
  readonly anchorsOf: (text: string) => ReadonlySet<string>
}

// Plain JavaScript, which the types do not see: scripts/check-docs.mjs runs where nothing is compiled.
const { anchorsOf, blocksOf, linksOf } = await import(pathToFileURL(join(import.meta.dirname, "../../scripts/markdown.mjs")).href) as Markdown

describe("what check-docs.mjs reads off a document", () => {
  it("blocks with their language, first line and mark; a mark without a block is told of", () => {
    const text = "<!-- check: run -->\n```sh\ntrue\n```\n\n```json\n{}\n```\n\n<!-- check: parse -->\nWords.\n\n- list\n\n  ~~~sh\n  a\n    b\n  ~~~\n"
    assert.deepStrictEqual(blocksOf(text).map(({ isStray, language, line, mark, text }) => [language, line, text, mark, isStray]), [
      ["sh", 2, "true\n", "run", undefined],
      ["json", 6, "{}\n", undefined, undefined],
      ["", 10, "", "parse", true],
      ["sh", 15, "a\n  b\n", undefined, undefined]
    ])
  })

  it("links and pictures, but not what looks so in code", () => {
    const text = "[a](x.md#y) ![b](<z.png>) [c\nd](e.md \"title\")\n`[no](no.md)`\n```\n[no](no.md)\n```\n[ref]: r.md\n<img src=\"i.png\">"
    assert.deepStrictEqual(linksOf(text), ["x.md#y", "z.png", "e.md", "r.md", "i.png"])
  })

  it("the anchors of headings as forges make them", () => {
    const text = "# Two words, `code` & more\n## Same\n## Same\n### [Link](x.md)_s\n```sh\n# no heading\n```\n<a id=\"own\"></a>"
    assert.deepStrictEqual([...anchorsOf(text)], ["two-words-code--more", "same", "same-1", "link_s", "own"])
  })
})
