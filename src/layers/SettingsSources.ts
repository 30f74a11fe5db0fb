import { Either } from "effect"
import { readFileSync } from "node:fs"
import { problemOf } from "../domain/FileProblem.ts"
import type { FormatProblem } from "../domain/Formats.ts"
import { wrong } from "../domain/Formats.ts"
import { flagOf, type Setting, variableOf } from "./SettingsTable.ts"

/** A file as a source of a secret. `reason` continues a sentence that begins with the file's path. */
export type FileText =
  | { readonly _tag: "text"; readonly text: string }
  | { readonly _tag: "missing" }
  | { readonly _tag: "unreadable"; readonly reason: string }

/** Where settings come from: everything that `readSettings` looks at, so that it is a pure function of this. */
export interface SettingsSources {
  /** By flag without dashes: `session-idle`, for a secret `forgejo-client-secret-file`. */
  readonly flags: ReadonlyMap<string, string>
  /** `FJMCP_*`, and `CREDENTIALS_DIRECTORY`, `STATE_DIRECTORY`, `XDG_DATA_HOME`, `HOME`. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly readFile: (path: string) => FileText
  /** Other defaults than the table's, by name without `FJMCP_` (the demo has some). Flags and variables win. */
  readonly defaults?: ReadonlyMap<string, string>
}

/** A variable that is set to nothing counts as not set: compose files and units do that with `FJMCP_X=${X:-}`. */
export const variable = (env: SettingsSources["env"], name: string): string | undefined => {
  const value = env[name]
  return value === undefined || value.trim() === "" ? undefined : value
}

/** The text of a setting that is no secret: flag, else variable, else nothing. A flag that is there wins even when it is wrong. */
export const givenText = (setting: Setting<unknown>, sources: SettingsSources): string | undefined =>
  (sources.flags.get(flagOf(setting)) ?? variable(sources.env, variableOf(setting)))?.trim()

/** Path of a systemd credential (`LoadCredential=`), if there are any. */
export const credentialPath = (env: SettingsSources["env"], name: string): string | undefined => {
  const directory = variable(env, "CREDENTIALS_DIRECTORY")
  return directory === undefined ? undefined : `${directory}/${name}`
}

/**
 * The text of a secret from its one source: `FJMCP_NAME`, `FJMCP_NAME_FILE`, the flag `--name-file`, or a systemd
 * credential. One final newline is cut. Nothing where no source is there; a problem where there are two, because
 * one of them is then out of date and nobody knows which.
 */
export const secretText = (setting: Setting<unknown>, sources: SettingsSources): Either.Either<string | undefined, FormatProblem> => {
  const flag = sources.flags.get(flagOf(setting))
  const value = variable(sources.env, variableOf(setting))
  const file = variable(sources.env, `${variableOf(setting)}_FILE`)
  const credential = credentialPath(sources.env, flagOf(setting).replace(/-file$/, ""))
  const credentialFile = credential === undefined ? undefined : sources.readFile(credential)

  const given: Array<{ readonly source: string; readonly read: () => Either.Either<string, FormatProblem> }> = []
  const fromFile = (source: string, path: string, found: () => FileText) =>
    given.push({
      source,
      read: () => {
        const content = found()
        if (content._tag === "text") return Either.right(content.text.replace(/\r?\n$/, ""))
        return wrong(`names the file ${path}, which ${content._tag === "missing" ? "does not exist" : content.reason}`, setting.example)
      }
    })
  if (flag !== undefined) fromFile(`--${flagOf(setting)}`, flag, () => sources.readFile(flag))
  if (value !== undefined) given.push({ source: variableOf(setting), read: () => Either.right(value.replace(/\r?\n$/, "")) })
  if (file !== undefined) fromFile(`${variableOf(setting)}_FILE`, file, () => sources.readFile(file))
  if (credential !== undefined && credentialFile !== undefined && credentialFile._tag !== "missing") {
    fromFile(`the credential ${credential}`, credential, () => credentialFile)
  }

  const [only, ...others] = given
  if (only === undefined) return Either.right(undefined)
  if (others.length > 0) {
    return wrong(`has more than one source: ${given.map(({ source }) => source).join(", ")}. Keep one`, setting.example)
  }
  return Either.flatMap(only.read(), (found) =>
    found.trim() === "" ? wrong(`is empty (${only.source})`, setting.example) : Either.right(found))
}

/** A file for `readSettings`, synchronously: it happens once, before anything else runs. */
export const readFileText = (path: string): FileText => {
  try {
    return { _tag: "text", text: readFileSync(path, "utf8") }
  } catch (cause) {
    const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
    if (code === "ENOENT") return { _tag: "missing" }
    return { _tag: "unreadable", reason: code === "EACCES" || code === "EPERM" ? "this user may not read" : problemOf(cause) }
  }
}
