import type { Scope } from "effect"
import { Effect } from "effect"
import type { SessionKey } from "../domain/Ids.ts"
import { beforeUseIsWritten } from "../services/Schedules.ts"
import type { SessionRows } from "../services/SessionRows.ts"

/** When sessions were last used, on its way into the store. */
export interface SessionUses {
  /** `at`: epoch milliseconds. */
  readonly mark: (key: SessionKey, at: number) => void
}

/** Writes the uses of each second together, in a fiber of the scope that sleeps while there are none. A crash loses what has gathered. */
export const makeSessionUses = (rows: SessionRows["Type"]): Effect.Effect<SessionUses, never, Scope.Scope> =>
  Effect.gen(function*() {
    const uses = new Map<SessionKey, number>()
    const awake = yield* Effect.makeLatch(false)
    const write = Effect.suspend(() => {
      const gathered = [...uses].map(([key, at]) => ({ key, at }))
      uses.clear()
      awake.unsafeClose()
      return rows.used(gathered)
    })
    yield* awake.await.pipe(
      Effect.zipRight(Effect.schedule(Effect.void, beforeUseIsWritten)),
      Effect.zipRight(Effect.catchAllCause(write, (cause) => Effect.logError("sessions.uses_failed", cause))),
      Effect.forever,
      Effect.interruptible,
      Effect.forkScoped
    )
    return {
      mark: (key, at) => {
        uses.set(key, at)
        if (uses.size === 1) awake.unsafeOpen()
      }
    }
  })
