import type { Asked, Due } from "./Asked.ts"
import type { Account, Departure, Generation, Modelled, SessionModel, Token } from "./SessionModel.ts"
import * as M from "./SessionModel.ts"
import { slotFor } from "./SlotRules.ts"

/** What is answered is known at once; what waits for others is asked again, or told why not. */
export const fail = (model: SessionModel, asked: Asked, ...tags: ReadonlyArray<string>): void => {
  if (model.untold !== undefined) return void model.untold.push(() => fail(model, asked, ...tags))
  // No id was sent, so one that is over is nobody's loss: the broker's own is as good, and where that ends all begins anew, once.
  if (asked.what === "default" && tags[0] === "SessionEnded") {
    if (!asked.hasGoneToBrokersOwn) return callBrokersOwn(model, asked)
    if (!asked.isSecondTry) {
      Object.assign(asked, { isSecondTry: true, hasGoneToBrokersOwn: false })
      return callDefault(model, asked)
    }
  }
  const hasSignedOut = asked.account.grants[asked.grant] === true && (asked.what === "call" || asked.what === "ping")
  // Of several who ask in the moment in which it comes out, each hears of another end of the same.
  const isLeftOpen = model.goneUsers.has(asked.account.user) && tags.some((tag) => ends.includes(tag))
  settle(asked, { _tag: "Failure", tags: isLeftOpen ? ends : tags.map((tag) => tag === "SessionEnded" && hasSignedOut ? "GrantOver" : tag) })
}
const ends = ["UpstreamGone", "GrantOver", "SessionEnded"]
export const settle = (asked: Asked, due: Due): void => void (asked.due = due)

export const open = (model: SessionModel, asked: Asked, openedBy: Modelled["openedBy"]): void => {
  const session = M.makeSession(asked, openedBy)
  model.sessions.push(session)
  takeSlot(model, session, asked)
}
const takeSlot = (model: SessionModel, session: Modelled, asked: Asked): void => {
  if (model.isClosing) return fail(model, asked, "Restarting")
  const slot = slotFor(model, session.account.user)
  if (slot === "none") return fail(model, asked, "SessionsFull")
  if (slot !== "free") {
    slot.hasGivenSlot = true
    if (slot.state === "live") leave(model, slot, "parked")
  }
  const after = slot !== "free" && slot.state === "leaving" ? slot : undefined
  Object.assign(session, { state: "starting", departure: undefined, used: asked.what !== "open", lastActivity: model.now, adopted: false, hasGivenSlot: false, waiting: [asked], after, startsWith: undefined })
  if (after === undefined) start(model, session)
}

const start = (model: SessionModel, session: Modelled): void => {
  const { user } = session.account
  Object.assign(session, { after: undefined, startedAt: model.now })
  if (session.row !== undefined && M.isOfDeadGrant(session)) return leave(model, session, "ended", "grant_ended")
  const token = M.askToken(model, user)
  if (token === "gone") {
    notUp(model, session, "UpstreamGone", "GrantOver", "SessionEnded")
    endGrantsOf(model, user)
  } else if (token === "unavailable") notUp(model, session, "UpstreamUnavailable")
  else tryToStart(model, session, token)
}
const tryToStart = (model: SessionModel, session: Modelled, token: Token): void => {
  session.startsWith = token
  if (session.label === "" && model.children !== "spawn fails") {
    session.label = model.seen.newLabel(session.opener, model.sessions.map(({ label }) => label))
  }
  if (model.children === "up") cameUp(model, session)
  else if (model.children === "refuses initialize" && session.row !== undefined) leave(model, session, "ended", "incompatible")
  else if (model.children === "refuses initialize") notUp(model, session, "InitializeRefused")
  else if (model.children !== "silent") notUp(model, session, "StartFailed")
}
/** A child that was starting has crashed. A token that was renewed meanwhile may have been the reason. */
export const crashedEarly = (model: SessionModel, session: Modelled): void =>
  session.startsWith?.serial === model.token.serial ? notUp(model, session, "StartFailed") : tryToStart(model, session, model.token)
export const notUp = (model: SessionModel, session: Modelled, ...tags: ReadonlyArray<string>): void =>
  depart(model, session, { to: "parked", why: undefined, tags })
export const cameUp = (model: SessionModel, session: Modelled): void => {
  const { missed, startsWith: token = model.token, waiting } = session
  Object.assign(session, { generations: [{ token, calls: [], told: missed, stopsAt: undefined, stopsAs: 0 }] })
  if (M.isOfDeadGrant(session)) return leave(model, session, "ended", "grant_ended")
  session.row ??= model.seen.rowOf(session.label)
  Object.assign(session, { state: "live", waiting: [], lastActivity: model.now, askAgainAt: 0, replaceAt: undefined, waitsForOld: false, missed: 0 })
  for (const asked of waiting) {
    if (asked.what === "call" || asked.what === "default") send(model, session, asked)
    else settle(asked, { _tag: "Done" })
  }
}
const send = (model: SessionModel, session: Modelled, asked: Asked): void => {
  asked.sentAt = model.now
  M.presentOf(session).calls.push(asked)
}

export const call = (model: SessionModel, session: Modelled, asked: Asked): void => {
  if (M.isOver(session)) return fail(model, asked, "SessionEnded")
  if (session.state === "parked") return takeSlot(model, session, asked)
  if (M.inFlight(session) >= M.limits.calls) return fail(model, asked, "SessionBusy")
  if (session.state === "leaving") return void session.later.push(asked)
  session.used = true
  if (session.state === "starting") return void session.waiting.push(asked)
  session.lastActivity = model.now
  send(model, session, asked)
}
export const callDefault = (model: SessionModel, asked: Asked): void => {
  const ofGrant = model.sessions.filter(({ account, claimed, grant }) => account === asked.account && grant === asked.grant && !claimed)
  const newest = ofGrant.filter((each) => each.row !== undefined && M.rowOf(each).state !== "ended")
    .reduce<Modelled | undefined>((last, each) => (last?.row ?? 0) > (each.row ?? 0) ? last : each, undefined)
  if (newest === undefined) return callBrokersOwn(model, asked)
  const isThere = newest.state !== "parked"
  if (!isThere || !newest.adopted) {
    newest.adopted = isThere
    for (const other of ofGrant) if (other !== newest && M.isIdle(other)) leave(model, other, "parked")
  }
  call(model, newest, asked)
}

const callBrokersOwn = (model: SessionModel, asked: Asked): void => {
  asked.hasGoneToBrokersOwn = true
  const own = model.sessions.find((each) =>
    each.account === asked.account && each.grant === asked.grant && !each.claimed && each.openedBy === "broker" && M.isRunning(each))
  if (own === undefined) open(model, asked, "broker")
  else call(model, own, asked)
}

/** The session gives its child up, with a reason that is known; `isKilled`: its children are not asked to stop. */
export const leave = (model: SessionModel, session: Modelled, to: Departure["to"], why?: string, isKilled = false): void =>
  depart(model, session, { to, why, tags: [session.row === undefined ? "GrantOver" : "SessionEnded"] }, isKilled)
export const depart = (model: SessionModel, session: Modelled, departure: Departure, isKilled = false): void => {
  const calls = session.generations.flatMap((generation) => generation.calls.splice(0))
  for (const generation of session.generations) stop(model, session, generation, isKilled)
  Object.assign(session, { state: "leaving", departure, drainsUntil: undefined })
  for (const asked of calls) settle(asked, { _tag: "Error" })
  lookIfGone(model, session)
  // Whoever waits for its child does not wait for the slot as well to hear that there will be none.
  if (session.after?.state === "leaving") for (const asked of session.waiting.splice(0)) fail(model, asked, ...departure.tags)
}
/** Its slot is free once no process is left, neither its own nor that of the one whose slot it has got. */
export const lookIfGone = (model: SessionModel, session: Modelled): void => {
  session.generations = session.generations.filter(({ stopsAt }) => stopsAt === undefined || stopsAt > model.now)
  if (session.state === "live" && session.waitsForOld && session.generations.length === 1) return replace(model, session)
  const { after, departure, later, waiting } = session
  if (session.state !== "leaving" || session.generations.length > 0 || session.drainsUntil !== undefined || after?.state === "leaving") return
  Object.assign(session, { state: session.row === undefined ? "ended" : departure?.to, waiting: [], later: [], after: undefined })
  for (const asked of waiting) fail(model, asked, ...departure?.tags ?? [])
  // Those that wait for its slot take a moment to start; whoever calls it again finds them starting.
  for (const asked of later) {
    if (asked.what === "end") settle(asked, { _tag: "Done" })
    else call(model, session, asked)
  }
  for (const next of model.sessions.filter((each) => each.after === session)) {
    if (next.state === "starting") start(model, next)
    else lookIfGone(model, next)
  }
}
/** It is over: at once where it has a child, and for one that is leaving as soon as that is gone. */
export const end = (model: SessionModel, session: Modelled, why: string): void => {
  if (session.state === "leaving" && session.drainsUntil === undefined) session.departure = { tags: ["SessionEnded"], ...session.departure, to: "ended", why }
  else leave(model, session, "ended", why, why === "grant_ended")
}
export const endGrants = (model: SessionModel, ending: ReadonlyArray<{ readonly account: Account; readonly grant: number }>): void => {
  for (const { account, grant } of ending) account.grants[grant] = true
  const isEnding = (one: { readonly account: Account; readonly grant: number }) => ending.some(({ account, grant }) => account === one.account && grant === one.grant)
  const ends = model.sessions.filter((session) => !M.isOver(session) && isEnding(session))
  // What was called with them in sessions that others of the account's grants have opened is over, too.
  for (const session of model.sessions.filter((each) => !ends.includes(each))) {
    const calls = session.generations.flatMap((generation) => generation.calls)
    for (const asked of calls.filter(isEnding)) answered(model, session, asked, { _tag: "Error" })
  }
  // All of them are over before anybody who waited for one asks again.
  const untold: Array<() => void> = []
  model.untold = untold
  for (const session of ends) end(model, session, "grant_ended")
  model.untold = undefined
  for (const tell of untold) tell()
}
export const endGrantsOf = (model: SessionModel, user: string): void =>
  endGrants(model, model.accounts.filter((account) => account.user === user).flatMap((account) => account.grants.flatMap((isOver, grant) => isOver ? [] : [{ account, grant }])))

/** The child has refused a call, by which it comes out that the user is gone: it is ended before it could be asked to stop. */
export const refusedAndGone = (model: SessionModel, session: Modelled, asked: Asked): void => {
  for (const { calls } of session.generations) if (calls.includes(asked)) calls.splice(calls.indexOf(asked), 1)
  settle(asked, { _tag: "Refused" })
  endGrantsOf(model, session.account.user)
}

/** A call has its answer. An old child goes with its last one. */
export const answered = (model: SessionModel, session: Modelled, asked: Asked, due: Due): void => {
  for (const { calls } of session.generations) if (calls.includes(asked)) calls.splice(calls.indexOf(asked), 1)
  if (session.state === "live") session.lastActivity = model.now
  settle(asked, due)
  if (session.drainsUntil !== undefined && M.inFlightOfChildren(session) === 0) return drained(model, session)
  for (const generation of session.generations) if (generation.calls.length === 0 && generation !== M.presentOf(session)) stop(model, session, generation)
  lookIfGone(model, session)
}
const stop = (model: SessionModel, { label }: Modelled, generation: Generation, isKilled = false): void => {
  if (generation.stopsAt !== undefined) return
  Object.assign(generation, { stopsAt: model.isStubborn && !isKilled ? model.now + M.lasts.stop : model.now, stopsAs: model.seen.stopsAs(label, model.now) })
}
/** What its token let run has run: the rest of a leave. */
export const drained = (model: SessionModel, session: Modelled): void => {
  if (session.departure !== undefined) depart(model, session, session.departure)
}

export const crash = (model: SessionModel, session: Modelled, generation: Generation): void => {
  const isPresent = generation === session.generations.at(-1) && generation.stopsAt === undefined
  generation.stopsAt = model.now
  if (isPresent && session.state === "live") {
    session.crashes = [...session.crashes.filter((at) => model.now - at < M.lasts.crashes), model.now]
    if (session.crashes.length < 3) leave(model, session, "parked")
    else leave(model, session, "ended", "crashed_again")
    return
  }
  const calls = generation.calls.splice(0)
  if (session.state === "live" && calls.length > 0) session.lastActivity = model.now
  for (const asked of calls) settle(asked, { _tag: "Error" })
  if (session.drainsUntil !== undefined && M.inFlightOfChildren(session) === 0) drained(model, session)
  else lookIfGone(model, session)
}

/** There is another token: the session gets a child with it if it is in use, and is parked otherwise. Whether it is to be tried now. */
export const isToRotate = (model: SessionModel, session: Modelled): boolean => {
  if (M.isInUse(session, model.now)) return true
  leave(model, session, "parked")
  return false
}
export const replace = (model: SessionModel, session: Modelled): void => {
  const { user } = session.account
  // A session has two children at most: the next one is started once the one that was replaced last is gone.
  session.waitsForOld = session.generations.length > 1
  if (session.waitsForOld) return void (session.replaceAt = undefined)
  const token = M.askToken(model, user)
  if (token === "gone") return endGrantsOf(model, user)
  const isHeld = token !== "unavailable" && token.serial === M.presentOf(session).token.serial
  if (token === "unavailable" || (!isHeld && model.children !== "up")) return void (session.replaceAt = M.nextTry(model.now))
  Object.assign(session, { replaceAt: undefined, askAgainAt: 0 })
  if (isHeld) return
  const old = M.presentOf(session)
  session.generations.push({ token, calls: [], told: 0, stopsAt: undefined, stopsAs: 0 })
  if (old.calls.length === 0) stop(model, session, old)
  lookIfGone(model, session)
}
