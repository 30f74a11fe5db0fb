import { Duration, Layer, LogLevel, Redacted } from "effect"
import { AppConfig, type Settings } from "../../src/services/AppConfig.ts"

/** Settings that work, for tests; each can be replaced. */
export const testSettings = (overrides: Partial<Settings> = {}): Settings => ({
  publicUrl: "https://broker.example",
  forgejoUrl: "https://git.example",
  forgejoInternalUrl: "https://git.example",
  forgejoClientId: "0b6e5d2c-client",
  forgejoClientSecret: Redacted.make("gto_client-secret-of-the-test"),
  forgejoScopes: "openid profile read:user write:issue",
  scopeMismatch: "refuse",
  listen: { host: "127.0.0.1", port: 0 },
  dataDir: "/nonexistent/fjmcp-test",
  sealingKeyFile: "/nonexistent/fjmcp-test/sealing.key",
  sealingKeyIsCredential: false,
  childCommand: ["forgejo-mcp", "--transport", "stdio"],
  childPreset: "forgejo-mcp",
  childTokenVariable: "FORGEJO_ACCESS_TOKEN",
  sandbox: "none",
  maxSessions: 256,
  maxSessionsPerUser: 32,
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
  redirectSchemes: [],
  refreshGrace: Duration.minutes(5),
  logLevel: LogLevel.Info,
  logFormat: "json",
  ...overrides
})

export const TestConfig = (overrides: Partial<Settings> = {}): Layer.Layer<AppConfig> => Layer.succeed(AppConfig, testSettings(overrides))
