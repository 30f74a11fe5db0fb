import { Effect, Fiber, TestClock } from "effect"
import { UserId } from "../../src/domain/Ids.ts"
import { pass } from "./SessionClock.ts"
import type { Modelled, SessionModel } from "./SessionModel.ts"
import * as M from "./SessionModel.ts"
import * as rules from "./SessionRules.ts"
import type { SessionWorld } from "./SessionWorld.ts"
import { refusal, settled } from "./SessionWorld.ts"
import type { Command } from "./Step.ts"
import { accountOf, liveGrants, onOne, passing, pending, step } from "./Step.ts"

/* What befalls sessions from elsewhere: their children, time, Forgejo, revocations, and restarts of the broker. */

export const replies = (nth: number): Command =>
  onOne("reply", nth, pending, (world, { asked, session }) =>
    Effect.sync(() => {
      world.answer(asked.n, { result: { n: asked.n } })
      world.answer(asked.n, { result: "a second time" })
      return () => rules.answered(world.model, session, asked, { _tag: "Result" })
    }))

/** To a call that has been answered or given up, by a child that is still there. */
export const repliesTooLate = (nth: number): Command =>
  step(`reply too late ${nth}`, () => true, (world) =>
    Effect.sync(() => {
      const open = pending(world.model).map(({ asked }) => asked.n)
      const over = world.asked.map(({ n }) => n).filter((n) => !open.includes(n) && world.holderOf(n)?.child.alive === true)
      if (over.length > 0) world.answer(over[nth % over.length] ?? 0, { result: "too late" })
      return () => undefined
    }))

/** Tokens are not renewed so soon after each other that a session could be late for two. */
const isOldEnough = (model: SessionModel): boolean => model.now > model.token.staleAt - 15 * M.minute
/** A call that a child refuses may tell that its token does not serve any more. Not where another one is due anyway: whichever comes first would count. */
export const refuses = (nth: number, isRenewed: boolean): Command =>
  onOne(
    `refuse${isRenewed ? ", for the token" : ""}`,
    nth,
    (model) => pending(model).filter(({ session }) => session.state === "live" && session.replaceAt === undefined && model.now < M.presentOf(session).token.staleAt),
    (world, { asked, session }) =>
      Effect.sync(() => {
        const { model, tokens } = world
        tokens.suspect = isRenewed && model.isForgejoUp && isOldEnough(model) ? "renewed" : "fine"
        world.answer(asked.n, { error: { code: -1, message: refusal } })
        return () => {
          if (model.goneUsers.has(session.account.user)) return rules.refusedAndGone(model, session, asked)
          rules.answered(model, session, asked, { _tag: "Refused" })
          const isHeld = M.presentOf(session).token.serial === model.token.serial
          if (isHeld && tokens.suspect === "fine") return
          if (isHeld) M.renewToken(model)
          rules.replace(model, session)
        }
      })
  )

const withChildren = ({ sessions }: SessionModel) =>
  sessions.filter(({ after, generations, state }) => generations.length > 0 || (state === "starting" && after === undefined))
export const crashes = (nth: number): Command =>
  onOne("crash", nth, withChildren, (world, session) =>
    Effect.sync(() => {
      const children = world.play.children.filter(({ alive, greeted, label }) => alive && label === session.label && (greeted || session.state === "starting"))
      children[nth % children.length]?.crash()
      const generation = session.generations[nth % session.generations.length]
      return () => generation === undefined ? rules.crashedEarly(world.model, session) : rules.crash(world.model, session, generation)
    }))
const oldestCrashed = (world: SessionWorld, session: Modelled) =>
  Effect.sync(() => {
    world.play.children.find(({ alive, greeted, label }) => alive && greeted && label === session.label)?.crash()
    const [oldest] = session.generations
    return () => {
      if (oldest !== undefined) rules.crash(world.model, session, oldest)
    }
  })
/** One that has been replaced and has calls to finish, or is stopping. */
export const crashesOld = (nth: number): Command => onOne("crash old", nth, ({ sessions }) => sessions.filter(({ generations }) => generations.length > 1), oldestCrashed)
/** One that takes its time to stop: whoever waits for its end goes on at once. */
export const crashesLeaving = (nth: number): Command =>
  onOne("crash leaving", nth, ({ sessions }) => sessions.filter(({ generations, state }) => state === "leaving" && generations.length > 0), oldestCrashed)
/** A child that is silent answers `initialize` after all. */
export const comesUp = (nth: number): Command =>
  onOne("come up", nth, ({ sessions }) => sessions.filter(({ after, state }) => state === "starting" && after === undefined), (world, session) =>
    Effect.sync(() => {
      world.play.children.findLast(({ alive, label }) => alive && label === session.label)?.comeUp()
      return () => rules.cameUp(world.model, session)
    }))

export const passes = (minutes: number): Command => passing(`${minutes} min`, () => minutes * M.minute)
/** To the moment before the present token becomes stale: who calls now is in use when its child is to be replaced. */
export const passesUntilRotation = (): Command => passing("until rotation", ({ now, token }) => M.startOfMinute(token.staleAt) - now)

export const children = (mode: SessionModel["children"]): Command =>
  step(`children: ${mode}`, (model) => model.children !== mode, ({ model, play }) =>
    Effect.sync(() => {
      play.mode = mode
      return () => void (model.children = mode)
    }))
export const stop = (isStubborn: boolean): Command =>
  step(`children stop ${isStubborn ? "slowly" : "at once"}`, (model) => model.isStubborn !== isStubborn, ({ model, play }) =>
    Effect.sync(() => {
      play.stopTakes = isStubborn ? M.lasts.stop : 0
      return () => void (model.isStubborn = isStubborn)
    }))
export const forgejo = (isUp: boolean): Command =>
  step(`Forgejo ${isUp ? "up" : "down"}`, (model) => model.isForgejoUp !== isUp, ({ model, tokens }) =>
    Effect.sync(() => {
      tokens.current = isUp ? "good" : "unavailable"
      return () => void (model.isForgejoUp = isUp)
    }))
/** Nobody knows of it until the user's token is asked for. */
export const revokesAtForgejo = (account: number): Command =>
  step(`user of ${account} revokes at Forgejo`, () => true, (world) =>
    Effect.sync(() => {
      const { user } = accountOf(world, account)
      world.tokens.goneUsers.add(UserId.make(user))
      return () => void world.model.goneUsers.add(user)
    }))
export const signsIn = (account: number): Command =>
  step(`sign in as ${account}`, () => true, (world) =>
    Effect.sync(() => {
      const { grants, user } = accountOf(world, account)
      world.tokens.goneUsers.delete(UserId.make(user))
      return () => {
        grants.push(false)
        world.model.goneUsers.delete(user)
      }
    }))

const grants = ({ accounts }: SessionModel) => accounts.flatMap((account) => liveGrants(account).map((grant) => ({ account, grant })))
export const revokes = (nth: number): Command =>
  onOne("revoke", nth, grants, (world, one) => Effect.as(world.revoke(one.account, one.grant), () => rules.endGrants(world.model, [one])))

/** `isKilled`: the store says what it says after a `kill -9`. `revoked`: a grant that ends while nobody listens. */
export const restarts = (isKilled: boolean, revoked: number | undefined): Command =>
  step(`restart${isKilled ? ", killed" : ""}${revoked === undefined ? "" : `, revoke ${revoked}`}`, () => true, (world) =>
    Effect.gen(function*() {
      const { model, sql } = world
      const live = model.sessions.filter((session) => M.rowOf(session).state === "live").map(({ label }) => label)
      const stopping = yield* Effect.fork(world.stop)
      yield* settled
      model.isClosing = true
      for (const session of model.sessions) {
        if (M.isRunning(session) || session.drainsUntil !== undefined) rules.depart(model, session, { to: "parked", why: undefined, tags: ["Restarting"] })
      }
      // Only what stops slowly takes time.
      if (model.sessions.some(({ state }) => state === "leaving")) {
        yield* TestClock.adjust(M.minute)
        pass(model, M.minute)
      }
      yield* Fiber.join(stopping)
      model.isClosing = false
      if (isKilled) yield* sql`update sessions set state = 'live' where substr(key, 1, 12) in ${sql.in(live)} and state = 'parked'`
      const over = revoked === undefined ? undefined : grants(model)[revoked % grants(model).length]
      if (over !== undefined) {
        yield* world.revoke(over.account, over.grant)
        over.account.grants[over.grant] = true
      }
      yield* world.start
      return () => undefined
    }))
