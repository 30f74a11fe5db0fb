import { Either } from "effect"
import { nearest } from "../domain/Nearest.ts"
import { flagOf, settingKeys, settingsTable } from "../layers/SettingsTable.ts"

const settings = settingKeys.map((key) => settingsTable[key])
const known = settings.map(flagOf)
/** Flags that a person may try for a secret, and which there are not. */
const secretFlags = new Map(
  settings.flatMap((setting) => setting.secret === true ? [[flagOf(setting).replace(/-file$/, ""), setting]] : [])
)

const unknownFlag = (name: string): string => {
  const secret = secretFlags.get(name)
  if (secret !== undefined) {
    return `--${name} does not exist, because everybody on the machine can read the arguments of a program. ` +
      `Put the secret into a file and use --${flagOf(secret)}`
  }
  const meant = nearest(name, known)
  return `--${name} is not a flag of serve${meant === undefined ? "" : `; did you mean --${meant}?`}`
}

/**
 * The flags of `serve`: `--name value` or `--name=value`, each at most once, in any order, by name without dashes. The values
 * are not looked at. Left: a sentence for each thing that is wrong; no value is in it.
 *
 * Why not `Options` of @effect/cli: it takes `--log-level` for itself wherever that stands, and says "unknown argument"
 * of a flag whose value is missing.
 */
export const parseFlags = (words: ReadonlyArray<string>): Either.Either<ReadonlyMap<string, string>, ReadonlyArray<string>> => {
  const flags = new Map<string, string>()
  const problems: Array<string> = []
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? ""
    const [, name, joined] = /^--([^=]+)(?:=([^]*))?$/.exec(word) ?? []
    if (name === undefined) {
      // Perhaps half of a value that was not quoted: not repeated, for it may be a secret.
      problems.push(`Argument ${at + 1} of serve does not begin with "--". A value with spaces needs quotes`)
      continue
    }
    const next = words[at + 1]
    const follows = joined === undefined && next !== undefined && !next.startsWith("--")
    if (follows) at += 1
    const value = joined ?? (follows ? next : undefined)
    if (!known.includes(name)) problems.push(unknownFlag(name))
    else if (value === undefined) problems.push(`--${name} needs a value: --${name} VALUE, or --${name}=VALUE where it begins with "--"`)
    else if (flags.has(name)) problems.push(`--${name} is given twice`)
    else flags.set(name, value)
  }
  return problems.length === 0 ? Either.right(flags) : Either.left(problems)
}
