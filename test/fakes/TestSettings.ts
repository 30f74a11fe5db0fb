import { Duration, Layer, LogLevel, Redacted } from "effect"
import type { Settings } from "../../src/services/AppConfig.ts"
import { AppConfig } from "../../src/services/AppConfig.ts"

/** Settings as the defaults have them, on loopback; a test changes what it is about. */
export const testSettings = (changes: Partial<Settings> = {}): Settings => ({
  publicUrl: "http://127.0.0.1:8080",
  forgejoUrl: "http://127.0.0.1:3000",
  forgejoInternalUrl: "http://127.0.0.1:3000",
  forgejoClientId: "forgejo-app",
  forgejoClientSecret: Redacted.make("forgejo-app-secret"),
  forgejoScopes: "openid profile read:user write:repository write:issue",
  scopeMismatch: "refuse",
  listen: { host: "127.0.0.1", port: 0 },
  dataDir: "/nonexistent/fjmcp-test",
  sealingKeyFile: "/nonexistent/fjmcp-test/sealing.key",
  sealingKeyIsCredential: false,
  childCommand: ["forgejo-mcp", "--transport", "stdio"],
  childPreset: "forgejo-mcp",
  childTokenVariable: "FORGEJO_ACCESS_TOKEN",
  childStateful: false,
  childInteractive: false,
  sandbox: "basic",
  maxSessions: 256,
  maxSessionsPerUser: 32,
  maxCallsPerSession: 32,
  maxStarts: 8,
  maxStartsPerMinute: 30,
  maxParked: 64,
  startTimeout: Duration.seconds(30),
  sessionIdle: Duration.minutes(15),
  streamIdle: Duration.hours(4),
  sessionKeep: Duration.days(7),
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
  redirectSchemes: [],
  refreshGrace: Duration.minutes(5),
  logLevel: LogLevel.Info,
  logFormat: "json",
  ...changes
})

export const settingsLayer = (changes: Partial<Settings> = {}) => Layer.succeed(AppConfig, testSettings(changes))
