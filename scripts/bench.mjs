// `npm run bench`: the broker against the floor, and with --peers against what one would take in its place (docs/performance.md).
// Installs and builds where needed. --guard is the regression guard that CI runs: exit code 1 where a call has become too dear.
import { packagesAt } from "./registry.mjs"
import { runBundled } from "./bundled.mjs"

const args = process.argv.slice(2)
const peers = { "mcp-proxy": "6.7.19", supergateway: "4.0.0" }

await runBundled("bench/Bench.ts", args.filter((arg) => arg !== "--peers"), () =>
  args.includes("--peers") ? ["--packages", packagesAt("bench-peers", peers)] : [])
