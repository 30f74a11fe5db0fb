import type { Modelled, SessionModel } from "./SessionModel.ts"
import { askToken, inFlightOfChildren, isIdle, lasts, nextTry, presentOf, startOfMinute } from "./SessionModel.ts"
import { answered, drained, endGrantsOf, isToRotate, leave, lookIfGone, notUp, replace } from "./SessionRules.ts"

interface Event {
  readonly at: number
  /** Of what happens in the same moment the highest comes first: the clock of tests wakes last who began to sleep first. */
  readonly order?: number
  readonly happens: () => void
}

/** Another token is due. */
const renew = (model: SessionModel, session: Modelled) => {
  const token = askToken(model, session.account.user)
  if (token === "gone") return endGrantsOf(model, session.account.user)
  if (token === "unavailable" || token.serial === presentOf(session).token.serial) session.askAgainAt = nextTry(model.now)
  // It waits for its turn, until the middle of the minute at the latest.
  else if (isToRotate(model, session)) Object.assign(session, { askAgainAt: Infinity, replaceAt: startOfMinute(model.now) + 40_000 })
}

/** The token is over. What it let run may finish; whoever calls now waits for the next child. */
const expire = (model: SessionModel, session: Modelled) => {
  if (inFlightOfChildren(session) === 0) return leave(model, session, "parked")
  Object.assign(session, { state: "leaving", departure: { to: "parked", why: undefined, tags: [] }, drainsUntil: model.now + lasts.drain })
}

/** What time alone brings upon a session. */
const eventsOf = (model: SessionModel, session: Modelled): ReadonlyArray<Event> => {
  if (session.state === "starting") {
    return session.after === undefined ? [{ at: session.startedAt + lasts.start, happens: () => notUp(model, session, "StartFailed") }] : []
  }
  const events = session.generations.flatMap(({ calls, stopsAs, stopsAt }): ReadonlyArray<Event> => [
    ...calls.map((asked) => ({ at: asked.sentAt + lasts.call, happens: () => answered(model, session, asked, { _tag: "Error" }) })),
    ...(stopsAt === undefined ? [] : [{ at: stopsAt, order: stopsAs, happens: () => lookIfGone(model, session) }])
  ])
  if (session.drainsUntil !== undefined) return [...events, { at: session.drainsUntil, happens: () => drained(model, session) }]
  if (session.state !== "live") return events
  const { token } = presentOf(session)
  return [
    ...events,
    { at: Math.max(token.staleAt, session.askAgainAt), happens: () => renew(model, session) },
    ...(session.replaceAt === undefined ? [] : [{ at: session.replaceAt, happens: () => replace(model, session) }]),
    { at: token.expiresAt, happens: () => expire(model, session) },
    ...(isIdle(session)
      ? [{ at: session.lastActivity + (session.used ? lasts.idle : lasts.handshakeOnly), happens: () => leave(model, session, "parked") }]
      : [])
  ]
}

/** Lets the model's time pass, one event after the other. */
export const pass = (model: SessionModel, millis: number): void => {
  const end = model.now + millis
  for (;;) {
    const next = model.sessions.flatMap((session) => eventsOf(model, session)).reduce<Event | undefined>(
      (first, event) => first === undefined || event.at < first.at || (event.at === first.at && (event.order ?? 0) > (first.order ?? 0)) ? event : first,
      undefined
    )
    if (next === undefined || next.at > end) break
    model.now = Math.max(model.now, next.at)
    next.happens()
  }
  model.now = end
}
