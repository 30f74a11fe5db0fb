import { Deferred, Effect, Exit, type Scope } from "effect"
import { spawn } from "node:child_process"
import type { Writable } from "node:stream"
import { Output } from "./Output.ts"

/** A program of others that works with the daemon. */
export interface Program {
  readonly stdin: Writable
  readonly stdout: Output
  readonly stderr: Output
  /** Its exit code, when everything that it said has been read; nothing where a signal ended it. */
  readonly exited: Effect.Effect<number | null>
}

/** Starts a program with an environment of nothing but `env`. It is killed at the end of the scope, if it runs by then. */
export const startProgram = (
  command: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>
): Effect.Effect<Program, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.gen(function*() {
        const closed = yield* Deferred.make<number | null>()
        const child = spawn(command, args, { env, stdio: ["pipe", "pipe", "pipe"] })
        child.once("error", (cause) => Deferred.unsafeDone(closed, Exit.die(cause)))
        child.once("close", (code) => Deferred.unsafeDone(closed, Exit.succeed(code)))
        // Who has ended reads no more.
        child.stdin.on("error", () => {})
        return { child, exited: Deferred.await(closed) }
      }),
      ({ child, exited }) =>
        Effect.zipRight(
          Effect.sync(() => {
            if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL")
          }),
          Effect.exit(exited)
        )
    ),
    ({ child, exited }) => ({ stdin: child.stdin, stdout: new Output(child.stdout), stderr: new Output(child.stderr), exited })
  )
