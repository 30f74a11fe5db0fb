import { Effect, Layer } from "effect"
import { Clients } from "../services/Clients.ts"
import { GrantUpkeep } from "../services/GrantUpkeep.ts"
import { PendingLogins } from "../services/PendingLogins.ts"
import { flushUse, sweep } from "../services/Schedules.ts"
import { UpstreamTokens } from "../services/UpstreamTokens.ts"

/** A step that dies is logged and does not end its loop. */
const guarded = (name: string, step: Effect.Effect<void>) => Effect.catchAllCause(step, (cause) => Effect.logError(name, cause))

/** The loops that keep the store small. They belong to this layer and stop with it; the last uses are written at its end. */
export const SweepLive = Layer.scopedDiscard(Effect.gen(function*() {
  const upkeep = yield* GrantUpkeep
  const logins = yield* PendingLogins
  const clients = yield* Clients
  const tokens = yield* UpstreamTokens
  const sweepOnce = Effect.all([
    guarded("sweep.logins.failed", logins.sweep),
    guarded("sweep.grants.failed", upkeep.sweepExpired),
    guarded("sweep.clients.failed", clients.sweep),
    guarded("sweep.pairs.failed", tokens.forgetUngranted)
  ], { discard: true })
  const flushOnce = guarded("sweep.uses.failed", upkeep.flushUse)
  yield* Effect.addFinalizer(() => flushOnce)
  yield* sweepOnce.pipe(Effect.repeat(sweep), Effect.interruptible, Effect.forkScoped)
  yield* flushOnce.pipe(Effect.repeat(flushUse), Effect.interruptible, Effect.forkScoped)
}))
