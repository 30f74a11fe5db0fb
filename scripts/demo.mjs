// `npm run demo`: installs and builds where needed, then is as good as `node dist/main.js demo`.
import { spawn } from "node:child_process"
import { constants } from "node:os"
import { join } from "node:path"
import { ensureBuilt, ensureDependencies, root } from "./ensure.mjs"

ensureDependencies()
ensureBuilt()

const demo = spawn(process.execPath, [join(root, "dist", "main.js"), "demo", ...process.argv.slice(2)], { stdio: "inherit" })
// A terminal's Ctrl-C reaches the demo by itself as well; it does not mind getting it twice.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => demo.kill(signal))
demo.on("error", (error) => {
  process.stderr.write(`The demo could not be started: ${error.message}\n`)
  process.exit(1)
})
demo.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
