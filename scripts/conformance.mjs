// `npm run conformance`: the official suites against the broker, through OAuth (test/conformance/README.md). Installs and builds
// where needed. The last line is `N passed, N failed`; exit code 1 when anything that must pass does not.
import { runBundled } from "./bundled.mjs"
import { newerNode } from "./newer-node.mjs"

await runBundled("test/conformance/Conformance.ts", process.argv.slice(2), () =>
  newerNode({ "@modelcontextprotocol/conformance": "0.2.0-alpha.12" }))
