/**
 * A stand-in for forgejo-mcp: a small MCP server on stdio that acts on Forgejo with one token for life.
 * It copies what a broker can trip over: two probes before stdin is read (a refusal ends it with exit code 1, silence
 * makes it hang), a `tools/list` line of more than 64 KiB, answers out of order, coloured stderr, errors -32603 with
 * Forgejo's own words, an end of input that waits for calls in flight, a second SIGTERM that does nothing.
 *
 * Environment: FORGEJO_URL, FORGEJO_ACCESS_TOKEN, FORGEJO_USER_AGENT. Flag `--extras` adds tools for tests.
 */
import { extraTools } from "./Extras.ts"
import type { ForgejoApi } from "./ForgejoApi.ts"
import { forgejoApi } from "./ForgejoApi.ts"
import * as Log from "./Log.ts"
import { mcpServer } from "./McpServer.ts"
import type { Settings } from "./Settings.ts"
import { BadSettings, readSettings, version } from "./Settings.ts"
import { stdioLines } from "./StdioLines.ts"
import { forgejoTools } from "./Tools.ts"

const settingsOrExit = (): Settings => {
  try {
    return readSettings(process.argv.slice(2), process.env)
  } catch (cause) {
    if (!(cause instanceof BadSettings)) throw cause
    if (cause.exitCode === 1) Log.fatal(cause.message)
    process.stderr.write(`${cause.message}\n`)
    return process.exit(cause.exitCode)
  }
}

const isOldOrUnreadable = (found: unknown): boolean => {
  const [, major = "0", minor = "0"] = /^v?(\d+)\.(\d+)/.exec(String(found)) ?? []
  return Number(major) < 1 || (Number(major) === 1 && Number(minor) < 11)
}

/** Asks for the version twice, as client library and connection test do one after the other. */
const probe = async (api: ForgejoApi): Promise<void> => {
  try {
    const { version: found } = Object(await api.call("GET", "/version")) as { readonly version?: unknown }
    if (isOldOrUnreadable(found)) throw new Error(`Malformed or unsupported version: ${String(found)}`)
    await api.call("GET", "/version")
  } catch (cause) {
    Log.fatal("connection test failed", { error: cause instanceof Error ? cause.message : String(cause) })
  }
}

const main = async (): Promise<void> => {
  const settings = settingsOrExit()
  const api = forgejoApi(settings)
  Log.info("starting", { url: settings.url, token_configured: settings.token !== "", version })
  await probe(api)

  const leave = async () => {
    lines.stopReading()
    await lines.idle()
    // The callback comes when everything before it is written.
    process.stdout.write("", () => process.exit(0))
  }
  const lines = stdioLines(process.stdin, process.stdout, { onEnd: () => void leave() })
  const tools = [...forgejoTools(api, version), ...(settings.extras ? extraTools(settings.token) : [])]
  // Before the probe a signal simply kills, afterwards it waits for what is in flight; one that comes later does nothing.
  let stopping = false
  const stop = () => {
    if (stopping) return
    stopping = true
    Log.info("shutting down")
    void leave()
  }
  process.on("SIGTERM", stop)
  process.on("SIGINT", stop)
  process.stdout.on("error", () => process.exit(1))
  await mcpServer(api, tools, version).connect(lines)
  Log.info("serving on stdio", { tools: tools.length })
}

if (["version", "--version", "-version"].includes(process.argv[2] ?? "")) process.stdout.write(`forgejo-mcp ${version}\n`)
else void main()
