import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { configurationText } from "./ConfigurationText.ts"

writeFileSync(join(fileURLToPath(new URL("../../docs/", import.meta.url)), "configuration.md"), configurationText)
