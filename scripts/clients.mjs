// `npm run clients`: clients from the registry against the broker: MCP Inspector's command line and mcp-remote. Installs and
// builds where needed. The last line is `N passed, N failed`; exit code 1 when anything failed.
import { runBundled } from "./bundled.mjs"
import { newerNode } from "./newer-node.mjs"

await runBundled("test/clients/Clients.ts", process.argv.slice(2), () =>
  newerNode({ "@modelcontextprotocol/inspector": "2.12.0", "mcp-remote": "0.15.1" }))
