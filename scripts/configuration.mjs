// Writes docs/configuration.md from the table of settings. test/docs/Configuration.test.ts fails where it is out of date.
import { runBundled } from "./bundled.mjs"

await runBundled("test/docs/WriteConfiguration.ts", [])
