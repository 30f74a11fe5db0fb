import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { environment, findProgram } from "../../src/layers/ChildCommand.ts"
import { ChildrenLive } from "../../src/layers/ChildrenLive.ts"
import type { Settings } from "../../src/services/AppConfig.ts"
import { Children } from "../../src/services/Children.ts"
import { settingsLayer } from "../fakes/TestSettings.ts"

const token = Redacted.make("user-token-0123456789")

/** Runs a Node script as the configured child, in a data directory that goes with the scope. */
const withChild = (script: string, changes: Partial<Settings> = {}) =>
  Effect.gen(function*() {
    const dataDir = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "fjmcp-children-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    const layer = ChildrenLive.pipe(Layer.provide(settingsLayer({ dataDir, childCommand: [process.execPath, "-e", script], ...changes })))
    const children = yield* Effect.map(Layer.build(layer), (context) => context)
    const scope = yield* Scope.make()
    const child = yield* Scope.extend(Effect.provide(Effect.flatMap(Children, (service) => service.spawn({ token, label: "test" })), children), scope)
    return { child, dataDir, close: Scope.close(scope, Exit.void), line: Effect.map(child.takeLines, Chunk.unsafeHead) }
  })

describe("Children", () => {
  it.scopedLive("the environment is built from nothing: no secret of the broker, a home of its own that goes with it", () =>
    Effect.gen(function*() {
      process.env.FJMCP_FORGEJO_CLIENT_SECRET = "broker-secret"
      process.env.FORGEJO_MCP_ALLOW_FILE_PATH_UPLOAD = "1"
      const { close, dataDir, line } = yield* withChild("console.log(JSON.stringify(process.env))")
      const env = JSON.parse(yield* line) as Record<string, string>
      delete process.env.FJMCP_FORGEJO_CLIENT_SECRET
      delete process.env.FORGEJO_MCP_ALLOW_FILE_PATH_UPLOAD
      const proxies = /^(https?|no)_proxy$|^SSL_CERT_|^NODE_EXTRA_CA_CERTS$/i
      assert.deepStrictEqual(
        Object.keys(env).filter((name) => !proxies.test(name)).sort(),
        ["FORGEJO_ACCESS_TOKEN", "FORGEJO_URL", "FORGEJO_USER_AGENT", "HOME", "PATH"]
      )
      // The token is there, and is replaced on its way out.
      assert.strictEqual(env.FORGEJO_ACCESS_TOKEN, "[secret removed]")
      assert.isTrue(env.HOME?.startsWith(join(dataDir, "homes")))
      assert.isTrue(existsSync(env.HOME ?? ""))
      yield* close
      assert.deepStrictEqual(readdirSync(join(dataDir, "homes")), [])
    }))

  it.scopedLive("the broker's own secrets are replaced too: the client secret and the sealing key, in either alphabet of base64", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "fjmcp-key-"))),
        (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
      )
      const key = Buffer.alloc(32, Buffer.from("fbefbe0123ffff", "hex"))
      const sealingKeyFile = join(folder, "sealing.key")
      writeFileSync(sealingKeyFile, `${key.toString("base64url")}\n`)
      const said = ["the-client-secret", key.toString("base64url"), key.toString("base64")].join(" ")
      const { close, line } = yield* withChild(`console.log(${JSON.stringify(said)})`, {
        sealingKeyFile,
        forgejoClientSecret: Redacted.make("the-client-secret")
      })
      assert.strictEqual(yield* line, "[secret removed] [secret removed] [secret removed]=")
      yield* close
    }))

  it.scopedLive("the token is not on the command line, privileges cannot grow, open files are limited, and it leads its own process group", () =>
    Effect.gen(function*() {
      const { child, close, line } = yield* withChild("console.log(process.pid); setInterval(() => {}, 1000); process.stdin.on('end', () => process.exit()).resume()")
      const pid = Number(yield* line)
      assert.notInclude(readFileSync(`/proc/${pid}/cmdline`, "utf8"), Redacted.value(token))
      assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /^NoNewPrivs:\s+1$/m)
      assert.match(readFileSync(`/proc/${pid}/limits`, "utf8"), /^Max open files\s+1024\s+1024/m)
      assert.strictEqual(pid, child.pid)
      assert.strictEqual(Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[2]), pid)
      yield* close
    }))

  it.live("a child dies with the daemon, even when that is killed with KILL", () =>
    Effect.gen(function*() {
      const setpriv = yield* findProgram("setpriv", process.env.PATH ?? "")
      // A stand-in daemon that starts a child the way `commandLine` says, and says its pid.
      const script = `
        const { spawn } = require("node:child_process")
        const child = spawn(${JSON.stringify(setpriv)}, ["--no-new-privs", "--pdeathsig", "KILL", "--", "sleep", "1000"], { detached: true, stdio: "ignore" })
        child.once("spawn", () => console.log(child.pid)); setInterval(() => {}, 1000)`
      const daemon = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "ignore"] })
      const pid = yield* Effect.promise(() => new Promise<number>((resolve) => daemon.stdout.once("data", (data: Buffer) => resolve(Number(data)))))
      const until = (condition: () => boolean) =>
        Effect.repeat(Effect.promise(() => new Promise<boolean>((resolve) => setImmediate(() => resolve(condition())))), { until: (met) => met })
          .pipe(Effect.timeout("5 seconds"))
      yield* until(() => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "sleep")
      daemon.kill("SIGKILL")
      yield* until(() => !existsSync(`/proc/${pid}`) || /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8")))
    }))

  it.scopedLive("says what is wrong with the command, and what to do", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "fjmcp-path-"))),
        (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
      )
      writeFileSync(join(folder, "plain"), "", { mode: 0o644 })
      assert.deepInclude(yield* Effect.flip(findProgram("nothing-here", folder)), {
        category: "binary missing",
        detail: "\"nothing-here\" was not found; install it, or name it with its path in CHILD_COMMAND."
      })
      assert.deepInclude(yield* Effect.flip(findProgram("plain", folder)), {
        category: "not executable",
        detail: "\"plain\" may not be executed by this user; set its execute permission."
      })
      assert.strictEqual(yield* findProgram("node", process.env.PATH ?? ""), yield* findProgram("node", `/nonexistent:${process.env.PATH}`))
    }))

  it("proxies and CAs of the operator reach the child, gitea-mcp gets its own variable names", () => {
    const settings = { forgejoUrl: "http://f", preset: "gitea-mcp", tokenVariable: "GITEA_ACCESS_TOKEN", token: "t", userAgent: "ua", home: "/h" }
    assert.deepStrictEqual(environment(settings, { PATH: "/bin", HTTPS_PROXY: "http://p", SSL_CERT_FILE: "/ca", SECRET: "s", MCP_MODE: "http" }), {
      PATH: "/bin",
      HOME: "/h",
      GITEA_HOST: "http://f",
      GITEA_ACCESS_TOKEN: "t",
      FORGEJO_USER_AGENT: "ua",
      HTTPS_PROXY: "http://p",
      SSL_CERT_FILE: "/ca"
    })
  })
})
