import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import { childFile, runToEnd, searchPath, startDaemon } from "./DaemonProcess.ts"
import { ada, freePort, openSession, serve, serving, settingsFor, signIn, standInForgejo } from "./Serving.ts"

/** Every file of a folder with its content's hash. */
const fingerprint = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder).map((name) => join(folder, name)).filter((path) => statSync(path).isFile()).sort()
      .map((path) => [path, createHash("sha256").update(readFileSync(path)).digest("hex")])
  )

describe("serve", () => {
  it.scopedLive("needs four settings and nothing else", () =>
    Effect.gen(function*() {
      const forgejo = yield* standInForgejo()
      const home = yield* tempDirectory
      const { env, mcpUrl, url } = yield* settingsFor(forgejo)
      // Found by its default name, as an operator's forgejo-mcp is.
      const bin = join(home, "bin")
      mkdirSync(bin)
      writeFileSync(join(bin, "forgejo-mcp"), `#!/bin/sh\nexec "${process.execPath}" "${childFile}" "$@"\n`)
      chmodSync(join(bin, "forgejo-mcp"), 0o755)
      const daemon = yield* serve({
        url,
        env: {
          FJMCP_PUBLIC_URL: url,
          FJMCP_FORGEJO_URL: forgejo.url,
          FJMCP_FORGEJO_CLIENT_ID: env["FJMCP_FORGEJO_CLIENT_ID"] ?? "",
          FJMCP_FORGEJO_CLIENT_SECRET: env["FJMCP_FORGEJO_CLIENT_SECRET"] ?? "",
          // Port 8080 may be somebody's.
          FJMCP_LISTEN: env["FJMCP_LISTEN"] ?? "",
          HOME: home,
          PATH: `${bin}:${searchPath}`
        }
      })
      const { access_token } = yield* signIn(mcpUrl)
      const client = yield* openSession(mcpUrl, access_token)
      const me = yield* Effect.promise(() => client.request("tools/call", { name: "get_my_user_info", arguments: {} }))
      assert.include(JSON.stringify(me.result), ada.login)
      assert.strictEqual(statSync(join(home, ".local/share/fjmcp-broker/broker.sqlite")).mode & 0o777, 0o600)
      assert.strictEqual(daemon.stdout.text, "")
      assert.deepInclude(yield* daemon.end(), { code: 0, signal: null })
    }))

  it.scopedLive("ends with 2 and says everything that is wrong with the settings", () =>
    Effect.gen(function*() {
      const ended = yield* runToEnd(["serve", "--session-idle", "2 parsecs"], {
        FJMCP_PUBLIC_URL: "http://mcp.example.org/path",
        FJMCP_FORGEJO_CLIENT_SECRET: "not telling",
        FJMCP_LISTEN: "8080",
        FJMCP_MAX_SESSIONS: "none"
      })
      assert.strictEqual(ended.code, 2)
      assert.strictEqual(ended.stdout, "")
      const wrong = ["PUBLIC_URL", "FORGEJO_URL", "FORGEJO_CLIENT_ID", "FORGEJO_CLIENT_SECRET", "LISTEN", "MAX_SESSIONS", "SESSION_IDLE"]
      for (const name of wrong) {
        assert.lengthOf(ended.stderr.split("\n").filter((line) => line.includes(`FJMCP_${name} `)), 1, `${name} in\n${ended.stderr}`)
      }
      assert.notInclude(ended.stderr, "not telling")
    }))

  it.scopedLive("a second daemon on the same data directory ends with 1 and says so, the first one goes on", () =>
    Effect.gen(function*() {
      const { daemon, settings } = yield* serving()
      const second = yield* runToEnd(["serve"], { ...settings.env, FJMCP_LISTEN: `127.0.0.1:${yield* freePort}` })
      assert.strictEqual(second.code, 1)
      assert.include(second.stderr, `Another fjmcp-broker (process ${daemon.pid}) uses the data directory ${settings.dataDir}.`)
      assert.strictEqual((yield* Effect.promise(() => fetch(`${settings.url}/readyz`))).status, 200)
    }))

  it.scopedLive("a port that is taken: ends with 1 and says so", () =>
    Effect.gen(function*() {
      const { settings } = yield* serving()
      const second = yield* runToEnd(["serve"], { ...settings.env, FJMCP_DATA_DIR: yield* tempDirectory })
      assert.strictEqual(second.code, 1)
      assert.include(second.stderr, `Cannot listen on 127.0.0.1:${settings.port}: another program uses it.`)
      assert.notInclude(second.stderr, "    at ", "no stack trace")
    }))

  it.scopedLive("refuses a store that is newer than the program, and leaves it untouched", () =>
    Effect.gen(function*() {
      const { daemon, settings } = yield* serving()
      yield* daemon.end()
      const copy = join(yield* tempDirectory, "copy")
      cpSync(settings.dataDir, copy, { recursive: true })
      const db = new Database(join(copy, "broker.sqlite"))
      db.exec("insert into effect_sql_migrations (migration_id, name) values (9999, 'FromTheFuture')")
      db.close()
      const before = fingerprint(copy)
      const ended = yield* runToEnd(["serve"], { ...settings.env, FJMCP_DATA_DIR: copy })
      assert.strictEqual(ended.code, 1)
      assert.include(ended.stderr, `The store ${join(copy, "broker.sqlite")} has version 9999`)
      assert.include(ended.stderr, "Nothing was changed.")
      // The lock is a file of its own, and not part of the store.
      assert.deepStrictEqual(fingerprint(copy), before)
    }))

  it.scopedLive("refuses to start without the key of a store that holds sealed values, and makes none", () =>
    Effect.gen(function*() {
      const { daemon, settings } = yield* serving()
      yield* signIn(settings.mcpUrl)
      yield* daemon.end()
      const key = join(settings.dataDir, "sealing.key")
      const kept = readFileSync(key, "utf8")
      rmSync(key)
      const ended = yield* runToEnd(["serve"], settings.env)
      assert.strictEqual(ended.code, 1)
      assert.include(ended.stderr, `The sealing key ${key} is missing, and the store holds values that only this key opens.`)
      assert.isFalse(existsSync(key))
      writeFileSync(key, kept, { mode: 0o600 })
      yield* serve(settings)
    }))

  it.scopedLive("Forgejo is down: the daemon serves, /readyz says why not", () =>
    Effect.gen(function*() {
      const forgejo = yield* standInForgejo()
      const settings = yield* settingsFor(forgejo)
      yield* Effect.promise(() => forgejo.stop())
      const daemon = yield* startDaemon(["serve"], settings.env)
      yield* daemon.untilLogged("broker.listening")
      const ready = yield* Effect.promise(() => fetch(`${settings.url}/readyz`))
      assert.strictEqual(ready.status, 503)
      assert.include(yield* Effect.promise(() => ready.text()), "check FORGEJO_URL")
      assert.strictEqual((yield* Effect.promise(() => fetch(`${settings.url}/healthz`))).status, 200)
    }))
})
