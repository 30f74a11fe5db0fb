/** What stands where a secret stood. */
export const REPLACEMENT = "[secret removed]"

/**
 * Makes a function that replaces every secret in a text, in each spelling that JSON allows: as it is, as JSON escapes it
 * (also the way Go does, which escapes < > & as well), and with characters written as `\uXXXX`.
 */
export const scrubber = (secrets: ReadonlyArray<string>): (text: string) => string => {
  const spellings = [...new Set(secrets.filter((secret) => secret.length > 0).flatMap((secret) => [secret, jsonSpelling(secret), goSpelling(secret)]))]
    // The longest first, so that a secret that contains another one goes whole.
    .sort((a, b) => b.length - a.length)
  const replacePlain = (text: string) =>
    spellings.reduce((scrubbed, spelling) => scrubbed.includes(spelling) ? scrubbed.replaceAll(spelling, REPLACEMENT) : scrubbed, text)
  return (text) => {
    const scrubbed = replacePlain(text)
    if (!scrubbed.includes("\\u") && !scrubbed.includes("\\/")) return scrubbed
    // The same JSON document in the plainest spelling; kept only where that brings a secret to light.
    const plain = plainSpelling(scrubbed)
    const replaced = replacePlain(plain)
    return replaced === plain ? scrubbed : replaced
  }
}

const jsonSpelling = (secret: string) => JSON.stringify(secret).slice(1, -1)

const goSpelling = (secret: string) =>
  jsonSpelling(secret).replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** Writes escapes of visible ASCII, other than quote and backslash, as the characters they stand for. */
const plainSpelling = (json: string) =>
  json.replace(/\\(?:u00([2-7][0-9a-fA-F])|\/|.)/g, (escape, hex: string | undefined) => {
    if (escape === "\\/") return "/"
    if (hex === undefined) return escape
    const char = String.fromCharCode(Number.parseInt(hex, 16))
    return char === "\"" || char === "\\" || char === "\x7f" ? escape : char
  })
