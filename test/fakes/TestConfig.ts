import { Layer, Redacted } from "effect"
import { AppConfig, type Settings } from "../../src/services/AppConfig.ts"
import { testSettings as defaults } from "./TestSettings.ts"

/** Settings of a broker in front of a distant Forgejo, for what never asks it; each can be replaced. */
export const testSettings = (overrides: Partial<Settings> = {}): Settings =>
  defaults({
    publicUrl: "https://broker.example",
    forgejoUrl: "https://git.example",
    forgejoInternalUrl: "https://git.example",
    forgejoClientId: "0b6e5d2c-client",
    forgejoClientSecret: Redacted.make("gto_client-secret-of-the-test"),
    forgejoScopes: "openid profile read:user write:issue",
    ...overrides
  })

export const TestConfig = (overrides: Partial<Settings> = {}): Layer.Layer<AppConfig> => Layer.succeed(AppConfig, testSettings(overrides))
