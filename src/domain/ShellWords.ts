import { Either } from "effect"

/**
 * Splits a command line into words as a POSIX shell would: blanks separate, `'...'` is literal, in `"..."` a backslash
 * escapes `$`, a backtick, `"`, `\` and a line end, elsewhere any character. Nothing is expanded: `$HOME`, `*` and `~` stay, and
 * `|`, `;`, `&`, `<`, `>` are letters like others, since no shell runs.
 * Left: what is unbalanced, for a sentence that begins with the setting's name.
 */
export const splitWords = (line: string): Either.Either<ReadonlyArray<string>, string> => {
  const words: Array<string> = []
  // Undefined between words: `''` is a word too, an empty one.
  let word: string | undefined
  let at = 0
  while (at < line.length) {
    const character = line.charAt(at)
    if (/[ \t\r\n]/.test(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
      at += 1
    } else if (character === "'") {
      const end = line.indexOf("'", at + 1)
      if (end === -1) return Either.left("has a single quote (') without its partner")
      word = (word ?? "") + line.slice(at + 1, end)
      at = end + 1
    } else if (character === "\"") {
      const quoted = doubleQuoted(line, at + 1)
      if (quoted === undefined) return Either.left("has a double quote (\") without its partner")
      word = (word ?? "") + quoted.text
      at = quoted.end
    } else if (character === "\\") {
      if (at + 1 === line.length) return Either.left("ends with a backslash that has nothing to escape")
      // A backslash and a line end are a continued line: both vanish.
      if (line.charAt(at + 1) !== "\n") word = (word ?? "") + line.charAt(at + 1)
      at += 2
    } else {
      word = (word ?? "") + character
      at += 1
    }
  }
  if (word !== undefined) words.push(word)
  return Either.right(words)
}

/** The text from `start` to the closing quote, and the place behind that. */
const doubleQuoted = (line: string, start: number): { readonly text: string; readonly end: number } | undefined => {
  let text = ""
  for (let at = start; at < line.length; at += 1) {
    const character = line.charAt(at)
    if (character === "\"") return { text, end: at + 1 }
    const next = line.charAt(at + 1)
    if (character === "\\" && next !== "" && "$`\"\\\n".includes(next)) {
      if (next !== "\n") text += next
      at += 1
    } else {
      text += character
    }
  }
  return undefined
}

/** One word as it has to be written so that a shell, and `splitWords`, read it back. */
export const quoteWord = (word: string): string => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
