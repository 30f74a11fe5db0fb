import { Deferred, Duration, Effect, Exit, Schedule, type Scope } from "effect"
import { spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Output } from "./Output.ts"

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const mainFile = join(root, "dist", "main.js")
export const childFile = join(root, "dist", "demo-child.js")

export interface Exited {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface LogLine {
  readonly time: string
  readonly level: string
  readonly event: string
  readonly [field: string]: unknown
}

/** Whether a process runs. Process 1 may reap late: a zombie is dead. */
export const runs = (pid: number): boolean => {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}

/** Waits, five seconds at most, until none of them runs. Nothing tells who is not the parent: it looks. */
export const untilGone = (pids: ReadonlyArray<number>): Effect.Effect<void> =>
  Effect.sync(() => pids.filter(runs)).pipe(
    Effect.repeat({ until: (left) => left.length === 0, schedule: Schedule.spaced("20 millis") }),
    Effect.timeoutFail({ duration: "5 seconds", onTimeout: () => new Error(`still run: ${pids.filter(runs).join(" ")}`) }),
    Effect.orDie,
    Effect.asVoid
  )

const parentOf = (pid: number): number => {
  try {
    // The name in the second field may hold spaces and parentheses.
    return Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[1])
  } catch {
    return 0
  }
}

/** The running processes below `pid`. */
const below = (pid: number): ReadonlyArray<number> => {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)
  const children = all.filter((one) => parentOf(one) === pid)
  return children.flatMap((child) => runs(child) ? [child, ...below(child)] : below(child))
}

/** `fjmcp-broker` as an operator's process manager sees it. */
export class DaemonProcess {
  readonly pid: number
  readonly stdout: Output
  readonly stderr: Output
  /** When it has ended and everything that it said has been read. */
  readonly exited: Effect.Effect<Exited>
  readonly #isOver: () => boolean

  constructor(pid: number, stdout: Output, stderr: Output, exited: Effect.Effect<Exited>, isOver: () => boolean) {
    this.pid = pid
    this.stdout = stdout
    this.stderr = stderr
    this.exited = exited
    this.#isOver = isOver
  }

  /** Nothing happens where it has ended: its pid may be another's by then. */
  signal(name: NodeJS.Signals): Effect.Effect<void> {
    return Effect.sync(() => {
      if (!this.#isOver()) process.kill(this.pid, name)
    })
  }

  /** Signals it, and waits for its end. */
  end(name: NodeJS.Signals = "SIGTERM"): Effect.Effect<Exited & { readonly took: number }> {
    return Effect.map(Effect.timed(Effect.zipRight(this.signal(name), this.exited)), ([took, exited]) => ({
      ...exited,
      took: Duration.toMillis(took)
    }))
  }

  /** The pids of its children, and of theirs. */
  children(): ReadonlyArray<number> {
    return this.#isOver() ? [] : below(this.pid)
  }

  /** Every line of stderr, each of which must be JSON. */
  get log(): ReadonlyArray<LogLine> {
    return this.stderr.lines.map((line) => JSON.parse(line) as LogLine)
  }

  untilLogged(event: string, counts: (line: LogLine) => boolean = () => true): Effect.Effect<LogLine> {
    return this.stderr.until(`the event ${event}`, () => this.log.find((line) => line.event === event && counts(line)))
  }
}

/** Where node and the util-linux programs are; nothing else of ours reaches the daemon. */
export const searchPath = `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`

/**
 * Starts the program with an environment of nothing but `PATH` and `env`. At the end of the scope it is told to stop, and
 * killed where it does not within 15 seconds.
 */
export const startDaemon = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>,
  options: { readonly cwd?: string } = {}
): Effect.Effect<DaemonProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.gen(function*() {
      const closed = yield* Deferred.make<Exited>()
      const child = spawn(process.execPath, [mainFile, ...args], {
        cwd: options.cwd ?? "/",
        env: { PATH: searchPath, ...env },
        stdio: ["ignore", "pipe", "pipe"]
      })
      child.once("error", (cause) => Deferred.unsafeDone(closed, Exit.die(cause)))
      child.once("close", (code, signal) => Deferred.unsafeDone(closed, Exit.succeed({ code, signal })))
      const isOver = () => child.exitCode !== null || child.signalCode !== null
      return new DaemonProcess(child.pid ?? 0, new Output(child.stdout), new Output(child.stderr), Deferred.await(closed), isOver)
    }),
    (daemon) =>
      daemon.end("SIGTERM").pipe(
        Effect.interruptible,
        Effect.timeoutTo({ duration: "15 seconds", onSuccess: () => Effect.void, onTimeout: () => Effect.asVoid(daemon.end("SIGKILL")) }),
        Effect.flatten
      )
  )

/** Runs the program to its end. */
export const runToEnd = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  Effect.scoped(Effect.flatMap(startDaemon(args, env), (daemon) =>
    Effect.map(Effect.timed(daemon.exited), ([took, exited]) => ({
      ...exited,
      took: Duration.toMillis(took),
      stdout: daemon.stdout.text,
      stderr: daemon.stderr.text
    }))))
