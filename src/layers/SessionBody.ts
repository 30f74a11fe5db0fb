import type { Deferred } from "effect"
import { Clock, Duration, Effect, Option, Ref } from "effect"
import type { SessionKey } from "../domain/Ids.ts"
import type { Request } from "../domain/JsonRpc.ts"
import { encodeError, ErrorCode } from "../domain/JsonRpc.ts"
import type { IdleWindows, SessionEnd, SessionState } from "../domain/SessionState.ts"
import { begin, endIfIdle, finish, touch, untilIdle } from "../domain/SessionState.ts"
import { refusal } from "../domain/ToolPolicy.ts"
import { untilNothingRemains } from "../services/Schedules.ts"
import type { OpenedSession, OpenError, Session } from "../services/Sessions.ts"
import { SessionBusy, SessionEnded } from "../services/Sessions.ts"
import { CallChannel } from "./CallChannel.ts"
import type { Generation } from "./Generation.ts"

/** What the registry holds of a session from the moment its slot is taken. */
export interface Running {
  readonly state: Ref.Ref<SessionState>
  /** Completed by whoever ends the session from outside. */
  readonly stop: Deferred.Deferred<SessionEnd>
  readonly ready: Deferred.Deferred<OpenedSession, OpenError>
  /** Completed when the session is over and its process group is gone. */
  readonly done: Deferred.Deferred<SessionEnd>
}

/** Completes when the session has been idle for its window, and ends it in the same step: a call either comes before or finds it over. */
export const becomesIdle = (state: Ref.Ref<SessionState>, windows: IdleWindows): Effect.Effect<"idle"> => {
  const remaining = Effect.zipWith(Clock.currentTimeMillis, Ref.get(state), (now, current) => Duration.millis(untilIdle(current, now, windows)))
  return Effect.repeat(remaining, untilNothingRemains).pipe(
    Effect.zipRight(Effect.flatMap(Clock.currentTimeMillis, (now) => Ref.updateAndGet(state, (current) => endIfIdle(current, now, windows)))),
    Effect.repeat({ until: (current) => current._tag === "Ended" }),
    Effect.as("idle" as const)
  )
}

/** The session as those see it who talk to it. */
export const makeSession = (
  key: SessionKey,
  running: Running,
  generation: Generation,
  limits: { readonly maxCalls: number },
  done: Effect.Effect<SessionEnd>
): Session => {
  const call = Effect.fnUntraced(function*(request: Request) {
    const refused = refusal(request.method, request.params)
    if (refused !== undefined) {
      const answer = new CallChannel()
      answer.complete(encodeError(request.id, ErrorCode.invalidParams, refused))
      return answer
    }
    // A child that has just gone has not yet ended its session.
    if (Option.isSome(yield* generation.ended)) return yield* new SessionEnded()
    const isActivity = request.method !== "ping"
    const now = yield* Clock.currentTimeMillis
    const begun = yield* Ref.modify(running.state, (state) => begin(state, now, limits.maxCalls, isActivity))
    if (begun === "over") return yield* new SessionEnded()
    if (begun === "full") return yield* new SessionBusy({ limit: limits.maxCalls })
    const settled = Effect.flatMap(Clock.currentTimeMillis, (at) => Ref.update(running.state, (state) => finish(state, at, isActivity)))
    return yield* generation.call(request, settled)
  }, Effect.uninterruptible)

  return {
    key,
    call,
    done,
    notify: (notification) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const state = yield* Ref.updateAndGet(running.state, (current) => touch(current, now))
        if (state._tag !== "Live") return yield* new SessionEnded()
        yield* generation.notify(notification)
      })
  }
}
