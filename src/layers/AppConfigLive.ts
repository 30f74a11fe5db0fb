import { Duration, Effect, Either, Layer } from "effect"
import { basename, resolve } from "node:path"
import type { FormatProblem } from "../domain/Formats.ts"
import { nearest } from "../domain/Nearest.ts"
import { AppConfig, type ChildPreset, ConfigInvalid, type SettingProblem, type Settings } from "../services/AppConfig.ts"
import { credentialPath, givenText, secretText, type SettingsSources, variable } from "./SettingsSources.ts"
import { flagOf, type Setting, type SettingKey, settingKeys, settingsTable, variableOf } from "./SettingsTable.ts"

/** Settings that can be used, and sentences on what looks like a mistake. */
export interface ReadSettings {
  readonly settings: Settings
  readonly warnings: ReadonlyArray<string>
}

type Values = { -readonly [Key in SettingKey]?: Settings[Key] }

const namesOf = (setting: Setting<unknown>): string =>
  `${variableOf(setting)}${setting.secret === true ? " or its _FILE" : ""} (--${flagOf(setting)})`

/** Not the program's own settings, but variables that a build or a test may leave in the environment. */
const otherVariables = ["FJMCP_REVISION"]

const unknownVariables = (env: SettingsSources["env"]): ReadonlyArray<string> => {
  const known = settingKeys.flatMap((key) => {
    const name = variableOf(settingsTable[key])
    return settingsTable[key].secret === true ? [name, `${name}_FILE`] : [name]
  })
  const ours = Object.keys(env).filter((name) => name.startsWith("FJMCP_")).sort()
  return ours.filter((name) => !known.includes(name) && !otherVariables.includes(name)).map((name) => {
    const meant = nearest(name, known)
    return `${name} is not a setting of this version and is ignored${meant === undefined ? "" : `; did you mean ${meant}?`}`
  })
}

const presetOf = (command: Settings["childCommand"]): ChildPreset => {
  const name = basename(command[0])
  return name === "forgejo-mcp" || name === "gitea-mcp" ? name : "custom"
}

const defaultDataDir = (env: SettingsSources["env"]): string | undefined => {
  // systemd lists all of the unit's StateDirectory= with colons.
  const state = variable(env, "STATE_DIRECTORY")?.split(":")[0]
  if (state !== undefined) return state
  const shared = variable(env, "XDG_DATA_HOME")
  // The XDG specification tells programs to ignore a relative path.
  if (shared?.startsWith("/") === true) return `${shared}/fjmcp-broker`
  const home = variable(env, "HOME")
  return home === undefined ? undefined : `${home}/.local/share/fjmcp-broker`
}

/**
 * All settings from flags, variables, files and defaults. Pure but for `sources.readFile` and, for relative paths, the working
 * directory. Left: every problem at once.
 */
export const readSettings = (sources: SettingsSources): Either.Either<ReadSettings, ConfigInvalid> => {
  const problems: Array<SettingProblem> = []
  const report = (key: SettingKey, { problem, example }: FormatProblem): void => {
    const setting = settingsTable[key]
    problems.push({ setting: setting.name, names: namesOf(setting), problem, example })
  }
  const values: Values = {}
  const given = new Set<SettingKey>()

  const textOf = (key: SettingKey): Either.Either<string | undefined, FormatProblem> => {
    const setting = settingsTable[key]
    return setting.secret === true ? secretText(setting, sources) : Either.right(givenText(setting, sources))
  }
  const read = <Key extends SettingKey>(key: Key): void => {
    const setting = settingsTable[key]
    const found = textOf(key)
    if (Either.isLeft(found)) return report(key, found.left)
    if (found.right !== undefined) given.add(key)
    const fallback = typeof setting.fallback === "object" && "text" in setting.fallback ? setting.fallback.text : undefined
    const text = found.right ?? sources.defaults?.get(setting.name) ?? fallback
    if (text === undefined) {
      return setting.fallback === "required" ? report(key, { problem: "is required and not set", example: setting.example }) : undefined
    }
    if (text === "" && found.right !== undefined) return report(key, { problem: "is empty", example: setting.example })
    Either.match(setting.parse(text), {
      onLeft: (problem) => report(key, problem),
      onRight: (value) => {
        values[key] = value
      }
    })
  }
  settingKeys.forEach((key) => read(key))

  // An explicit limit above the other one is a mistake; the default just gives way.
  if (values.maxSessions !== undefined && values.maxSessionsPerUser !== undefined && values.maxSessionsPerUser > values.maxSessions) {
    if (given.has("maxSessionsPerUser")) {
      report("maxSessionsPerUser", { problem: `is more than MAX_SESSIONS (${values.maxSessions})`, example: `${values.maxSessions}` })
    } else {
      values.maxSessionsPerUser = values.maxSessions
    }
  }
  const { callTimeout, callTimeoutMax } = values
  if (callTimeout !== undefined && callTimeoutMax !== undefined && Duration.lessThan(callTimeoutMax, callTimeout)) {
    const problem = "is shorter than CALL_TIMEOUT; a call with progress may not have less time than one without"
    if (given.has("callTimeoutMax")) report("callTimeoutMax", { problem, example: `${Math.ceil(Duration.toSeconds(callTimeout))}s` })
    else values.callTimeoutMax = callTimeout
  }
  if (values.childCommand !== undefined && !given.has("childPreset")) values.childPreset ??= presetOf(values.childCommand)
  values.childStateful ??= values.childPreset === "custom"
  values.childInteractive ??= values.childPreset === "custom"
  values.childTokenVariable ??= values.childPreset === "gitea-mcp" ? "GITEA_ACCESS_TOKEN" : "FORGEJO_ACCESS_TOKEN"
  if (values.forgejoUrl !== undefined && !given.has("forgejoInternalUrl")) values.forgejoInternalUrl ??= values.forgejoUrl

  const dataDir = values.dataDir ?? (given.has("dataDir") ? undefined : defaultDataDir(sources.env))
  if (dataDir === undefined && !given.has("dataDir")) {
    const problem = "has no default, because neither STATE_DIRECTORY nor HOME is set"
    report("dataDir", { problem, example: settingsTable.dataDir.example })
  }
  const credential = credentialPath(sources.env, "sealing-key")
  const hasCredential = credential !== undefined && sources.readFile(credential)._tag !== "missing"
  if (hasCredential && given.has("sealingKeyFile")) {
    const problem = `has more than one source: it is set, and there is the credential ${credential}. Keep one`
    report("sealingKeyFile", { problem, example: settingsTable.sealingKeyFile.example })
  }
  if (dataDir !== undefined) {
    values.dataDir = resolve(dataDir)
    values.sealingKeyFile = resolve(values.sealingKeyFile ?? (hasCredential ? credential : `${values.dataDir}/sealing.key`))
  }

  const warnings = unknownVariables(sources.env)
  if (problems.length > 0) return Either.left(new ConfigInvalid({ problems, warnings }))
  // No problem means that every key has a value: either its text was parsed, or it was derived above.
  const complete = values as { readonly [Key in SettingKey]: Settings[Key] }
  return Either.right({ settings: { ...complete, sealingKeyIsCredential: hasCredential && !given.has("sealingKeyFile") }, warnings })
}

/** The settings as a service. What looks like a mistake goes to the log. */
export const AppConfigLive = ({ settings, warnings }: ReadSettings): Layer.Layer<AppConfig> =>
  Layer.effect(
    AppConfig,
    Effect.forEach(warnings, (problem) => Effect.annotateLogs(Effect.logWarning("settings.doubtful"), { problem })).pipe(
      Effect.as(settings)
    )
  )
