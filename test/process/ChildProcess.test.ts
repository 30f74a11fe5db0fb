import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Duration, Effect, Exit, Option, Scope } from "effect"
import { scrubber } from "../../src/domain/Scrub.ts"
import { runProcess } from "../../src/layers/ChildProcess.ts"
import type { Child } from "../../src/services/Children.ts"
import { runs, untilGone } from "./DaemonProcess.ts"

const node = (script: string) => [process.execPath, ["-e", script]] as const

const start = (script: string, options: { readonly onStderr?: (line: string) => Effect.Effect<void>; readonly maxLine?: number; readonly secrets?: ReadonlyArray<string>; readonly onLeftOut?: (lines: number) => Effect.Effect<void>; readonly onDropped?: (reason: string) => Effect.Effect<void> } = {}) =>
  runProcess({
    command: node(script),
    env: { PATH: process.env.PATH ?? "" },
    maxLine: options.maxLine ?? 1024 * 1024,
    scrub: scrubber(options.secrets ?? []),
    onStderr: options.onStderr ?? (() => Effect.void),
    onLeftOut: options.onLeftOut ?? (() => Effect.void),
    onDropped: options.onDropped ?? (() => Effect.void)
  })

/** Waits for the child's first line: the receipt that it runs. */
const firstLine = (child: Child) => Effect.map(child.takeLines, (lines) => Chunk.unsafeHead(lines))

/** The child in a scope of its own, and how to close it. */
const inScope = (effect: ReturnType<typeof start>) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const child = yield* Scope.extend(effect, scope)
    return { child, close: Effect.timed(Scope.close(scope, Exit.void)) }
  })

describe("a child process", () => {
  it.live("speaks lines both ways, in order, and ends when its input is closed", () =>
    Effect.gen(function*() {
      const { child, close } = yield* inScope(start("process.stdin.on('data', (d) => process.stdout.write(d))"))
      yield* child.send("{\"n\":1}")
      assert.strictEqual(yield* firstLine(child), "{\"n\":1}")
      const [took] = yield* close
      assert.isBelow(Duration.toMillis(took), 1900, "it did not need TERM")
      assert.isFalse(runs(child.pid))
      assert.strictEqual((yield* Effect.flip(child.takeLines))._tag, "ChildGone")
      assert.strictEqual((yield* Effect.flip(child.send("x")))._tag, "ChildGone")
    }))

  it.live("one that ignores the end of its input gets TERM; one that ignores TERM too is killed", () =>
    Effect.gen(function*() {
      const polite = yield* inScope(start("setInterval(() => {}, 1000); console.log('up')"))
      const stubborn = yield* inScope(start("process.on('SIGTERM', () => console.log('no')); setInterval(() => {}, 1000); console.log('up')"))
      yield* firstLine(polite.child)
      yield* firstLine(stubborn.child)
      const [[politeTook], [stubbornTook]] = yield* Effect.all([polite.close, stubborn.close], { concurrency: 2 })
      assert.isFalse(runs(polite.child.pid))
      assert.isFalse(runs(stubborn.child.pid))
      assert.strictEqual((yield* polite.child.exited).signal, "SIGTERM")
      assert.strictEqual((yield* stubborn.child.exited).signal, "SIGKILL")
      assert.isAtLeast(Duration.toMillis(politeTook), 1990)
      assert.isAtLeast(Duration.toMillis(stubbornTook), 4990)
    }))

  it.live("its grandchildren go with the scope, also after it exited 0 by itself", () =>
    Effect.gen(function*() {
      const script = `
        const { spawn } = require("node:child_process")
        const grandchild = spawn("sleep", ["1000"], { stdio: "inherit" })
        grandchild.once("spawn", () => { console.log(grandchild.pid); setTimeout(() => process.exit(0), 50) })`
      const { child, close } = yield* inScope(start(script))
      const grandchild = Number(yield* firstLine(child))
      assert.deepInclude(yield* child.exited, { code: 0 })
      assert.isTrue(runs(grandchild))
      // Although the grandchild holds the pipe open, the end of the child's output is seen.
      assert.strictEqual((yield* Effect.flip(child.takeLines))._tag, "ChildGone")
      yield* close
      // KILL has been sent to it, and nobody of ours is its parent: the kernel takes its moment.
      yield* untilGone([grandchild])
    }))

  it.live("one that dies with bytes queued for it does not take the broker along (EPIPE)", () =>
    Effect.gen(function*() {
      const { child, close } = yield* inScope(start("console.log('up'); process.stdin.pause(); setTimeout(() => process.kill(process.pid, 'SIGKILL'), 100)"))
      yield* firstLine(child)
      for (let n = 0; n < 60; n++) yield* Effect.ignore(child.send("x".repeat(10_000)))
      assert.strictEqual((yield* child.exited).signal, "SIGKILL")
      yield* close
    }))

  it.live("one that never reads costs bounded memory: at some point writes are refused", () =>
    Effect.gen(function*() {
      const { child, close } = yield* inScope(start("console.log('up'); setInterval(() => {}, 1000)"))
      yield* firstLine(child)
      const megabyte = "x".repeat(1024 * 1024)
      const error = yield* Effect.flip(Effect.forever(child.send(megabyte)))
      assert.strictEqual(error._tag, "ChildStalled")
      yield* close
    }))

  it.live("stderr is drained, without colours and secrets, and never blocks the child", () =>
    Effect.gen(function*() {
      const seen = yield* Deferred.make<string>()
      const script = `
        const line = "\\u001b[31mERROR\\u001b[0m token is s3cret-token " + "y".repeat(200) + "\\n"
        for (let n = 0; n < 20000; n++) require("node:fs").writeSync(2, line)
        console.log(JSON.stringify({ leak: "s3cret-token" }))`
      const { child, close } = yield* inScope(start(script, { secrets: ["s3cret-token"], onStderr: (line) => Effect.asVoid(Deferred.succeed(seen, line)) }))
      assert.strictEqual(yield* firstLine(child), "{\"leak\":\"[secret removed]\"}")
      assert.match(yield* Deferred.await(seen), /^ERROR token is \[secret removed\] y+$/)
      yield* close
    }))

  it.live("a line longer than the limit is dropped, the next one comes", () =>
    Effect.gen(function*() {
      const { child, close } = yield* inScope(start("console.log('x'.repeat(200_000)); console.log('next')", { maxLine: 100_000 }))
      assert.strictEqual(yield* firstLine(child), "next")
      yield* close
    }))

  it.live("the call whose answer is too long is told so at once, wherever the child writes the id", () =>
    Effect.gen(function*() {
      const script = `
        const big = "x".repeat(200_000)
        console.log(JSON.stringify({ jsonrpc: "2.0", id: 7, result: big }))
        console.log(JSON.stringify({ result: { text: big, id: 1 }, jsonrpc: "2.0", id: 8 }))
        console.log(JSON.stringify({ jsonrpc: "2.0", method: "m", params: { id: 9, big } }))
        console.log("end")`
      const { child, close } = yield* inScope(start(script, { maxLine: 100_000 }))
      const lines: Array<string> = []
      while (lines.at(-1) !== "end") lines.push(...(yield* child.takeLines))
      assert.deepStrictEqual(lines.slice(0, -1).map((line) => JSON.parse(line).id), [7, 8])
      assert.match(lines[0] ?? "", /longer than 100000 bytes.*MAX_LINE/)
      yield* close
    }))

  it.live("what is too much to be parsed is dropped before it is, and its call is told; the log hears of each", () =>
    Effect.gen(function*() {
      const dropped: Array<string> = []
      const script = `
        const wide = "[" + "[],".repeat(1_000_000) + "1]"
        console.log('{"jsonrpc":"2.0","id":7,"result":' + wide + '}')
        console.log('{"jsonrpc":"2.0","id":8,"method":"sampling/createMessage","params":{"wide":' + wide + '}}')
        console.log('{"jsonrpc":"2.0","id":9,"result":"' + "[".repeat(2_000_000) + '"}')
        console.log("y".repeat(5_000_000))
        console.log("end")`
      const { child, close } = yield* inScope(start(script, { maxLine: 4_500_000, onDropped: (reason) => Effect.sync(() => dropped.push(reason)) }))
      const lines: Array<string> = []
      while (lines.at(-1) !== "end") lines.push(...(yield* child.takeLines))
      assert.deepStrictEqual(lines.slice(0, -1).map((line) => JSON.parse(line).id), [7, 9])
      assert.match(lines[0] ?? "", /"error":.*more than 1000000 objects and lists. Ask for less\./)
      assert.lengthOf(lines[1] ?? "", 2_000_000 + 36)
      yield* close
      assert.deepStrictEqual(dropped, [
        "A message has more than 1000000 objects and lists.",
        "A message has more than 1000000 objects and lists.",
        "A message is longer than 4500000 bytes."
      ])
    }))

  it.live("a byte order mark, CRLF, invalid UTF-8, NUL and a last line without its end are no trouble", () =>
    Effect.gen(function*() {
      const script = `
        const { writeSync } = require("node:fs")
        writeSync(1, "\\ufeff{\\"a\\":1}\\r\\n\\r\\n\\n")
        writeSync(1, Buffer.from([0x22, 0xc3, 0x22, 0x0a, 0x00, 0x0a]))
        writeSync(1, "{\\"last\\":true}")`
      const { child, close } = yield* inScope(start(script))
      const lines: Array<string> = []
      const end = yield* Effect.flip(Effect.forever(Effect.map(child.takeLines, (some) => void lines.push(...some))))
      assert.strictEqual(end._tag, "ChildGone")
      assert.deepStrictEqual(lines, ["{\"a\":1}", "\"\ufffd\"", "\0", "{\"last\":true}"])
      yield* close
    }))

  it.live("a line of many megabytes arrives whole, and a child that floods is slowed down, not stored", () =>
    Effect.gen(function*() {
      const { child, close } = yield* inScope(start("for (let n = 0; n < 20; n++) console.log(n + 'z'.repeat(3_000_000))", { maxLine: 16 * 1024 * 1024 }))
      const lines: Array<string> = []
      while (lines.length < 20) lines.push(...(yield* child.takeLines))
      assert.deepStrictEqual(lines.map((line) => [Number.parseInt(line), line.length > 3_000_000]), Array.from({ length: 20 }, (_, n) => [n, true]))
      yield* close
    }))

  it.live("a flood of tiny lines is slowed down too", () =>
    Effect.gen(function*() {
      const written = yield* Deferred.make<string>()
      const script = `
        const { writeSync } = require("node:fs")
        const some = "1\\n".repeat(32 * 1024)
        for (let n = 0; n < 40; n++) writeSync(1, some)
        writeSync(2, "written\\n")
        process.stdin.resume()`
      const { child, close } = yield* inScope(start(script, { onStderr: (line) => Effect.asVoid(Deferred.succeed(written, line)) }))
      assert.isTrue(Option.isNone(yield* Deferred.await(written).pipe(Effect.timeoutOption("1 second"))), "nobody takes, and yet all could be written")
      let lines = 0
      while (lines < 40 * 32 * 1024) lines += (yield* child.takeLines).length
      assert.strictEqual(yield* Deferred.await(written), "written")
      yield* close
    }))

  it.live("taking lines gives back what they took, although secrets in them are longer than what replaces them", () =>
    Effect.gen(function*() {
      const secret = "s".repeat(1000)
      const script = `for (let n = 0; n < 20000; n++) console.log(${JSON.stringify(secret)}); console.log("end"); process.stdin.resume()`
      const { child, close } = yield* inScope(start(script, { secrets: [secret] }))
      let last = ""
      while (last !== "end") last = Chunk.unsafeLast(yield* child.takeLines)
      yield* close
    }))

  it.live("a flood on stderr is logged in part, and the rest is counted", () =>
    Effect.gen(function*() {
      const logged: Array<string> = []
      const leftOut: Array<number> = []
      const { child, close } = yield* inScope(start("require('node:fs').writeSync(2, 'ERROR again\\n'.repeat(3000))", {
        onStderr: (line) => Effect.sync(() => logged.push(line)),
        onLeftOut: (lines) => Effect.sync(() => leftOut.push(lines))
      }))
      yield* Effect.flip(child.takeLines)
      yield* close
      // Twice the limit where a second ends in between.
      assert.include([50, 100], logged.length)
      assert.strictEqual(leftOut.reduce((sum, lines) => sum + lines, logged.length), 3000)
      assert.isAtMost(leftOut.length, 2)
    }))

  it.live("one that closes its output and lives on is as good as gone", () =>
    Effect.gen(function*() {
      const script = "const fs = require('node:fs'); fs.writeSync(1, 'up\\n'); fs.closeSync(1); process.stdin.resume()"
      const { child, close } = yield* inScope(start(script))
      assert.strictEqual(yield* firstLine(child), "up")
      assert.deepInclude(yield* Effect.flip(child.takeLines), { _tag: "ChildGone", code: null, signal: null })
      assert.isTrue(runs(child.pid))
      yield* close
    }))

  it.live("one that closes its input and lives on is as good as gone, as soon as something is sent to it", () =>
    Effect.gen(function*() {
      const { child, close } = yield* inScope(start("require('fs').closeSync(0); setInterval(() => {}, 1000); console.log('up')"))
      yield* firstLine(child)
      // The first line may still be taken by the system: that nobody reads it is found out by writing it.
      yield* Effect.ignore(child.send("{}"))
      assert.strictEqual((yield* Effect.flip(Effect.forever(child.takeLines)))._tag, "ChildGone")
      assert.strictEqual((yield* Effect.flip(child.send("{}")))._tag, "ChildGone")
      yield* close
      assert.isFalse(runs(child.pid))
    }))

  it.live("a program that is not there is a typed failure with its category", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(runProcess({
        command: ["/nonexistent/program", []],
        env: {},
        maxLine: 1000,
        scrub: (text) => text,
        onStderr: () => Effect.void,
        onLeftOut: () => Effect.void,
        onDropped: () => Effect.void
      })))
      assert.deepInclude(error, { _tag: "SpawnFailed", category: "binary missing" })
    }))
})
