import type { Modelled, SessionModel } from "./SessionModel.ts"
import * as M from "./SessionModel.ts"

/** Those of some that were used least recently: of several that were so in the same moment any is as good. */
const leastRecent = (some: ReadonlyArray<Modelled>): ReadonlyArray<Modelled> => {
  const first = Math.min(...some.map(({ lastActivity }) => lastActivity))
  return some.filter(({ lastActivity }) => lastActivity === first)
}

/** Whether a session waits for the slot of one of several, and nobody knows of which. Only time may go on then. */
export const isLeftOpen = ({ sessions }: SessionModel): boolean =>
  sessions.some(({ after }) => after !== undefined && sessions.some((other) => other !== after && other.state === "leaving" && other.lastActivity === after.lastActivity))

/** A slot for a session of `user`: there is a free one, or none, or a session gives its own; of several that may, the real one chooses. */
export const slotFor = (model: SessionModel, user: string): "free" | "none" | Modelled => {
  const held = model.sessions.filter(M.holdsSlot)
  const of = (who: string) => held.filter(({ account }) => account.user === who)
  const own = of(user)
  const isUserFull = own.length >= M.limits.perUser
  if (!isUserFull && held.length < M.limits.total) return "free"
  // One that is leaving gives its slot up anyway. Of several it does not matter which, as long as they are gone together: `isLeftOpen`.
  const [giving] = leastRecent((isUserFull ? own : held).filter(({ state }) => state === "leaving"))
  if (giving !== undefined) return giving
  const mayLose = [...new Set(held.map(({ account }) => account.user))].filter((other) => other === user || of(other).length > own.length)
  const most = Math.max(...mayLose.filter((other) => of(other).some(M.isIdle)).map((other) => of(other).length))
  const losers = isUserFull ? [user] : mayLose.filter((other) => of(other).length === most)
  const candidates = losers.flatMap((loser) => leastRecent(of(loser).filter(M.isIdle)))
  if (candidates.length === 0) return "none"
  const victim = candidates.length === 1 ? candidates[0] : candidates.find(({ label }) => model.seen.hasLeftAt(label, model.now))
  if (victim === undefined) throw new Error(`none of ${candidates.length} sessions left for one`)
  return victim
}
