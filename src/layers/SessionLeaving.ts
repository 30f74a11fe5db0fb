import { Cause, Exit, Option } from "effect"
import type { Departure } from "../domain/SessionState.ts"
import { end, park } from "../domain/SessionState.ts"
import type { OpenError } from "../services/Sessions.ts"
import { GrantOver, Restarting, SessionEnded } from "../services/Sessions.ts"
import type { CannotResume, Opening } from "./SessionOpening.ts"

/** How the life of a session's child has ended: as somebody decided, or because it did not come up. */
export type LifeExit = Exit.Exit<Departure, OpenError | SessionEnded | CannotResume>

/** How a session leaves whose life has ended so. One that could not be revived is parked as before. */
export const departureOf = (exit: LifeExit, { _tag }: Opening): Departure =>
  Exit.match(exit, {
    onSuccess: (departure) => departure,
    onFailure: (cause) => {
      if (Cause.isInterrupted(cause)) return park("shutdown")
      const error = Option.getOrUndefined(Cause.failureOption(cause))
      if (error?._tag === "CannotResume") return end("incompatible")
      if (error?._tag === "GrantOver") return end("grant_ended")
      return _tag === "New" ? end("start_failed") : park("start_failed")
    }
  })

/** What those are told who waited for a child that did not come up. */
export const whyNotReady = (exit: LifeExit, { reason }: Departure, { _tag }: Opening): Cause.Cause<OpenError | SessionEnded> => {
  if (reason === "shutdown") return Cause.fail(new Restarting())
  const over = _tag === "New" ? new GrantOver() : new SessionEnded()
  if (Exit.isSuccess(exit) || Cause.isInterrupted(exit.cause)) return Cause.fail(over)
  return Cause.map(exit.cause, (error) => error._tag === "CannotResume" || error._tag === "GrantOver" ? over : error)
}
