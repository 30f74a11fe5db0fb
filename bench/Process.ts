import { Deferred, Effect, Exit, Schedule, type Scope } from "effect"
import { spawn } from "node:child_process"
import { closeSync, openSync, readFileSync } from "node:fs"

/** A process that is being measured. */
export interface Process {
  readonly pid: number
  /** Ends it, as the end of its scope would. */
  readonly stop: Effect.Effect<void>
}

export interface Start {
  readonly command: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  /** Takes everything that it says: a pipe would have to be read, and cost the one who reads. */
  readonly log: string
  /** Some peers start a shell that starts the child: then all that it has started gets the signal. */
  readonly isGroup?: boolean
}

/** Starts a process with nothing but `env`. At the end of the scope it gets TERM, and KILL where 15 seconds are not enough. */
export const startProcess = ({ command, env, isGroup = false, log }: Start): Effect.Effect<Process, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.gen(function*() {
        const [program = "", ...args] = command
        const file = openSync(log, "a")
        const exited = yield* Deferred.make<void>()
        const child = spawn(program, args, { cwd: "/", env, stdio: ["ignore", file, file], detached: isGroup })
        closeSync(file)
        child.once("error", (cause) => Deferred.unsafeDone(exited, Exit.die(cause)))
        child.once("exit", () => Deferred.unsafeDone(exited, Exit.void))
        const { pid = 0 } = child
        const isOver = () => pid === 0 || child.exitCode !== null || child.signalCode !== null
        const signal = (name: NodeJS.Signals) =>
          Effect.sync(() => {
            if (!isOver()) process.kill(isGroup ? -pid : pid, name)
          })
        const stop = signal("SIGTERM").pipe(
          Effect.zipRight(Deferred.await(exited)),
          Effect.interruptible,
          Effect.timeoutTo({
            duration: "15 seconds",
            onSuccess: () => Effect.void,
            onTimeout: () => Effect.zipRight(signal("SIGKILL"), Deferred.await(exited))
          }),
          Effect.flatten
        )
        return { pid, stop, exited }
      }),
      ({ stop }) => stop
    ),
    ({ pid, stop }) => ({ pid, stop })
  )

const end = (text: string): string => text.trim().split("\n").slice(-5).join("\n")

/** Asks `url` every 10 ms until somebody answers with `status`; any status unless told. Dies, with the log's end, after 20 seconds. */
export const untilAnswers = (url: string, log: string, status?: number): Effect.Effect<void> =>
  Effect.tryPromise(async () => {
    const answer = await fetch(url)
    await answer.arrayBuffer()
    if (status !== undefined && answer.status !== status) throw new Error(`HTTP ${answer.status}`)
  }).pipe(
    Effect.retry(Schedule.spaced("10 millis")),
    Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => new Error(`nobody answers at ${url}:\n${end(readFileSync(log, "utf8"))}`) }),
    Effect.orDie
  )

/** What Linux counts in, in user space: a hundred a second. */
const tickMs = 10

/** CPU time of a process since its start, in milliseconds. Its children have their own. */
export const cpuMs = (pid: number): number => {
  // The name in the second field may hold spaces and parentheses.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? []
  return (Number(fields[11]) + Number(fields[12])) * tickMs
}

/** Resident memory of a process, in KiB. */
export const residentKiB = (pid: number): number => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])
