import { assert } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Option } from "effect"
import type { FakeChild } from "../fakes/FakeChildren.ts"
import type { Asked } from "./Asked.ts"
import { holdsSlot, inFlight, limits, rowOf } from "./SessionModel.ts"
import type { Modelled } from "./SessionModel.ts"
import type { SessionWorld } from "./SessionWorld.ts"
import { grantOf, refusal } from "./SessionWorld.ts"

type Answer = Readonly<Record<string, unknown>> | undefined
const outcomeOf = (exit: Exit.Exit<Answer, { readonly _tag: string }>): string =>
  Exit.match(exit, {
    onSuccess: (answer) => answer === undefined ? "Done" : !("error" in answer) ? "Result" : JSON.stringify(answer.error).includes(refusal) ? "Refused" : "Error",
    onFailure: (cause) =>
      Cause.isInterruptedOnly(cause) ? "Interrupted" : Option.match(Cause.failureOption(cause), { onNone: () => Cause.pretty(cause), onSome: ({ _tag }) => _tag })
  })

/** What came of it, if it is known by now: exactly once, and under the id that the client gave it. */
const checkAsked = (asked: Asked) =>
  Effect.gen(function*() {
    const { due, n, what } = asked
    const outcome = yield* Fiber.poll(asked.fiber)
    const name = `${what} ${n}`
    if (due === undefined) return assert.strictEqual(Option.match(outcome, { onNone: () => "waits", onSome: outcomeOf }), asked.isLeft ? "Interrupted" : "waits", name)
    const found = Option.match(outcome, { onNone: () => "waits", onSome: outcomeOf })
    if (asked.isLeft) return assert.strictEqual(found, "Interrupted", name)
    const expected = due._tag === "Failure" ? due.tags : due._tag === "Pong" ? ["Result"] : due._tag === "Done" && what === "open" ? ["Result"] : [due._tag]
    assert.include(expected, found, name)
    if (Option.isSome(outcome) && Exit.isSuccess(outcome.value) && outcome.value.value !== undefined) {
      const { id, result } = outcome.value.value
      assert.strictEqual(id, what === "open" ? n : `c${n}`)
      if (due._tag === "Result") assert.deepStrictEqual(result, { n })
    }
  })

const tokenName = ({ account: { user } }: Modelled, serial: number) => serial === 1 ? `token-${user}` : `token-${user}-${serial}`
const count = <A>(some: ReadonlyArray<A>, is: (a: A) => boolean): number => some.filter(is).length

/** The numbers of the calls that a child has got. */
const callsOf = ({ received }: Pick<FakeChild, "received">): ReadonlyArray<number> =>
  received.flatMap(({ params }) => (params as { readonly n?: number } | undefined)?.n ?? [])

/** The children of one session: one for each generation, with its token and its calls, and no other. */
const checkChildren = (world: SessionWorld, session: Modelled) => {
  const children = world.play.children.filter((child) => child.alive && child.label === session.label && session.label !== "")
  const answering = children.filter((child) => child.greeted)
  const expected = session.state === "starting" ? [] : session.generations
  if (session.state === "starting") {
    assert.deepStrictEqual(children.map(({ token }) => token), session.after === undefined ? [tokenName(session, session.startsWith?.serial ?? 0)] : [], "the child that starts")
    return children.length
  }
  // One that is to take over and does not come up is there for moments only; nobody has heard of it.
  const isReplaced = session.state === "live" && session.generations.at(-1)?.token.serial !== world.model.token.serial
  assert.isAtMost(children.length - answering.length, isReplaced ? 1 : 0, "children that nobody has heard of")
  assert.deepStrictEqual(
    answering.map(({ received, token }) => ({
      token,
      calls: callsOf({ received }).filter((n) => session.generations.some(({ calls }) => calls.some((call) => call.n === n))),
      told: count(received, ({ method }) => method === "notifications/roots/list_changed")
    })),
    expected.map(({ calls, told, token }) => ({ token: tokenName(session, token.serial), calls: calls.map(({ n }) => n), told }))
  )
  return children.length
}

/** All that must hold after each step. */
export const invariant = (world: SessionWorld) =>
  Effect.gen(function*() {
    const { model, play, sessions, sql } = world
    for (const asked of model.asked) yield* checkAsked(asked)
    model.asked = model.asked.filter(({ due }) => due === undefined)
    const waiting = model.sessions.flatMap((session) => [...session.waiting, ...session.later, ...session.generations.flatMap(({ calls }) => calls)])
    assert.sameMembers(model.asked.map(({ n }) => n), waiting.map(({ n }) => n), "whoever waits is known to the model")
    const received = play.children.flatMap((child) => callsOf(child))
    const sent = model.sessions.flatMap(({ generations }) => generations.flatMap(({ calls }) => calls))
    for (const asked of model.asked) {
      const times = count(received, (n) => n === asked.n)
      if (asked.what === "call" || asked.what === "default") assert.strictEqual(times, sent.includes(asked) ? 1 : 0, `how often call ${asked.n} was sent`)
    }
    const children = model.sessions.reduce((sum, session) => sum + checkChildren(world, session), 0)
    assert.strictEqual(count(play.children, ({ alive }) => alive), children, "children of nobody")
    assert.strictEqual(yield* sessions.size, count(model.sessions, holdsSlot), "slots")
    for (const session of model.sessions) assert.isAtMost(inFlight(session), limits.calls)

    interface Row { readonly key: string; readonly grant_id: string; readonly state: string; readonly end_reason: string | null; readonly claimed: number; readonly opened_by: string }
    const rows = yield* sql<Row>`select key, grant_id, state, end_reason, claimed_at is not null as claimed, opened_by from sessions order by rowid`
    assert.deepStrictEqual(
      rows.map(({ claimed, end_reason, grant_id, key, opened_by, state }) => ({ label: key.slice(0, 12), grant: grant_id, state, why: end_reason ?? undefined, claimed: claimed === 1, openedBy: opened_by })),
      model.sessions.filter(({ row }) => row !== undefined).sort((a, b) => (a.row ?? 0) - (b.row ?? 0)).map((session) => ({
        label: session.label,
        grant: grantOf(session.account, session.grant).id,
        ...rowOf(session),
        claimed: session.claimed,
        openedBy: session.openedBy
      }))
    )
  })
