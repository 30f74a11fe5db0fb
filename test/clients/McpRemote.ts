import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import { CreateMessageRequestSchema, ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js"
import { Effect } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { Readable } from "node:stream"
import { Output } from "../process/Output.ts"
import { answering } from "../process/Person.ts"
import { ada } from "../process/Serving.ts"
import { type Check, contains, type Tools } from "./Check.ts"

/** An application that knows servers on stdio only, with mcp-remote as its way to the broker. */
interface Application {
  readonly client: Client
  /** What mcp-remote says. */
  readonly remote: Output
  readonly transport: StdioClientTransport
}

/** `home` is where mcp-remote keeps its tokens. */
const application = (tools: Tools, mcpUrl: string, home: string, protocol: "legacy" | "auto") =>
  Effect.acquireRelease(
    Effect.sync((): Application => {
      const transport = new StdioClientTransport({
        command: tools.node,
        args: [join(tools.packages, "mcp-remote", "dist", "proxy.js"), mcpUrl, "--protocol", protocol],
        // It finds no browser to open, and prints the address.
        env: { HOME: home, MCP_REMOTE_CONFIG_DIR: home, PATH: home },
        stderr: "pipe"
      })
      const client = new Client({ name: "application", version: "1" }, { capabilities: { sampling: {}, elicitation: {} } })
      client.setRequestHandler(CreateMessageRequestSchema, () => ({
        role: "assistant" as const,
        model: "stand-in",
        content: { type: "text" as const, text: "Paris" }
      }))
      client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept" as const, content: { name: "Ada" } }))
      return { client, transport, remote: new Output(transport.stderr as Readable) }
    }),
    ({ client }) => Effect.promise(() => client.close())
  )

const connect = ({ client, remote, transport }: Application) =>
  Effect.tryPromise(() => client.connect(transport)).pipe(
    Effect.timeout("40 seconds"),
    Effect.catchAll((cause) => Effect.dieMessage(`${String(cause)}; mcp-remote said:\n${remote.text}`))
  )

const uses = ({ client }: Application) =>
  Effect.gen(function*() {
    const call = (name: string) => Effect.map(Effect.promise(() => client.callTool({ name, arguments: {} })), (result) => JSON.stringify(result))
    const { tools } = yield* Effect.promise(() => client.listTools())
    yield* contains(tools.map(({ name }) => name).join(" "), "test_simple_text")
    yield* contains(yield* call("test_simple_text"), "This is a simple text response for testing.")
    yield* contains(yield* call("test_input_required_result_sampling"), "Paris")
    yield* contains(yield* call("test_input_required_result_elicitation"), "Hello, Ada!")
    const { contents } = yield* Effect.promise(() => client.readResource({ uri: "test://static-text" }))
    yield* contains(JSON.stringify(contents), "This is the content of the static text resource.")
  })

/** What mcp-remote has written to a file of that name. */
const saved = (home: string, suffix: string): Readonly<Record<string, string>> => {
  const name = readdirSync(home, { recursive: true, encoding: "utf8" }).find((path) => path.endsWith(suffix))
  return JSON.parse(readFileSync(join(home, name ?? suffix), "utf8")) as Readonly<Record<string, string>>
}

const goesOn = (tools: Tools, mcpUrl: string, home: string): Check => ({
  name: "mcp-remote: a token that has ended is refreshed in the middle of a session",
  run: Effect.gen(function*() {
    const started = yield* application(tools, mcpUrl, home, "legacy")
    yield* connect(started)
    const before = saved(home, "_tokens.json")
    const body = new URLSearchParams({ token: before["access_token"] ?? "", client_id: saved(home, "_client_info.json")["client_id"] ?? "" })
    const { status } = yield* Effect.promise(() => fetch(new URL("/oauth/revoke", mcpUrl), { method: "POST", body }))
    if (status !== 200) return yield* Effect.dieMessage(`revocation: HTTP ${status}`)
    yield* uses(started)
    if (saved(home, "_tokens.json")["access_token"] === before["access_token"]) return yield* Effect.dieMessage("the token is the old one")
    if (started.remote.text.includes("authorize this client")) return yield* Effect.dieMessage("the user was asked again")
  })
})

/** The checks share `home`, and so the sign-in of the first one. */
export const mcpRemoteChecks = (tools: Tools, mcpUrl: string, home: string): ReadonlyArray<Check> => [
  {
    name: "mcp-remote: signs a user in, then tools, sampling, elicitation and resources",
    run: Effect.gen(function*() {
      const started = yield* application(tools, mcpUrl, home, "legacy")
      const signIn = started.remote.until("an address", (text) => /visiting:\s+(http\S+)\n/.exec(text)?.[1]).pipe(
        Effect.flatMap((url) => Effect.promise(() => answering(url, ada)))
      )
      yield* Effect.all([connect(started), signIn], { concurrency: 2 })
      yield* uses(started)
    })
  },
  ...(["legacy", "auto"] as const).map((protocol): Check => ({
    name: `mcp-remote, ${protocol}: started again, the same without asking the user`,
    run: Effect.gen(function*() {
      const started = yield* application(tools, mcpUrl, home, protocol)
      yield* connect(started)
      yield* uses(started)
      if (started.remote.text.includes("authorize this client")) return yield* Effect.dieMessage("the user was asked again")
      // It has found the newest era, and answers what comes back as input_required by asking its own client.
      if (protocol === "auto") yield* contains(started.remote.text, "speaks MCP 2026-07-28")
    })
  })),
  goesOn(tools, mcpUrl, home)
]
