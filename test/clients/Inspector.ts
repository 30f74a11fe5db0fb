import { Effect } from "effect"
import { join } from "node:path"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import { answering } from "../process/Person.ts"
import { startProgram } from "../process/Program.ts"
import { ada, freePort } from "../process/Serving.ts"
import { type Check, contains, type Tools } from "./Check.ts"

const startInspector = (tools: Tools, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  Effect.flatMap(tempDirectory, (home) =>
    startProgram(
      tools.node,
      [join(tools.packages, "@modelcontextprotocol", "inspector", "clients", "launcher", "build", "index.js"), "--cli", "--format", "json", "--transport", "http", ...args],
      { HOME: home, MCP_INSPECTOR_SECRET_STORE: "memory", ...env }
    ))

type Era = "legacy" | "auto" | "modern"

/** Every call starts the program anew, as a person at a terminal does: it opens a session, asks one thing and ends. */
const calls = (era: Era): ReadonlyArray<readonly [args: ReadonlyArray<string>, expected: ReadonlyArray<string>]> => [
  [["initialize"], [`"protocolVersion":"${era === "legacy" ? "2025-11-25" : "2026-07-28"}"`, "everything-stdio", "Fixture for conformance runs."]],
  [["tools/list"], ["test_simple_text", "json_schema_2020_12_tool", "$anchor"]],
  [["tools/call", "--tool-name", "test_simple_text"], ["This is a simple text response for testing."]],
  [["tools/call", "--tool-name", "test_x_mcp_header", "--tool-arg", "region=eu"], ["region=eu"]],
  [["resources/list"], ["test://static-text", "test://watched-resource"]],
  [["resources/read", "--uri", "test://static-text"], ["This is the content of the static text resource."]],
  [["resources/templates/list"], ["test://template/{id}/data"]],
  [["prompts/list"], ["test_prompt_with_arguments"]],
  [["prompts/get", "--prompt-name", "test_prompt_with_arguments", "--prompt-args", "arg1=one", "arg2=two"], ["arg1='one', arg2='two'"]],
  [["tools/call", "--tool-name", "test_simple_text", "--load", "--load-requests", "200", "--load-concurrency", "16"], ["\"ok\":200", "\"errors\":0"]]
]

const withBearer = (tools: Tools, era: Era, mcpUrl: string, token: string): ReadonlyArray<Check> =>
  calls(era).map(([[method = "", ...args], expected]) => ({
    name: `Inspector, ${era}: ${[method, ...args.slice(1, 2), ...(args.includes("--load") ? ["under load"] : [])].join(" ")}`,
    run: Effect.gen(function*() {
      const bearer = ["--header", `Authorization: Bearer ${token}`]
      const inspector = yield* startInspector(tools, ["--server-url", mcpUrl, "--protocol-era", era, ...bearer, "--method", method, ...args])
      const code = yield* inspector.exited
      if (code !== 0) return yield* Effect.dieMessage(`exit code ${code}: ${inspector.stderr.text}`)
      return yield* contains(inspector.stdout.text, ...expected)
    })
  }))

/** It asks for the person by itself where it has no token. */
const signsIn = (tools: Tools, mcpUrl: string): Check => ({
  name: "Inspector: signs a user in by itself",
  run: Effect.gen(function*() {
    const port = yield* freePort
    const callback = ["--callback-url", `http://127.0.0.1:${port}/oauth/callback`]
    // Else it wants a terminal. It finds no browser, and prints the address.
    const inspector = yield* startInspector(tools, ["--server-url", mcpUrl, ...callback, "--method", "tools/list"], { MCP_AUTO_OPEN_ENABLED: "true" })
    const url = yield* Effect.race(
      inspector.stdout.until("an address", (text) => /navigate to: (\S+)\n/.exec(text)?.[1]),
      inspector.stderr.until("an address", (text) => /navigate to: (\S+)\n/.exec(text)?.[1])
    )
    yield* Effect.promise(() => answering(url, ada))
    const code = yield* inspector.exited
    if (code !== 0) return yield* Effect.dieMessage(`exit code ${code}: ${inspector.stderr.text}`)
    return yield* contains(inspector.stdout.text, "test_simple_text")
  })
})

export const inspectorChecks = (tools: Tools, mcpUrl: string, token: string): ReadonlyArray<Check> => [
  ...withBearer(tools, "legacy", mcpUrl, token),
  ...withBearer(tools, "auto", mcpUrl, token),
  ...withBearer(tools, "modern", mcpUrl, token),
  signsIn(tools, mcpUrl)
]
