import { Duration, Layer, LogLevel, Redacted } from "effect"
import { AppConfig, type Settings } from "../../src/services/AppConfig.ts"

export const publicUrl = "https://broker.example"

/** Settings of a broker that nobody runs; tests replace what they are about. */
export const testSettings: Settings = {
  publicUrl,
  forgejoUrl: "https://git.example",
  forgejoInternalUrl: "https://git.example",
  forgejoClientId: "fj-client",
  forgejoClientSecret: Redacted.make("fj-secret"),
  forgejoScopes: "openid profile read:user write:repository write:issue",
  scopeMismatch: "refuse",
  listen: { host: "127.0.0.1", port: 0 },
  dataDir: "/nonexistent",
  sealingKeyFile: "/nonexistent/sealing.key",
  sealingKeyIsCredential: false,
  childCommand: ["forgejo-mcp"],
  childPreset: "forgejo-mcp",
  childTokenVariable: "FORGEJO_ACCESS_TOKEN",
  sandbox: "basic",
  maxSessions: 4,
  maxSessionsPerUser: 2,
  maxCallsPerSession: 32,
  maxStarts: 8,
  startTimeout: Duration.seconds(30),
  sessionIdle: Duration.minutes(15),
  callTimeout: Duration.minutes(5),
  callTimeoutMax: Duration.minutes(30),
  drainGrace: Duration.seconds(20),
  headersTimeout: Duration.seconds(10),
  bodyTimeout: Duration.seconds(30),
  maxBody: 4 * 1024 * 1024,
  maxLine: 16 * 1024 * 1024,
  maxJsonDepth: 64,
  unknownSessionStatus: 410,
  sessionless: "attach",
  allowedOrigins: [],
  redirectSchemes: ["cursor"],
  refreshGrace: Duration.minutes(5),
  logLevel: LogLevel.Info,
  logFormat: "json"
}

export const settingsWith = (changes: Partial<Settings>) => Layer.succeed(AppConfig, { ...testSettings, ...changes })
