import type { FastCheck as fc } from "effect"
import { Effect, Fiber, TestClock } from "effect"
import { UserId } from "../../src/domain/Ids.ts"
import type { Asked } from "./Asked.ts"
import { pass } from "./SessionClock.ts"
import { invariant } from "./SessionInvariant.ts"
import type { Account, Modelled, SessionModel } from "./SessionModel.ts"
import * as M from "./SessionModel.ts"
import * as rules from "./SessionRules.ts"
import type { SessionWorld } from "./SessionWorld.ts"
import { refusal, settled } from "./SessionWorld.ts"

export interface Real {
  readonly world: SessionWorld
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Promise<A>
}
export type Command = fc.AsyncCommand<SessionModel, Real, false>

/** First the real thing, then the model, then the comparison. */
const step = <E>(name: string, isPossible: (model: SessionModel) => boolean, act: (world: SessionWorld) => Effect.Effect<unknown, E>): Command => ({
  check: (model) => isPossible(model as SessionModel),
  run: (_, { run, world }) => run(Effect.suspend(() => act(world)).pipe(
      Effect.zipRight(settled),
      Effect.zipRight(Effect.sync(() => pass(world.model, 0))),
      Effect.zipRight(invariant(world)),
      Effect.asVoid
    )),
  toString: () => name
})
/** The `nth` of those that there are. */
const onOne = <A, E>(name: string, nth: number, some: (model: SessionModel) => ReadonlyArray<A>, act: (world: SessionWorld, one: A) => Effect.Effect<unknown, E>): Command =>
  step(`${name} ${nth}`, (model) => some(model).length > 0, (world) => {
    const among = some(world.model)
    return act(world, among[nth % among.length] as A)
  })

const idOf = (session: Modelled): string | undefined => session.opener.opened()
const isKnown = (session: Modelled): boolean => idOf(session) !== undefined
const is = (...states: ReadonlyArray<Modelled["state"]>) => ({ sessions }: SessionModel) => sessions.filter((session) => isKnown(session) && states.includes(session.state))
const liveGrants = ({ grants }: Account) => grants.flatMap((isOver, grant) => isOver ? [] : [grant])
/** One of the grants that the account has, of those that are not over if there are such. */
const grantFor = (account: Account, nth: number): number => liveGrants(account)[nth % liveGrants(account).length] ?? account.grants.length - 1
const accountOf = (world: SessionWorld, nth: number): Account => world.model.accounts[nth] as Account
const claim = (session: Modelled) => {
  if (!M.isOver(session)) session.claimed = true
}
const touched = (model: SessionModel, session: Modelled, asked: Asked) => {
  if (session.state === "starting") return void session.waiting.push(asked)
  if (M.isOver(session)) return rules.settle(asked, { _tag: "Failure", tags: ["SessionEnded"] })
  if (session.state === "live") {
    session.lastActivity = model.now
    M.presentOf(session).told++
  } else session.missed = Math.min(M.limits.missed, session.missed + 1)
  rules.settle(asked, { _tag: "Done" })
}
/** Sessions with their calls that the child has. */
const pending = ({ sessions }: SessionModel) => sessions.flatMap((session) => session.generations.flatMap(({ calls }) => calls.map((asked) => ({ session, asked }))))

export const opens = (account: number, nth: number): Command =>
  step(`open as ${account}`, () => true, (world) => {
    const of = accountOf(world, account)
    return Effect.map(world.open(of, grantFor(of, nth)), (asked) => rules.open(world.model, asked, "client"))
  })
const called = (world: SessionWorld, session: Modelled, nth: number) =>
  Effect.map(world.call(session.account, grantFor(session.account, nth), idOf(session) ?? ""), (asked) => {
    claim(session)
    rules.call(world.model, session, asked)
  })
export const calls = (nth: number): Command => onOne("call", nth, is("live", "leaving", "parked", "starting"), (world, session) => called(world, session, nth))
export const callsEnded = (nth: number): Command => onOne("call ended", nth, is("ended"), (world, session) => called(world, session, nth))
export const callsDefault = (account: number, nth: number): Command =>
  step(`call default of ${account}`, () => true, (world) => {
    const of = accountOf(world, account)
    return Effect.map(world.callDefault(of, grantFor(of, nth)), (asked) => rules.callDefault(world.model, asked))
  })
export const pings = (nth: number): Command =>
  onOne("ping", nth, is("live", "leaving", "parked", "ended"), (world, session) =>
    Effect.map(world.call(session.account, session.grant, idOf(session) ?? "", "ping"), (asked) => {
      const { child, id } = world.holderOf(asked.n) ?? {}
      child?.emit({ jsonrpc: "2.0", id, result: { n: asked.n } })
      claim(session)
      const isFull = M.inFlight(session) >= M.limits.calls
      if (M.isOver(session)) rules.fail(world.model, asked, "SessionEnded")
      else if (session.state !== "live") rules.settle(asked, { _tag: "Pong" })
      else if (isFull) rules.fail(world.model, asked, "SessionBusy")
      else rules.settle(asked, { _tag: "Result" })
    }))
export const touches = (nth: number): Command =>
  onOne("notify", nth, is("live", "leaving", "parked", "starting", "ended"), (world, session) =>
    Effect.map(world.notify(session.account, session.grant, idOf(session) ?? ""), (asked) => {
      claim(session)
      touched(world.model, session, asked)
    }))
export const strangers = (nth: number, account: number): Command =>
  onOne(`stranger ${account} calls`, nth, is("live", "leaving", "parked", "starting", "ended"), (world, session) => {
    const others = world.model.accounts.filter((other) => other !== session.account)
    const other = others[account % others.length] as Account
    return Effect.map(world.call(other, grantFor(other, 0), idOf(session) ?? ""), (asked) => rules.settle(asked, { _tag: "Failure", tags: ["SessionForeign"] }))
  })
export const closes = (nth: number): Command =>
  onOne("close", nth, is("live", "leaving", "parked", "starting", "ended"), (world, session) =>
    Effect.map(world.end(session.account, session.grant, idOf(session) ?? ""), (asked) => {
      claim(session)
      if (M.isOver(session)) return rules.fail(world.model, asked, "SessionEnded")
      rules.end(world.model, session, "closed")
      if (session.state === "leaving") session.later.push(asked)
      else rules.settle(asked, { _tag: "Done" })
    }))
export const aborts = (nth: number): Command =>
  onOne("client leaves", nth, ({ asked }) => asked.filter(({ isLeft }) => !isLeft), (world, asked) =>
    Effect.map(Fiber.interrupt(asked.fiber), () => {
      asked.isLeft = true
      const session = world.model.sessions.find(({ later, waiting }) => waiting.includes(asked) || later.includes(asked))
      if (session === undefined) return
      session.waiting = session.waiting.filter((each) => each !== asked)
      session.later = session.later.filter((each) => each !== asked)
      if (asked.what === "open" && session.state === "starting") rules.leave(world.model, session, "ended", "closed")
      rules.settle(asked, { _tag: "Interrupted" })
    }))

const answers = (world: SessionWorld, n: number, body: { readonly result: unknown } | { readonly error: unknown }) => {
  const { child, id } = world.holderOf(n) ?? {}
  child?.emit({ jsonrpc: "2.0", id, ...body })
}
export const replies = (nth: number): Command =>
  onOne("reply", nth, pending, (world, { asked, session }) =>
    Effect.sync(() => {
      answers(world, asked.n, { result: { n: asked.n } })
      answers(world, asked.n, { result: "a second time" })
      rules.answered(world.model, session, asked, { _tag: "Result" })
    }))
/** Tokens are not renewed so soon after each other that a session could be late for two. */
export const refuses = (nth: number, isRenewed: boolean): Command =>
  onOne(
    `refuse${isRenewed ? ", for the token" : ""}`,
    nth,
    (model) => pending(model).filter(({ session }) => session.state === "live" && model.now < M.presentOf(session).token.staleAt && session.replaceAt === undefined),
    (world, { asked, session }) =>
      Effect.sync(() => {
        const { model, tokens } = world
        tokens.suspect = isRenewed && model.isForgejoUp && model.now > model.token.staleAt - 15 * M.minute ? "renewed" : "fine"
        answers(world, asked.n, { error: { code: -1, message: refusal } })
        rules.answered(model, session, asked, { _tag: "Refused" })
        const { user } = session.account
        const isHeld = M.presentOf(session).token.serial === model.token.serial
        if (model.goneUsers.has(user)) return rules.endGrantsOf(model, user)
        if (isHeld && tokens.suspect === "fine") return
        if (isHeld) M.renewToken(model)
        rules.replace(model, session)
      })
  )
/** To a call that was given up, by a child that is still there. */
export const repliesTooLate = (nth: number): Command =>
  step(`reply too late ${nth}`, () => true, (world) =>
    Effect.sync(() => {
      const open = new Set(pending(world.model).map(({ asked }) => asked.n))
      const over = world.play.children.flatMap((child) => child.alive ? child.received.flatMap(({ params }) => (params as { n?: number } | undefined)?.n ?? []) : []).filter((n) => !open.has(n))
      if (over.length > 0) answers(world, over[nth % over.length] ?? 0, { result: "too late" })
    }))

const withChildren = ({ sessions }: SessionModel) =>
  sessions.filter(({ after, generations, state }) => generations.length > 0 || (state === "starting" && after === undefined))
export const crashes = (nth: number): Command =>
  onOne("crash", nth, withChildren, (world, session) =>
    Effect.sync(() => {
      const children = world.play.children.filter(({ alive, greeted, label }) => alive && label === session.label && (greeted || session.state === "starting"))
      children[nth % children.length]?.crash()
      const generation = session.generations[nth % session.generations.length]
      if (generation === undefined) rules.crashedEarly(world.model, session)
      else rules.crash(world.model, session, generation)
    }))
/** The call comes before anybody has seen that the child is gone. */
export const crashesAtCall = (nth: number): Command =>
  onOne("crash at call", nth, is("live"), (world, session) => {
    world.play.children.findLast(({ alive, greeted, label }) => alive && greeted && label === session.label)?.crash()
    return Effect.map(world.call(session.account, grantFor(session.account, nth), idOf(session) ?? ""), (asked) => {
      claim(session)
      rules.crash(world.model, session, M.presentOf(session))
      rules.call(world.model, session, asked)
    })
  })
export const comesUp = (nth: number): Command =>
  onOne("come up", nth, ({ sessions }) => sessions.filter(({ after, state }) => state === "starting" && after === undefined), (world, session) =>
    Effect.sync(() => {
      world.play.children.findLast(({ alive, label }) => alive && label === session.label)?.comeUp()
      rules.cameUp(world.model, session)
    }))

export const passes = (minutes: number): Command =>
  step(`${minutes} min`, () => true, ({ look, model }) =>
    TestClock.adjust(minutes * M.minute).pipe(Effect.zipRight(look), Effect.zipRight(Effect.sync(() => pass(model, minutes * M.minute)))))
export const children = (mode: SessionModel["children"]): Command =>
  step(`children: ${mode}`, (model) => model.children !== mode, ({ model, play }) =>
    Effect.sync(() => {
      model.children = mode
      play.mode = mode
    }))
export const stubborn = (isStubborn: boolean): Command =>
  step(`children stop ${isStubborn ? "slowly" : "at once"}`, (model) => model.isStubborn !== isStubborn, ({ model, play }) =>
    Effect.sync(() => {
      model.isStubborn = isStubborn
      play.stopTakes = isStubborn ? M.lasts.stop : 0
    }))
export const forgejo = (isUp: boolean): Command =>
  step(`Forgejo ${isUp ? "up" : "down"}`, (model) => model.isForgejoUp !== isUp, ({ model, tokens }) =>
    Effect.sync(() => {
      model.isForgejoUp = isUp
      tokens.current = isUp ? "good" : "unavailable"
    }))
export const goes = (account: number): Command =>
  step(`user of ${account} revokes at Forgejo`, () => true, (world) =>
    Effect.sync(() => {
      const { user } = accountOf(world, account)
      world.model.goneUsers.add(user)
      world.tokens.goneUsers.add(UserId.make(user))
    }))
export const signsIn = (account: number): Command =>
  step(`sign in as ${account}`, () => true, (world) =>
    Effect.sync(() => {
      const { grants, user } = accountOf(world, account)
      grants.push(false)
      world.model.goneUsers.delete(user)
      world.tokens.goneUsers.delete(UserId.make(user))
    }))
const grants = ({ accounts }: SessionModel) => accounts.flatMap((account) => liveGrants(account).map((grant) => ({ account, grant })))
export const revokes = (nth: number): Command =>
  onOne("revoke", nth, grants, (world, { account, grant }) => Effect.map(world.revoke(account, grant), () => rules.endGrants(world.model, [{ account, grant }])))
/** `revoked`: a grant that ends while nobody listens. */
export const restarts = (isKilled: boolean, revoked: number | undefined): Command =>
  step(`restart${isKilled ? ", killed" : ""}${revoked === undefined ? "" : `, revoke ${revoked}`}`, () => true, (world) =>
    Effect.gen(function*() {
      const { model, sql } = world
      const live = model.sessions.filter((session) => M.rowOf(session).state === "live").map(({ label }) => label)
      const stopping = yield* Effect.forkDaemon(world.stop)
      yield* settled
      model.isClosing = true
      const restarting: M.Departure = { to: "parked", why: undefined, tags: ["Restarting"] }
      for (const session of model.sessions) if (M.isRunning(session) || session.drainsUntil !== undefined) rules.depart(model, session, restarting)
      if (model.sessions.some(({ state }) => state === "leaving")) {
        yield* TestClock.adjust(M.minute)
        pass(model, M.minute)
      }
      yield* Fiber.join(stopping)
      model.isClosing = false
      if (isKilled) yield* sql`update sessions set state = 'live' where substr(key, 1, 12) in ${sql.in(live)} and state = 'parked'`
      const among = grants(model)
      const over = revoked === undefined ? undefined : among[revoked % among.length]
      if (over !== undefined) {
        yield* world.revoke(over.account, over.grant)
        over.account.grants[over.grant] = true
      }
      yield* world.start
    }))
