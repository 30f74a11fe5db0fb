// What check-docs.mjs reads off the documents: blocks of code, links, headings.
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "./ensure.mjs"

/** Every document that git knows, or will know. */
export const documents = () =>
  execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], { cwd: root, encoding: "utf8" })
    .split("\n").filter((name) => name !== "").map((name) => ({ name, text: readFileSync(join(root, name), "utf8") }))

/** The fenced blocks of a document: language, text, first line, and the words of a `check:` comment in front. */
export const blocksOf = (text) => {
  const lines = text.split("\n")
  const blocks = []
  let mark
  for (let at = 0; at < lines.length; at++) {
    const comment = /^\s*<!--\s*check:\s*(.*?)\s*-->\s*$/.exec(lines[at])
    if (comment !== null) mark = { words: comment[1], line: at + 1 }
    const fence = /^(\s*)(`{3,}|~{3,})\s*(\S*)/.exec(lines[at])
    if (fence === null) {
      // A mark is for the block right below it; it is told of where it stands before anything else.
      if (comment === null && mark !== undefined && lines[at].trim() !== "") {
        blocks.push({ language: "", text: "", line: mark.line, mark: mark.words, isStray: true })
        mark = undefined
      }
      continue
    }
    const [, indent, ticks, language] = fence
    const first = at + 1
    while (++at < lines.length && lines[at].trim() !== ticks);
    const body = lines.slice(first, at).map((line) => line.startsWith(indent) ? line.slice(indent.length) : line)
    blocks.push({ language, text: `${body.join("\n")}\n`, line: first, mark: mark?.words })
    mark = undefined
  }
  return blocks
}

const withoutCode = (text) => text.replace(/^(\s*)(`{3,}|~{3,})[\s\S]*?^\s*\2\s*$/gm, "").replace(/`[^`\n]+`/g, "")

/** The targets of links and pictures, of this repository or elsewhere. */
export const linksOf = (text) => {
  const plain = withoutCode(text)
  return [
    ...[...plain.matchAll(/!?\[(?:[^\]\n]|\n(?!\n))*\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)].map(([, target]) => target),
    ...[...plain.matchAll(/^\[[^\]]+\]:\s+<?(\S+?)>?\s*$/gm)].map(([, target]) => target),
    ...[...plain.matchAll(/<(?:a|img)\b[^>]*?\s(?:href|src)="([^"]+)"/g)].map(([, target]) => target)
  ]
}

/** The anchors that a forge makes of a document's headings, and those that it sets itself. */
export const anchorsOf = (text) => {
  const seen = new Map()
  const headings = [...text.replace(/^(\s*)(`{3,}|~{3,})[\s\S]*?^\s*\2\s*$/gm, "").matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)].map(([, heading]) => {
    const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/g, "-")
    const times = seen.get(words) ?? 0
    seen.set(words, times + 1)
    return times === 0 ? words : `${words}-${times}`
  })
  return new Set([...headings, ...[...text.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)].map(([, id]) => id)])
}
