import type { Duration, LogLevel, Redacted } from "effect"
import { Context, Schema } from "effect"

export type ChildPreset = "forgejo-mcp" | "gitea-mcp" | "custom"

/** Every setting, checked. `layers/SettingsTable.ts` has their names, defaults and formats. */
export interface Settings {
  /** The public origin without a final slash: also the OAuth issuer. Never derived from a request. */
  readonly publicUrl: string
  /** Where browsers reach Forgejo, without a final slash; may have a path. */
  readonly forgejoUrl: string
  /** Where the broker and the children reach Forgejo, without a final slash. */
  readonly forgejoInternalUrl: string
  readonly forgejoClientId: string
  readonly forgejoClientSecret: Redacted.Redacted
  /** Space-separated and in a stable order: Forgejo compares the literal string. */
  readonly forgejoScopes: string
  /** What to do when Forgejo granted more than `forgejoScopes`. */
  readonly scopeMismatch: "refuse" | "warn"
  readonly listen: { readonly host: string; readonly port: number }
  readonly dataDir: string
  readonly sealingKeyFile: string
  /** A key that a systemd credential brings is never made by us. */
  readonly sealingKeyIsCredential: boolean
  /** Program and arguments; nothing in it ever comes from a request. */
  readonly childCommand: readonly [string, ...ReadonlyArray<string>]
  readonly childPreset: ChildPreset
  /** The environment variable in which the child expects its Forgejo token. */
  readonly childTokenVariable: string
  /** Whether a child keeps something between calls that a new one would not have: then sessions end where others are parked. */
  readonly childStateful: boolean
  /** Whether a child may ask its client something in the middle of a call. */
  readonly childInteractive: boolean
  readonly sandbox: "basic" | "none"
  readonly maxSessions: number
  readonly maxSessionsPerUser: number
  readonly maxCallsPerSession: number
  /** How many children may be starting at one time. */
  readonly maxStarts: number
  /** How many children of one user may be started within a minute; replacing a child does not count. */
  readonly maxStartsPerMinute: number
  /** Parked sessions of one grant. */
  readonly maxParked: number
  readonly startTimeout: Duration.Duration
  readonly sessionIdle: Duration.Duration
  /** How long an open GET stream alone keeps a stateful child. */
  readonly streamIdle: Duration.Duration
  /** How long a parked session can be revived after its last use. */
  readonly sessionKeep: Duration.Duration
  readonly callTimeout: Duration.Duration
  /** The longest a call may last when its progress keeps it alive. */
  readonly callTimeoutMax: Duration.Duration
  readonly drainGrace: Duration.Duration
  readonly headersTimeout: Duration.Duration
  readonly bodyTimeout: Duration.Duration
  /** Bytes. */
  readonly maxBody: number
  /** Bytes in one line of a child. */
  readonly maxLine: number
  readonly maxJsonDepth: number
  readonly unknownSessionStatus: 404 | 410
  readonly sessionless: "attach" | "reject"
  /** Origins besides the public one that browsers may call from. */
  readonly allowedOrigins: ReadonlyArray<string>
  /** Private-use URI schemes (RFC 8252 section 7.1) that a redirect URI may have. */
  readonly redirectSchemes: ReadonlyArray<string>
  readonly refreshGrace: Duration.Duration
  readonly logLevel: LogLevel.LogLevel
  readonly logFormat: "json" | "pretty"
}

/** The broker's settings. */
export class AppConfig extends Context.Tag("fjmcp/AppConfig")<AppConfig, Settings>() {}

/** One thing that is wrong with one setting. Never holds the value of a secret. */
export const SettingProblem = Schema.Struct({
  /** Without `FJMCP_`. */
  setting: Schema.String,
  /** How a person sets it: variable and flag. */
  names: Schema.String,
  /** Continues a sentence that begins with the setting's name. */
  problem: Schema.String,
  example: Schema.String
})
export type SettingProblem = typeof SettingProblem.Type

/** The settings cannot be used. All problems at once; `message` has a line for each. */
export class ConfigInvalid extends Schema.TaggedError<ConfigInvalid>()("ConfigInvalid", {
  problems: Schema.Array(SettingProblem),
  /** Whole sentences: they often explain a problem (a mistyped variable and a missing setting). */
  warnings: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const lines = this.problems.map(({ names, problem, example }) => `${names}: ${problem}${problem.endsWith("?") ? "" : "."} Example: ${example}`)
    return [...lines, ...this.warnings].join("\n")
  }
}
