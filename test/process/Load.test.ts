/** The tools of the tests under load, tested: that the light child says what LightChild.ts promises, and that load counts right. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { splitWords } from "../../src/domain/ShellWords.ts"
import { callBody, initializeBody, type Message } from "./LeanClient.ts"
import { type Echo, lightChild, tokenHash } from "./LightChild.ts"
import { startLoad } from "./Load.ts"
import { ground, issuedTo, signedInUsers } from "./Loaded.ts"
import { searchPath } from "./DaemonProcess.ts"
import { serve } from "./Serving.ts"

describe("the light child", () => {
  it("answers every kind of request under its own id, and ends with its input", () => {
    const [program = "", ...args] = Either.getOrThrow(splitWords(lightChild()["FJMCP_CHILD_COMMAND"] ?? ""))
    const lines = [
      initializeBody,
      `{"jsonrpc":"2.0","method":"notifications/initialized","params":{"id":5}}`,
      `{"jsonrpc":"2.0","id":"a\\"}","method":"tools/list"}`,
      `{"jsonrpc":"2.0","id":2,"method":"ping"}`,
      callBody("3", "echo", { n: 4, id: 9, text: "}{\"\\" }),
      `{"params":{"arguments":{"n":"x","name":"crash"},"name":"error"},"method":"tools/call","id":5,"jsonrpc":"2.0"}`,
      callBody(6, "crash", {}),
      callBody(7, "echo", {})
    ]
    const env = { PATH: searchPath, FORGEJO_ACCESS_TOKEN: "a token" }
    const { status, stdout } = spawnSync(program, args, { env, input: lines.join("\n") + "\n", encoding: "utf8" })
    assert.strictEqual(status, 3)
    const answers = stdout.trim().split("\n").map((line) => JSON.parse(line) as Message)
    assert.deepStrictEqual(answers.map(({ id }) => id), [0, "a\"}", 2, "3", 5])
    assert.deepInclude(answers[3]?.result?.["structuredContent"], { n: 4, token: tokenHash("a token") } satisfies Partial<Echo>)
    assert.strictEqual(answers[4]?.error?.message, "as asked")
    assert.strictEqual(spawnSync(program, args, { env, input: "" }).status, 0)
  })
})

describe("load", () => {
  it.scopedLive("finds nothing wrong where nothing happens", () =>
    Effect.gen(function*() {
      const at = yield* ground({})
      const daemon = yield* serve(at.settings)
      const clients = yield* signedInUsers(at, ["ann", "bob"])
      const callers = [{ tool: "echo" }, { tool: "slow", ms: 20 }] as const
      const load = yield* startLoad({ mcpUrl: at.settings.mcpUrl, clients, sessionsPerClient: 5, callers })
      yield* load.until("500 answers", () => load.ok >= 500, 20)
      yield* load.untilAllAnswered(5)
      yield* Effect.promise(() => load.stop())
      assert.deepInclude({ ...load }, { failed: 0, duplicated: 0, lost: 0, reopened: 0 }, load.summary)
      for (const { client, generations } of load.sessions) {
        assert.deepStrictEqual(generations.map(({ token }) => token), issuedTo(at.forgejo, client.userId))
      }
      const pids = load.sessions.flatMap(({ generations }) => generations.map(({ pid }) => pid))
      assert.sameMembers([...daemon.children()], pids)
      assert.lengthOf(readFileSync(at.journal, "utf8").trim().split("\n"), load.ok)
      yield* Effect.promise(() => load.close())
      assert.strictEqual(load.failed, 0, load.summary)
      assert.isEmpty(daemon.children())
    }))

  it.scopedLive("counts what fails", () =>
    Effect.gen(function*() {
      const at = yield* ground({})
      const daemon = yield* serve(at.settings)
      const clients = yield* signedInUsers(at, ["ann"])
      const load = yield* startLoad({ mcpUrl: at.settings.mcpUrl, clients, sessionsPerClient: 2, callers: [{ tool: "slow", ms: 50 }] })
      yield* load.untilAllAnswered(5)
      yield* daemon.end("SIGKILL")
      yield* load.until("a failure", () => load.failed > 0, 5)
      assert.match(load.failures[0] ?? "", /ConnectionLost|Error/)
    }))
})
