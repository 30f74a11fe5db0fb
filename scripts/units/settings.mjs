// The settings as the broker knows them, for checks of files outside of src/ that name them.
import { build } from "esbuild"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { root } from "../ensure.mjs"

/** Every setting in the table's order: its key, variable, and what a person is told of it. */
export const settings = async () => {
  const folder = mkdtempSync(join(tmpdir(), "fjmcp-settings-"))
  try {
    const outfile = join(folder, "settings.mjs")
    await build({ entryPoints: [join(root, "src/layers/SettingsTable.ts")], outfile, bundle: true, format: "esm", platform: "node", logLevel: "warning" })
    const { settingKeys, settingsTable, variableOf } = await import(pathToFileURL(outfile).href)
    return settingKeys.map((key) => {
      const { description, example, fallback, metavar, secret = false } = settingsTable[key]
      return { key, variable: variableOf(settingsTable[key]), metavar, description, example, fallback, secret }
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
