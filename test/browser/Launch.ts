import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"
import { type Browser, chromium } from "playwright-core"

export const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/bin", "/Applications/Chromium.app/Contents/MacOS"]

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** `CHROMIUM` names it; otherwise it is looked for where systems put it. */
export const executable = [process.env["CHROMIUM"] ?? "", ...folders.flatMap((folder) => names.map((name) => join(folder, name)))]
  .find((path) => path !== "" && isExecutable(path))

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]

export const launch = (): Promise<Browser> => chromium.launch({ executablePath: executable ?? "", args: flags })
