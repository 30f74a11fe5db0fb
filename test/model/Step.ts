import type { FastCheck as fc } from "effect"
import { Effect, TestClock } from "effect"
import { pass } from "./SessionClock.ts"
import { invariant } from "./SessionInvariant.ts"
import type { Account, Modelled, SessionModel } from "./SessionModel.ts"
import type { SessionWorld } from "./SessionWorld.ts"
import { isLeftOpen } from "./SlotRules.ts"
import { settled } from "./SessionWorld.ts"

export interface Real {
  readonly world: SessionWorld
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Promise<A>
}
export type Command = fc.AsyncCommand<SessionModel, Real, false>
/** Does the real thing, and gives what the model makes of it. */
type Act<E> = Effect.Effect<() => void, E>

/** First the real thing, then the model, then the comparison. */
const anyTime = <E>(name: string, isPossible: (model: SessionModel) => boolean, act: (world: SessionWorld) => Act<E>): Command => ({
  check: isPossible as Command["check"],
  run: (_, { run, world }) =>
    run(Effect.gen(function*() {
      const follow = yield* act(world)
      yield* settled
      yield* world.look
      follow()
      // What is due in this very moment.
      pass(world.model, 0)
      yield* invariant(world)
    })),
  toString: () => name
})

export const step = <E>(name: string, isPossible: (model: SessionModel) => boolean, act: (world: SessionWorld) => Act<E>): Command =>
  anyTime(name, (model) => isPossible(model) && !isLeftOpen(model), act)
/** Time goes on, and the model with it. */
export const passing = (name: string, millis: (model: SessionModel) => number): Command =>
  anyTime(name, (model) => millis(model) > 0, ({ model }) => {
    const time = millis(model)
    return Effect.as(TestClock.adjust(time), () => pass(model, time))
  })

/** Some in a row, each with its comparison: what random steps come to too seldom. */
export const inARow = (name: string, steps: ReadonlyArray<Command>): Command => ({
  check: () => true,
  run: async (model, real) => {
    for (const each of steps) if (await each.check(model)) await each.run(model, real)
  },
  toString: () => `${name} (${steps.map(String).join(", ")})`
})

/** The `nth` of those that there are. */
export const onOne = <A, E>(name: string, nth: number, some: (model: SessionModel) => ReadonlyArray<A>, act: (world: SessionWorld, one: A) => Act<E>): Command =>
  step(`${name} ${nth}`, (model) => some(model).length > 0, (world) => {
    const among = some(world.model)
    return act(world, among[nth % among.length] as A)
  })

export const idOf = (session: Modelled): string => session.opener.opened() ?? ""
/** The sessions whose ids somebody knows, in one of these states. */
export const known = (...states: ReadonlyArray<Modelled["state"]>) => ({ sessions }: SessionModel) =>
  sessions.filter((session) => idOf(session) !== "" && states.includes(session.state))
/** Sessions with the calls that their children have. */
export const pending = ({ sessions }: SessionModel) => sessions.flatMap((session) => session.generations.flatMap(({ calls }) => calls.map((asked) => ({ session, asked }))))

export const liveGrants = ({ grants }: Account): ReadonlyArray<number> => grants.flatMap((isOver, grant) => isOver ? [] : [grant])
/** One of the grants that the account has, of those that are not over if there are such. */
export const grantFor = (account: Account, nth: number): number => liveGrants(account)[nth % liveGrants(account).length] ?? account.grants.length - 1
export const accountOf = (world: SessionWorld, nth: number): Account => world.model.accounts[nth] as Account
