import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Layer, Logger, LogLevel, Redacted, TestClock } from "effect"
import { lineLogger } from "../../src/layers/LoggingLive.ts"

const secret = "gto_q7x4kz0f3m5w"

/** What `effect` logs at `level` and above, as whole lines. */
const logged = (format: "json" | "pretty", effect: Effect.Effect<unknown>, level = LogLevel.Info) =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const logging = Layer.merge(
      Logger.replace(Logger.defaultLogger, lineLogger(format, (line) => void lines.push(line))),
      Logger.minimumLogLevel(level)
    )
    return effect.pipe(
      // @effect/vitest takes the default logger away; there is nothing to replace without it.
      Effect.provide(Layer.provideMerge(logging, Logger.add(Logger.defaultLogger))),
      Effect.as(lines)
    )
  })

const json = (effect: Effect.Effect<unknown>, level = LogLevel.Info) =>
  Effect.map(logged("json", effect, level), (lines) => lines.map((line): unknown => JSON.parse(line)))

describe("the JSON log", () => {
  it.effect("has one object a line: ISO time, level, event, and annotations as fields", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.parse("2026-01-02T03:04:05.678Z"))
      const lines = yield* logged("json", Effect.logInfo("session.opened").pipe(Effect.annotateLogs({ session: "ab12", calls: 3 })))
      assert.deepStrictEqual(lines, ["{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"info\",\"event\":\"session.opened\",\"calls\":3,\"session\":\"ab12\"}\n"])
    }))

  it.effect("prints a Redacted as <redacted>, however deep it lies", () =>
    Effect.gen(function*() {
      const token = Redacted.make(secret)
      const effect = Effect.logInfo("x", token, { deep: [{ token }] }).pipe(Effect.annotateLogs({ token, inside: { token } }))
      for (const format of ["json", "pretty"] as const) {
        const text = (yield* logged(format, effect)).join("")
        assert.notInclude(text, secret)
        assert.strictEqual(text.split("<redacted>").length - 1, 4)
      }
    }))

  it.effect("never breaks a line and never lets a value forge a field", () =>
    Effect.gen(function*() {
      const name = "a\nb\",\"level\":\"fatal\u001b[31m"
      const lines = yield* logged("json", Effect.logInfo("client.registered").pipe(Effect.annotateLogs({ name })))
      assert.lengthOf(lines.join("").trimEnd().split("\n"), 1)
      assert.notInclude(lines.join(""), "\u001b")
      assert.propertyVal(JSON.parse(lines[0] ?? ""), "name", name)
      assert.propertyVal(JSON.parse(lines[0] ?? ""), "level", "info")
    }))

  it.effect("prints whatever is annotated without failing", () =>
    Effect.gen(function*() {
      const circle: Record<string, unknown> = { once: 1 }
      circle["self"] = circle
      const shared = { a: 1 }
      const thrower = { toJSON: () => { throw new Error("no") } }
      const [line] = yield* json(
        Effect.logInfo("x").pipe(Effect.annotateLogs({ circle, twice: [shared, shared], big: 1n, nothing: undefined, error: new TypeError("bad"), thrower, time: "mine" }))
      )
      assert.deepInclude(line, {
        circle: { once: 1, self: "<circular>" }, twice: [shared, shared], big: "1", nothing: null, error: "TypeError: bad", thrower: "<not printable>", "annotation.time": "mine"
      })
    }))

  it.effect("has the cause of a failure and further messages in fields of their own", () =>
    Effect.gen(function*() {
      const [line] = yield* json(Effect.logError("broker.crashed", Cause.die(new Error("boom")), "more"))
      assert.deepInclude(line, { level: "error", event: "broker.crashed", details: "more" })
      assert.match((line as { cause: string }).cause, /^Error: boom\n {4}at /)
    }))

  it.effect("leaves out what is below the level", () =>
    Effect.gen(function*() {
      const both = Effect.zipRight(Effect.logDebug("quiet"), Effect.logWarning("loud"))
      assert.deepStrictEqual((yield* json(both)).map((line) => (line as { event: string; level: string }).level), ["warning"])
      assert.lengthOf(yield* json(both, LogLevel.Debug), 2)
      assert.lengthOf(yield* json(both, LogLevel.None), 0)
    }))
})

describe("the pretty log", () => {
  it.effect("has time of day, level, event and fields on one line, with strange characters made visible", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.parse("2026-01-02T03:04:05.678Z"))
      const effect = Effect.logWarning("signin.refused").pipe(Effect.annotateLogs({ user: "demo" }), Effect.annotateLogs({ why: "two words\u001b[2J" }))
      const lines = yield* logged("pretty", effect)
      assert.sameMembers((lines[0] ?? "").trimEnd().split(" ").slice(0, 3), ["03:04:05.678", "WARNING", "signin.refused"])
      assert.include(lines[0], "user=demo")
      assert.include(lines[0], "why=\"two words\\u001b[2J\"")
    }))

  it.effect("indents a cause below the line, without control characters", () =>
    Effect.gen(function*() {
      const [line = ""] = yield* logged("pretty", Effect.logError("x", Cause.die(new Error("bo\u001bom"))))
      assert.match(line, /ERROR {3}x\n {4}Error: bo\?om\n {8}at /)
    }))
})
