/**
 * Control characters, line and paragraph separators, direction marks and overrides, zero-width and other invisible
 * format characters: with them a client's name could fake other words on the consent page or lines in the log.
 */
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\u115f\u1160\u3164\uffa0\u{e0000}-\u{e0fff}]/gu
/** A pile of combining marks would paint over the lines around it. */
const manyMarks = /(\p{M}{2})\p{M}+/gu

/** Text of strangers as it may be shown: cleaned, on one line, at most `max` characters (the last one is then an ellipsis). */
export const displayText = (text: string, max = 100): string => {
  const clean = text.replace(/\p{Zs}|[\t\r\n]/gu, " ").replace(unsafe, "").replace(manyMarks, "$1").replace(/ {2,}/g, " ").trim()
  const characters = Array.from(clean)
  return characters.length <= max ? clean : `${characters.slice(0, max - 1).join("").trimEnd()}…`
}
