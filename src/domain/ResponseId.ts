import type { RequestId } from "./JsonRpc.ts"

/**
 * Puts another id into a response line that has parsed as a JSON object, leaving every other byte as the child wrote it:
 * numbers beyond 53 bits and the order of members survive. Gives nothing where the object has not exactly one
 * top-level `"id"` member in plain spelling: the caller then serialises anew.
 */
export const replaceId = (line: string, id: RequestId): string | undefined => {
  const value = JSON.stringify(id)
  let found: readonly [number, number] | undefined
  let at = skipSpace(line, 0) + 1
  while (line.charCodeAt(at = skipSpace(line, at)) === QUOTE) {
    const keyEnd = skipString(line, at)
    const key = line.slice(at + 1, keyEnd - 1)
    if (key.includes("\\")) return undefined
    const start = skipSpace(line, skipSpace(line, keyEnd) + 1)
    const end = skipValue(line, start)
    if (key === "id") {
      if (found !== undefined) return undefined
      found = [start, end]
    }
    at = skipSpace(line, end) + 1
  }
  return found === undefined ? undefined : line.slice(0, found[0]) + value + line.slice(found[1])
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const isSpace = (char: number) => char === 0x20 || char === 0x09 || char === 0x0a || char === 0x0d

const skipSpace = (line: string, from: number): number => {
  let at = from
  while (isSpace(line.charCodeAt(at))) at++
  return at
}

/** From the opening quote to behind the closing one. */
const skipString = (line: string, from: number): number => {
  let at = from + 1
  while (at < line.length && line.charCodeAt(at) !== QUOTE) at += line.charCodeAt(at) === BACKSLASH ? 2 : 1
  return at + 1
}

/** From a value's first character to behind its last. */
const skipValue = (line: string, from: number): number => {
  const first = line[from]
  if (first === "\"") return skipString(line, from)
  let at = from
  if (first === "{" || first === "[") {
    let depth = 0
    do {
      const char = line[at]
      if (char === "\"") at = skipString(line, at)
      else {
        if (char === "{" || char === "[") depth++
        else if (char === "}" || char === "]") depth--
        at++
      }
    } while (depth > 0 && at < line.length)
    return at
  }
  while (at < line.length && !",}]".includes(line[at] ?? "") && !isSpace(line.charCodeAt(at))) at++
  return at
}
