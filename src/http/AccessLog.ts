import { Cause, Effect, FiberId, FiberRef, HashMap, List, LogLevel } from "effect"
import { LogFields } from "../domain/LogFields.ts"

/** A request and what came of it, as the log has it. */
export interface Access {
  readonly method: string
  /** Without the query, which may hold codes and states. */
  readonly path: string
  readonly status: number
  /** When the request came, in epoch milliseconds. */
  readonly began: number
}

/** The client was gone before its answer, as proxies write it in their logs; nobody gets it. */
export const clientGone = 499

/**
 * The access log: an entry `http.request` for each request, once its status is known. It goes to the loggers at once and by
 * no Effect, which would cost more than the rest of the request.
 */
export const makeAccessLog: Effect.Effect<(access: Access) => void> = Effect.gen(function*() {
  const clock = yield* Effect.clock
  const loggers = [...(yield* FiberRef.get(FiberRef.currentLoggers))]
  const isWanted = LogLevel.lessThanEqual(yield* FiberRef.get(FiberRef.currentMinimumLogLevel), LogLevel.Info)
  const context = yield* Effect.getFiberRefs
  return ({ began, method, path, status }) => {
    if (!isWanted) return
    const now = clock.unsafeCurrentTimeMillis()
    const entry = {
      fiberId: FiberId.none,
      logLevel: LogLevel.Info,
      message: ["http.request", new LogFields({ method, ms: now - began, path, status })],
      cause: Cause.empty,
      context,
      spans: List.empty<never>(),
      annotations: HashMap.empty<string, unknown>(),
      date: new Date(now)
    }
    for (const logger of loggers) logger.log(entry)
  }
})
