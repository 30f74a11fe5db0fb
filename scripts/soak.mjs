// `npm run soak [-- --seconds N]`: builds where needed, then runs test/process/Soak.ts against the built daemon, 15 minutes
// unless told. Exit code 1 when something that must hold does not.
import { runBundled } from "./bundled.mjs"

await runBundled("test/process/Soak.ts", process.argv.slice(2))
