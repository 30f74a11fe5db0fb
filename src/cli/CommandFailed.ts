import { Cause, Data, Effect, Exit, Option } from "effect"

/** Ends the program with `code`, after what a person needs to know was printed. 1: it did not work; 2: wrong settings or flags. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{ readonly code: 1 | 2 }> {}

export const print = (text: string): Effect.Effect<void> => Effect.sync(() => void process.stdout.write(text))

/** For people: stdout belongs to what a command answers. */
export const complain = (text: string): Effect.Effect<void> => Effect.sync(() => void process.stderr.write(text))

/**
 * The exit code of the program: 0 for an end as asked for (also by SIGTERM and SIGINT, which interrupt), the code of a `CommandFailed`,
 * 2 where the command line library refused the arguments (it has said why), else 1.
 */
export const exitCodeOf = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)) return 0
  return Option.match(Cause.failureOption(exit.cause), {
    onNone: () => 1,
    onSome: (error) => error instanceof CommandFailed ? error.code : 2
  })
}
