import { Layer, Redacted } from "effect"
import { AppConfig, type Settings } from "../../src/services/AppConfig.ts"
import { testSettings as defaults } from "./TestSettings.ts"

export const publicUrl = "https://broker.example"

/** Settings of a broker that nobody runs; tests replace what they are about. */
export const testSettings: Settings = defaults({
  publicUrl,
  forgejoUrl: "https://git.example",
  forgejoInternalUrl: "https://git.example",
  forgejoClientId: "fj-client",
  forgejoClientSecret: Redacted.make("fj-secret"),
  redirectSchemes: ["cursor"]
})

export const settingsWith = (changes: Partial<Settings>) => Layer.succeed(AppConfig, { ...testSettings, ...changes })
