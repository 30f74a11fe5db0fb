/** What stands where a secret stood. */
export const REPLACEMENT = "[secret removed]"

/** Characters from which on a secret is also looked for in base64: parts of a shorter one could stand anywhere by chance. */
const minInBase64 = 8
/** Characters of a secret in one pattern: the pattern engine refuses patterns that are several times as long. */
const maxInPattern = 1000

/**
 * Makes a function that replaces every secret in a text, and leaves the rest as it is. Found are the secret itself, every
 * JSON spelling of it (also in JSON that is the text of a JSON string, at any depth), and its plain base64 at any alignment.
 *
 * A text without a secret costs native searches only: nothing runs per character or per escape, for a child decides how
 * many there are.
 */
export const scrubber = (secrets: ReadonlyArray<string>): (text: string) => string => {
  // The longest first, so that a secret that contains another one goes whole.
  const longestFirst = (texts: ReadonlyArray<string>) =>
    [...new Set(texts)].filter((text) => text !== "").sort((a, b) => b.length - a.length)
  const sorted = longestFirst(secrets)
  const plain = longestFirst(sorted.flatMap((secret) => secret.length < minInBase64 ? [secret] : [secret, ...base64Parts(secret)]))
  const escape = anyEscapeIn(sorted)
  let made: ReadonlyArray<{ readonly pattern: RegExp; readonly eatsAll: boolean }> | undefined
  // Long, and hardly ever used: only where somebody escapes what nobody needs to escape.
  const escaped = () => made ??= sorted.flatMap(evenParts).map((secret) => ({
    pattern: anySpelling(secret),
    // Here the backslashes of the text before cannot be told from the secret's.
    eatsAll: secret.startsWith("\\") || secret.startsWith("\"")
  }))
  return (text) => {
    const scrubbed = plain.reduce((rest, secret) => rest.includes(secret) ? rest.replaceAll(secret, REPLACEMENT) : rest, text)
    if (!escape.test(scrubbed)) return scrubbed
    return escaped().reduce(
      (rest, { eatsAll, pattern }) => rest.replace(pattern, (found) => (eatsAll ? "" : literalBackslashes(found)) + REPLACEMENT),
      scrubbed
    )
  }
}

/**
 * The backslashes at the start of an escape that belong to the text before it. At nesting depth d an escape takes
 * 2^(d-1) of them and a literal backslash 2^d, so the escape has the lowest bit of their number.
 */
const literalBackslashes = (spelling: string): string => {
  let count = 0
  while (spelling[count] === "\\") count++
  return "\\".repeat(count - (count & -count))
}

const hex4 = (char: string) => char.charCodeAt(0).toString(16).padStart(4, "0")

/** In a pattern: the digits of a \u escape, in either case. */
const digits = (char: string) => hex4(char).replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)

/** In a pattern: the character itself. */
const literal = (char: string) => /\w/.test(char) ? char : `\\u${hex4(char)}`

/** What JSON may write after a backslash for a character, besides \u. */
const shortEscapes = new Map([["\"", "\""], ["\\", "\\"], ["/", "/"], ["\b", "b"], ["\f", "f"], ["\n", "n"], ["\r", "r"], ["\t", "t"]])

/** In a pattern: what follows the backslash of an escape of the character. */
const afterBackslash = (char: string) => {
  const short = shortEscapes.get(char)
  return short === undefined ? `u${digits(char)}` : `(?:${literal(short)}|u${digits(char)})`
}

/** Cuts what is too long for one pattern. Even parts, for a short rest would be found anywhere. */
const evenParts = (secret: string): ReadonlyArray<string> => {
  const size = Math.ceil(secret.length / Math.ceil(secret.length / maxInPattern))
  return Array.from({ length: Math.ceil(secret.length / size) }, (_, at) => secret.slice(at * size, (at + 1) * size))
}

/** Finds the escape of any character of any of the secrets. */
const anyEscapeIn = (secrets: ReadonlyArray<string>): RegExp => {
  const chars = [...new Set(secrets.flatMap((secret) => secret.split("")))]
  return new RegExp(chars.length === 0 ? "(?!)" : `\\\\(?:${chars.map(afterBackslash).join("|")})`)
}

/**
 * Finds the secret with each character as it is or escaped behind any number of backslashes. The search is linear: only
 * the first of a run of backslashes can begin a find, and no two repetitions of a backslash stand side by side. The
 * repetitions are lazy or bounded, for others remember every step and can fill the stack of the pattern engine.
 */
const anySpelling = (secret: string): RegExp => {
  const units = secret.split("")
  const parts = units.map((char, at) => {
    const before = units[at - 1]
    const first = before === undefined ? "(?<!\\\\)" : ""
    // A run of backslashes in the secret, and the one that begins the escape after it, are one run in the text.
    if (char === "\\") {
      const last = /^\\+$/.test(secret.slice(at)) ? "(?!\\\\|u005[cC])" : ""
      return before === "\\" ? "" : `${first}\\\\(?:\\\\|u005[cC]){0,1000}?${last}`
    }
    return before === "\\"
      ? `(?:${literal(char)}|${afterBackslash(char)})`
      : `(?:${literal(char)}|${first}\\\\+?${afterBackslash(char)})`
  })
  return new RegExp(parts.join(""), "g")
}

/** What base64 makes of the secret wherever it stands in a longer text: the characters that depend on nothing else. */
const base64Parts = (secret: string): ReadonlyArray<string> => {
  const bytes = Buffer.from(secret)
  return [0, 1, 2].flatMap((offset) => {
    const whole = Buffer.concat([Buffer.alloc(offset), bytes])
    const part = (encoding: "base64" | "base64url") =>
      whole.toString(encoding).slice(Math.ceil(offset * 8 / 6), Math.floor(whole.length * 8 / 6))
    return [part("base64"), part("base64url")]
  })
}
