import { isUtf8 } from "node:buffer"

const prefix = "=?base64?"
const suffix = "?="

/**
 * The text that a header of 2026-07-28 stands for: itself without the white space around it, or, written
 * `=?base64?<base64 of UTF-8>?=`, what is encoded there. Without the exact prefix and suffix it is literal. Nothing where
 * the base64 has other characters, wrong padding or loose bits, or is not UTF-8 (SEP-2243, value encoding).
 */
export const decodeHeader = (value: string): string | undefined => {
  const text = trimSpace(value)
  if (!text.startsWith(prefix) || !text.endsWith(suffix) || text.length < prefix.length + suffix.length) return text
  const encoded = text.slice(prefix.length, -suffix.length)
  const bytes = Buffer.from(encoded, "base64")
  // The decoder forgives anything; only what encodes to the same text was written by the rules.
  return bytes.toString("base64") === encoded && isUtf8(bytes) ? bytes.toString("utf8") : undefined
}

/** Spaces and tabs around a field value are not part of it (RFC 9110 §5.5); other white space is. */
export const trimSpace = (value: string): string => {
  let start = 0
  let end = value.length
  while (start < end && isSpace(value.charCodeAt(start))) start++
  while (end > start && isSpace(value.charCodeAt(end - 1))) end--
  return value.slice(start, end)
}

const isSpace = (char: number) => char === 0x20 || char === 0x09
