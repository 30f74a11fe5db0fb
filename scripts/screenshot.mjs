// Takes the pictures in docs/images/ again, of the built daemon, with the system's Chromium. Builds where needed.
import { runBundled } from "./bundled.mjs"

await runBundled("test/browser/Screenshots.ts", process.argv.slice(2))
