import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { McpClient } from "../../demo/McpClient.ts"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import { runs, runToEnd, startDaemon } from "./DaemonProcess.ts"
import { freePort, openSession } from "./Serving.ts"

interface Announced {
  readonly mcp: string
  readonly tokens: ReadonlyArray<string>
}

/** `demo --tokens N` on a free port, when it has printed its line. */
const demoWithTokens = (count: number, args: ReadonlyArray<string> = [], env: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function*() {
    const port = yield* freePort
    const daemon = yield* startDaemon(["demo", "--port", String(port), "--tokens", String(count), ...args], env)
    const line = yield* daemon.stdout.until("a line", (text) => text.includes("\n") ? text.split("\n")[0] : undefined)
    return { daemon, port, announced: JSON.parse(line) as Announced }
  })

/** Answers `initialize` with what it was started with. */
const boastingChild = `
let rest = ""
process.stdin.setEncoding("utf8").on("data", (text) => {
  rest += text
  for (let end = rest.indexOf("\\n"); end >= 0; end = rest.indexOf("\\n")) {
    const message = JSON.parse(rest.slice(0, end))
    rest = rest.slice(end + 1)
    const serverInfo = { name: JSON.stringify(process.argv.slice(2)), version: "1" }
    const result = { protocolVersion: "2025-11-25", capabilities: {}, serverInfo }
    if (message.method === "initialize") console.log(JSON.stringify({ jsonrpc: "2.0", id: message.id, result }))
  }
})
`

describe("demo", () => {
  it.scopedLive("--once goes through a whole journey, prints its steps and ends with 0", () =>
    Effect.gen(function*() {
      const tmp = yield* tempDirectory
      const ended = yield* runToEnd(["demo", "--once"], { TMPDIR: tmp })
      assert.strictEqual(ended.code, 0, ended.stderr)
      const words = ["discovery", "registration", "authorization with PKCE", "initialize", "tools/list: 1", "create_issue", "DELETE"]
      for (const word of words) assert.include(ended.stdout, word)
      assert.match(ended.stdout, /The journey is complete\.\n$/)
      assert.strictEqual(ended.stderr, "")
      assert.deepStrictEqual(readdirSync(tmp), [], "its folder is gone")
    }))

  it.scopedLive("--once says what failed, and ends with 1", () =>
    Effect.gen(function*() {
      const ended = yield* runToEnd(["demo", "--once", "--child", "/bin/false"], {})
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /the journey failed: .*initialize/)
      assert.notInclude(ended.stdout, "complete")
    }))

  it.scopedLive("a port that is taken: says so and ends with 1", () =>
    Effect.gen(function*() {
      const tmp = yield* tempDirectory
      const server = yield* Effect.acquireRelease(
        Effect.async<ReturnType<typeof createServer>>((resume) => {
          const made = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
        }),
        (made) => Effect.sync(() => made.close())
      )
      const { port } = server.address() as AddressInfo
      const ended = yield* runToEnd(["demo", "--port", String(port)], { TMPDIR: tmp })
      assert.strictEqual(ended.code, 1)
      assert.include(ended.stderr, `Cannot listen on 127.0.0.1:${port}: another program uses it.`)
      assert.include(ended.stderr, "--port")
      assert.strictEqual(ended.stdout, "")
      assert.deepStrictEqual(readdirSync(tmp), [])
    }))

  it.scopedLive("wrong flags: each says what it takes, and ends with 2", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
        [["--port", "abc"], "--port must be a whole number from 1 to 65535, for example --port 8080"],
        [["--port", "0"], "--port must be a whole number from 1 to 65535, for example --port 8080"],
        [["--tokens", "0"], "--tokens must be a whole number from 1 to 1000, for example --tokens 8"],
        [["--child", ""], "--child needs a command, in quotes where it has spaces, for example --child \"node server.js\""],
        [["--child", "'half"], "--child needs a command, in quotes where it has spaces, for example --child \"node server.js\""]
      ]
      for (const [args, sentence] of cases) {
        const ended = yield* runToEnd(["demo", ...args], {})
        assert.deepStrictEqual([ended.code, ended.stderr.trim()], [2, `fjmcp-broker: ${sentence}`])
      }
    }))

  it.scopedLive("prints how to connect; SIGTERM ends everything within ten seconds", () =>
    Effect.gen(function*() {
      const tmp = yield* tempDirectory
      const port = yield* freePort
      const daemon = yield* startDaemon(["demo", "--port", String(port)], { TMPDIR: tmp })
      yield* daemon.stdout.untilText("Ctrl-C ends everything.")
      for (const text of [`http://127.0.0.1:${port}/mcp`, "claude mcp add", "code --add-mcp", "inspector", "demo / demo-password"]) {
        assert.include(daemon.stdout.text, text)
      }
      assert.lengthOf(readdirSync(tmp), 1)
      const ended = yield* daemon.end("SIGTERM")
      assert.deepInclude(ended, { code: 0, signal: null })
      assert.isBelow(ended.took, 10_000)
      assert.deepStrictEqual(readdirSync(tmp), [])
    }))

  it.scopedLive("--tokens 8 prints one line of JSON alone on stdout within 20 seconds, and each token is another user's", () =>
    Effect.gen(function*() {
      const [took, { announced, daemon, port }] = yield* Effect.timed(demoWithTokens(8))
      assert.isBelow(Duration.toMillis(took), 20_000)
      assert.strictEqual(announced.mcp, `http://127.0.0.1:${port}/mcp`)
      assert.lengthOf(new Set(announced.tokens), 8)
      const names = yield* Effect.forEach(announced.tokens, (token) =>
        Effect.flatMap(openSession(announced.mcp, token), (client) =>
          Effect.promise(async () => {
            const { result } = await client.request("tools/call", { name: "get_my_user_info", arguments: {} })
            return /"login\\?":\\?"(\w+)/.exec(JSON.stringify(result))?.[1] ?? JSON.stringify(result)
          })), { concurrency: 4 })
      assert.deepStrictEqual([...names].sort(), Array.from({ length: 8 }, (_, n) => `user${n + 1}`))
      const children = daemon.children()
      assert.lengthOf(children, 8)
      const ended = yield* daemon.end("SIGTERM")
      assert.strictEqual(ended.code, 0)
      assert.isBelow(ended.took, 10_000)
      assert.deepStrictEqual(children.filter(runs), [])
      assert.strictEqual(daemon.stdout.lines.length, 1, daemon.stdout.text)
    }))

  it.scopedLive("--child takes any stdio server, in words as a shell would see them", () =>
    Effect.gen(function*() {
      const folder = join(yield* tempDirectory, "my servers")
      mkdirSync(folder)
      writeFileSync(join(folder, "boast.mjs"), boastingChild)
      const command = `"${process.execPath}" '${join(folder, "boast.mjs")}' "two words" it\\'s '' $HOME;`
      const { announced } = yield* demoWithTokens(1, ["--child", command])
      const client = new McpClient(announced.mcp, announced.tokens[0] ?? "")
      const hello = yield* Effect.promise(() => client.initialize())
      const { name } = Object(hello.result?.["serverInfo"]) as { readonly name?: string }
      assert.deepStrictEqual(JSON.parse(name ?? "null"), ["two words", "it's", "", "$HOME;"])
    }))

  it.scopedLive("warns of the settings that it makes itself, and uses the others", () =>
    Effect.gen(function*() {
      const dataDir = join(yield* tempDirectory, "kept")
      const ignored = {
        FJMCP_PUBLIC_URL: "https://mcp.example.org",
        FJMCP_FORGEJO_URL: "https://forgejo.example.org",
        FJMCP_FORGEJO_CLIENT_ID: "id",
        FJMCP_FORGEJO_CLIENT_SECRET: "not-telling"
      }
      const used = { FJMCP_DATA_DIR: dataDir, FJMCP_LOG_FORMAT: "json", FJMCP_MAX_STARTS_PER_MINUTE: "1" }
      const { announced, daemon } = yield* demoWithTokens(1, [], { ...ignored, ...used })
      for (const name of Object.keys(ignored)) assert.include(daemon.stderr.text, `${name} is ignored`)
      assert.notInclude(daemon.stderr.text, "not-telling")
      assert.include(daemon.stderr.text, "{\"time\":")
      const [token = ""] = announced.tokens
      yield* openSession(announced.mcp, token)
      const second = yield* Effect.promise(() => new McpClient(announced.mcp, token).initialize())
      assert.strictEqual(second.status, 503)
      assert.strictEqual((yield* daemon.end("SIGTERM")).code, 0)
      assert.isTrue(existsSync(join(dataDir, "broker.sqlite")), "FJMCP_DATA_DIR stays")
    }))
})
