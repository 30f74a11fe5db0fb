import type { Scope } from "effect"
import { Deferred, Effect, Exit, FiberSet, Option } from "effect"
import type { ChildProcessByStdio } from "node:child_process"
import { spawn } from "node:child_process"
import type { Readable, Writable } from "node:stream"
import { isTooComplex } from "../domain/JsonRpc.ts"
import { LineSplitter } from "../domain/LineSplitter.ts"
import { insteadOf, maxContainers } from "../domain/OversizedAnswer.ts"
import type { Child } from "../services/Children.ts"
import { ChildGone, ChildStalled, SpawnFailed } from "../services/Children.ts"
import { betweenEnds } from "../services/Schedules.ts"
import { ChildInput } from "./ChildInput.ts"
import { LineQueue } from "./LineQueue.ts"

type Process = ChildProcessByStdio<Writable, Readable, Readable>

export interface ProcessRequest {
  readonly command: readonly [string, ReadonlyArray<string>]
  readonly env: Record<string, string>
  readonly maxLine: number
  /** Replaces the secrets in whatever comes out. */
  readonly scrub: (text: string) => string
  /** One line of stderr, scrubbed, without colours, at most `maxStderrLine` characters. */
  readonly onStderr: (line: string) => Effect.Effect<void>
  /** How many lines of stderr were left out because more came than `maxStderrLines`. */
  readonly onLeftOut: (lines: number) => Effect.Effect<void>
  /** A message was dropped; `reason` is a sentence that says why. */
  readonly onDropped: (reason: string) => Effect.Effect<void>
}

/** Bytes that may wait for a child that does not read; a write beyond fails. */
const maxUnread = 8 * 1024 * 1024
const maxUnreadForReplies = 1024 * 1024
/** Characters of output that may wait for the broker before the pipe is left to fill. */
const maxUntaken = 4 * 1024 * 1024
/** What a line costs besides its characters: a flood of empty ones is a flood too. */
const costPerLine = 64
const maxStderrLine = 4096
/** Lines of stderr in one second; the rest is counted, not logged. */
const maxStderrLines = 50
/** The stop ladder. */
const afterStdinClosed = "2 seconds"
const afterTerm = "3 seconds"

const start = (request: ProcessRequest): Effect.Effect<Process, SpawnFailed> =>
  Effect.async((resume) => {
    const [program, args] = request.command
    const failed = (error: NodeJS.ErrnoException) =>
      resume(Effect.fail(
        new SpawnFailed({
          category: error.code === "ENOENT" ? "binary missing" : error.code === "EACCES" ? "not executable" : "system limit",
          detail: `the system refused to start it (${error.code ?? "unknown error"})`
        })
      ))
    try {
      const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], detached: true, env: request.env })
      child.once("error", failed)
      child.once("spawn", () => {
        child.off("error", failed)
        // For the life of the process: without a listener a broken pipe or a failed kill would end the daemon.
        for (const emitter of [child, child.stdin, child.stdout, child.stderr]) emitter.on("error", () => {})
        resume(Effect.succeed(child))
      })
    } catch (error) {
      failed(error as NodeJS.ErrnoException)
    }
  })

/** Signals the whole group; that it has gone already is no error. */
const killGroup = (child: Process, signal: NodeJS.Signals) =>
  Effect.sync(() => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal)
    } catch {
      // ESRCH: nobody is left in it.
    }
  })

/**
 * Starts a process in a group of its own. When the scope closes it is stopped: stdin closed, TERM, KILL, each after its
 * time, and KILL to the group whatever happened before, for a child that exits may leave others behind.
 */
export const runProcess = (request: ProcessRequest): Effect.Effect<Child, SpawnFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const exited = yield* Deferred.make<ChildGone>()
    const { input, process } = yield* Effect.acquireRelease(
      Effect.map(start(request), (child) => {
        child.once("exit", (code, signal) => Deferred.unsafeDone(exited, Exit.succeed(new ChildGone({ code, signal }))))
        return { process: child, input: new ChildInput(child.stdin) }
      }),
      ({ input, process: child }) =>
        Effect.gen(function*() {
          // Disconnected: the race's fibers would hear of an interruption although we are not, and the child would be left running.
          const within = (time: "2 seconds" | "3 seconds") =>
            Deferred.await(exited).pipe(Effect.interruptible, Effect.timeoutOption(time), Effect.disconnect, Effect.map(Option.isSome))
          input.end()
          if (!(yield* within(afterStdinClosed))) {
            yield* killGroup(child, "SIGTERM")
            yield* within(afterTerm)
          }
          yield* killGroup(child, "SIGKILL")
          yield* Deferred.await(exited)
          child.stdout.destroy()
          child.stderr.destroy()
        })
    )

    // What follows from events of the process runs here; its fibers are owned by the child's scope.
    const run = yield* FiberSet.makeRuntime<never>()
    const say = (said: Effect.Effect<void>) => void run(Effect.catchAllCause(said, () => Effect.void))
    const drop = (head: string, tail: string, what: string, remedy: string): string | undefined => {
      say(request.onDropped(`A message ${what}.`))
      return insteadOf(head, tail, `The answer ${what}. Ask for less${remedy}.`)
    }
    const tooLong = `is longer than ${request.maxLine} bytes`
    const tooMany = `has more than ${maxContainers} objects and lists`
    let untaken = 0
    const lines = new LineQueue<ChildGone>((taken) => {
      for (const line of taken) untaken -= costOf(line)
      if (untaken <= maxUntaken && process.stdout.isPaused()) process.stdout.resume()
    })
    const out = new LineSplitter(request.maxLine, (head, tail) => drop(head, tail, tooLong, ", or have the operator raise MAX_LINE"))
    const offer = (read: ReadonlyArray<string>) => {
      for (const line of read) {
        // A shorter line cannot hold so many.
        const kept = line.length > maxContainers && isTooComplex(line, Infinity, maxContainers) !== undefined
          ? drop(line.slice(0, 128), line.slice(-128), tooMany, "")
          : request.scrub(line)
        if (kept === undefined) continue
        untaken += costOf(kept)
        lines.offer(kept)
      }
      if (untaken > maxUntaken) process.stdout.pause()
    }
    process.stdout.on("data", (chunk: Buffer) => offer(out.push(chunk)))
    process.stdout.once("end", () => offer(out.end()))
    process.once("close", (code, signal) => lines.end(new ChildGone({ code, signal })))
    const ending = () => void run(Effect.interruptible(Effect.map(Effect.schedule(Effect.void, betweenEnds), () =>
      lines.end(new ChildGone({ code: process.exitCode, signal: process.signalCode })))))
    process.once("exit", ending)
    process.stdout.once("end", ending)
    // A child that has closed its input is as good as gone: what is sent to it would never be answered.
    process.stdin.once("close", ending)

    const clock = yield* Effect.clock
    let second = 0
    let linesInSecond = 0
    let leftOut = 0
    const reportLeftOut = Effect.suspend(() => {
      const count = leftOut
      leftOut = 0
      return count === 0 ? Effect.void : request.onLeftOut(count)
    })
    const err = new LineSplitter(64 * 1024)
    process.stderr.on("data", (chunk: Buffer) => {
      const now = Math.floor(clock.unsafeCurrentTimeMillis() / 1000)
      if (now !== second) {
        second = now
        linesInSecond = 0
        if (leftOut > 0) say(reportLeftOut)
      }
      for (const line of err.push(chunk)) {
        if (++linesInSecond > maxStderrLines) leftOut++
        else say(request.onStderr(request.scrub(withoutColours(line)).slice(0, maxStderrLine)))
      }
    })
    yield* Effect.addFinalizer(() => reportLeftOut)
    return {
      pid: process.pid ?? 0,
      kill: killGroup(process, "SIGKILL"),
      exited: Deferred.await(exited),
      send: (line, kind) =>
        Effect.suspend((): Effect.Effect<void, ChildGone | ChildStalled> => {
          if (!input.isOpen) return new ChildGone({ code: process.exitCode, signal: process.signalCode })
          if (input.untaken > (kind === "reply" ? maxUnreadForReplies : maxUnread)) return new ChildStalled()
          input.send(line)
          return Effect.void
        }),
      takeLines: lines.takeAll
    }
  })

const costOf = (line: string): number => line.length + costPerLine

const withoutColours = (line: string): string => line.replace(/\x1b\[[0-9;]*[A-Za-z]/g, "")
