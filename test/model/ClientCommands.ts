import { Effect, Fiber } from "effect"
import type { Asked } from "./Asked.ts"
import type { Account, Modelled } from "./SessionModel.ts"
import * as M from "./SessionModel.ts"
import * as rules from "./SessionRules.ts"
import type { SessionWorld } from "./SessionWorld.ts"
import { settled } from "./SessionWorld.ts"
import type { Command } from "./Step.ts"
import { accountOf, grantFor, idOf, known, onOne, step } from "./Step.ts"

/* What clients do. Nobody waits in a command: whoever asks for something is heard of later. */

/** Whoever sends an id back claims its session, whatever comes of it. */
const claim = (session: Modelled) => {
  if (!M.isOver(session)) session.claimed = true
}

export const opens = (account: number, nth: number): Command =>
  step(`open as ${account}`, () => true, (world) => {
    const of = accountOf(world, account)
    return Effect.map(world.open(of, grantFor(of, nth)), (asked) => () => rules.open(world.model, asked, "client"))
  })

const called = (world: SessionWorld, session: Modelled, nth: number) =>
  Effect.map(world.call(session.account, grantFor(session.account, nth), idOf(session)), (asked) => () => {
    claim(session)
    rules.call(world.model, session, asked)
  })
export const calls = (nth: number): Command => onOne("call", nth, known("live", "leaving", "parked", "starting"), (world, session) => called(world, session, nth))
export const callsParked = (nth: number): Command => onOne("call parked", nth, known("parked"), (world, session) => called(world, session, nth))
export const callsLeaving = (nth: number): Command => onOne("call leaving", nth, known("leaving"), (world, session) => called(world, session, nth))
/** At once: of those that come to a parked session one revives it, and the others find it starting. Who of them is told first that the user is gone is left open. */
export const callsTogether = (nth: number): Command =>
  onOne("call three times", nth, (model) => known("leaving", "parked")(model).filter(({ account }) => !model.goneUsers.has(account.user)), (world, session) =>
    Effect.map(Effect.all([called(world, session, nth), called(world, session, nth), called(world, session, nth)]), (follows) => () => {
      for (const follow of follows) follow()
    }))
export const callsEnded = (nth: number): Command => onOne("call ended", nth, known("ended"), (world, session) => called(world, session, nth))
export const callsDefault = (account: number, nth: number): Command =>
  step(`call default of ${account}`, () => true, (world) => {
    const of = accountOf(world, account)
    return Effect.map(world.callDefault(of, grantFor(of, nth)), (asked) => () => rules.callDefault(world.model, asked))
  })

/** The call comes before anybody has seen that the child is gone. Whether one too many is refused then is left open. */
export const callsAtCrash = (nth: number): Command =>
  onOne("call at crash", nth, (model) => known("live")(model).filter((session) => M.inFlight(session) < M.limits.calls), (world, session) => {
    world.play.children.findLast(({ alive, greeted, label }) => alive && greeted && label === session.label)?.crash()
    return Effect.map(called(world, session, nth), (follow) => () => {
      rules.crash(world.model, session, M.presentOf(session))
      follow()
    })
  })

export const pings = (nth: number): Command =>
  onOne("ping", nth, known("live", "leaving", "parked", "ended"), (world, session) =>
    Effect.map(Effect.zipLeft(world.call(session.account, session.grant, idOf(session), "ping"), settled), (asked) => {
      world.answer(asked.n, { result: { n: asked.n } })
      return () => {
        claim(session)
        if (M.isOver(session)) rules.fail(world.model, asked, "SessionEnded")
        else if (session.state !== "parked" && M.inFlight(session) >= M.limits.calls) rules.fail(world.model, asked, "SessionBusy")
        else rules.settle(asked, { _tag: session.state === "live" ? "Result" : "Pong" })
      }
    }))

export const notifies = (nth: number): Command =>
  onOne("notify", nth, known("live", "leaving", "parked", "starting", "ended"), (world, session) =>
    Effect.map(world.notify(session.account, session.grant, idOf(session)), (asked) => () => {
      claim(session)
      if (M.isOver(session)) return rules.settle(asked, { _tag: "Failure", tags: ["SessionEnded"] })
      if (session.state === "live") {
        session.lastActivity = world.model.now
        M.presentOf(session).told++
      } else session.missed = Math.min(M.limits.missed, session.missed + 1)
      rules.settle(asked, { _tag: "Done" })
    }))

/** Another user, or another client of the same one, has got hold of the id. */
export const strangerCalls = (nth: number, account: number): Command =>
  onOne(`stranger ${account} calls`, nth, known("live", "leaving", "parked", "starting", "ended"), (world, session) => {
    const others = world.model.accounts.filter((other) => other !== session.account)
    const other = others[account % others.length] as Account
    return Effect.map(world.call(other, grantFor(other, 0), idOf(session)), (asked) => () => rules.settle(asked, { _tag: "Failure", tags: ["SessionForeign"] }))
  })

const closed = (world: SessionWorld, session: Modelled) =>
  Effect.map(world.end(session.account, session.grant, idOf(session)), (asked) => () => {
    claim(session)
    if (M.isOver(session)) return rules.settle(asked, { _tag: "Failure", tags: ["SessionEnded"] })
    rules.end(world.model, session, "closed")
    // It is told when the process group is gone.
    if (session.state === "leaving") session.later.push(asked)
    else rules.settle(asked, { _tag: "Done" })
  })
export const closes = (nth: number): Command => onOne("close", nth, known("live", "leaving", "parked", "starting", "ended"), closed)
export const closesLeaving = (nth: number): Command => onOne("close leaving", nth, known("leaving"), closed)

const left = (world: SessionWorld, asked: Asked) =>
  Effect.as(Fiber.interrupt(asked.fiber), () => {
    asked.isLeft = true
    const session = world.model.sessions.find(({ later, waiting }) => waiting.includes(asked) || later.includes(asked))
    if (session === undefined) return
    session.waiting = session.waiting.filter((each) => each !== asked)
    session.later = session.later.filter((each) => each !== asked)
    if (asked.what === "open" && session.state === "starting") rules.leave(world.model, session, "ended", "closed")
    rules.settle(asked, { _tag: "Interrupted" })
  })
/** A client that does not wait any more: what its child has goes on, and what has not begun is forgotten. */
export const leaves = (nth: number): Command => onOne("client leaves", nth, ({ asked }) => asked.filter(({ isLeft }) => !isLeft), left)
/** While its session has no child yet, or none any more. */
export const leavesWaiting = (nth: number): Command =>
  onOne("waiting client leaves", nth, ({ sessions }) => sessions.flatMap(({ later, waiting }) => [...waiting, ...later]), left)
