import { assert, describe, it } from "@effect/vitest"
import { Data, Deferred, Effect, Exit, Fiber, Layer, Logger } from "effect"
import { exitCodeOf } from "../../src/cli/CommandFailed.ts"
import { runServe } from "../../src/cli/serve.ts"
import { AppConfig } from "../../src/services/AppConfig.ts"

class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}

const env = {
  HOME: "/home/somebody",
  FJMCP_PUBLIC_URL: "https://mcp.example.org",
  FJMCP_FORGEJO_URL: "https://forgejo.example.org",
  FJMCP_FORGEJO_CLIENT_ID: "an-id",
  FJMCP_FORGEJO_CLIENT_SECRET: "gto_q7x4kz0f3m5w"
}

/** Exit code of `effect`, and what it wrote to stderr. */
const outcome = (effect: Effect.Effect<unknown, unknown>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const written: Array<string> = []
      const original = process.stderr.write
      process.stderr.write = (text: string | Uint8Array) => {
        written.push(String(text))
        return true
      }
      return { written, original }
    }),
    ({ written }) => Effect.map(Effect.exit(effect), (exit) => ({ code: exitCodeOf(exit), stderr: written.join("") })),
    ({ original }) => Effect.sync(() => {
      process.stderr.write = original
    })
  )

describe("serve", () => {
  it.effect("ends with 2 and all problems when settings are wrong", () =>
    Effect.gen(function*() {
      const { code, stderr } = yield* outcome(runServe(["--session-idle", "15"], { ...env, FJMCP_FORGEJO_URL: "" }, Layer.empty))
      assert.strictEqual(code, 2)
      assert.strictEqual(
        stderr,
        "fjmcp-broker: the settings cannot be used\n" +
        "  FJMCP_FORGEJO_URL (--forgejo-url): is required and not set. Example: https://forgejo.example.org\n" +
        "  FJMCP_SESSION_IDLE (--session-idle): has no unit: \"15\". Write a whole number and ms, s, m, h or d. Example: 15m\n" +
        "`fjmcp-broker serve --help` lists all settings.\n"
      )
    }))

  it.effect("ends with 2 when a flag is wrong", () =>
    Effect.gen(function*() {
      const { code, stderr } = yield* outcome(runServe(["--sessionidle", "15m"], env, Layer.empty))
      assert.strictEqual(code, 2)
      assert.include(stderr, "--sessionidle is not a flag of serve; did you mean --session-idle?")
    }))

  it.effect("ends with 1 and one sentence when the broker does not start", () =>
    Effect.gen(function*() {
      const broker = Layer.effectDiscard(Effect.zipRight(AppConfig, new Refused({ message: "Port 8080 is taken." })))
      assert.deepStrictEqual(yield* outcome(runServe([], env, broker)), { code: 1, stderr: "fjmcp-broker: Port 8080 is taken.\n" })
    }))

  it.effect("ends with 1 and a log line when there is a bug", () =>
    Effect.gen(function*() {
      const { code, stderr } = yield* outcome(runServe([], env, Layer.effectDiscard(Effect.die(new Error("boom")))))
      assert.strictEqual(code, 1)
      assert.deepInclude(JSON.parse(stderr), { level: "fatal", event: "broker.crashed" })
      // @effect/vitest takes the default logger away; there is nothing to replace without it.
    }).pipe(Effect.provide(Logger.add(Logger.defaultLogger))))

  it.effect("closes its layers and ends with 0 when it is interrupted", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<string>()
      let closed = false
      const broker = Layer.scopedDiscard(Effect.gen(function*() {
        const { publicUrl } = yield* AppConfig
        yield* Effect.addFinalizer(() => Effect.sync(() => {
          closed = true
        }))
        yield* Deferred.succeed(started, publicUrl)
      }))
      const fiber = yield* Effect.fork(runServe([], env, broker))
      assert.strictEqual(yield* Deferred.await(started), "https://mcp.example.org")
      const exit = yield* Fiber.interrupt(fiber)
      assert.isTrue(closed)
      assert.strictEqual(exitCodeOf(exit), 0)
    }))
})

describe("exitCodeOf", () => {
  it("is 2 where the command line library refused, 1 for a defect, 0 for success", () => {
    assert.deepStrictEqual([Exit.fail("usage"), Exit.die("bug"), Exit.void].map(exitCodeOf), [2, 1, 0])
  })
})
