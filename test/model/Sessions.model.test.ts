import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, FastCheck as fc, Fiber, Logger, Redacted, Runtime, TestClock, TestContext } from "effect"
import type { Grant } from "../../src/services/Grants.ts"
import type { Call, Session } from "../../src/services/Sessions.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { FakeChildren, living } from "../fakes/FakeChildren.ts"
import { fakeGrant, FakeGrants } from "../fakes/FakeGrants.ts"
import { initialize, request, responseTo, testSessions } from "../fakes/TestSessions.ts"

/*
 * The life of sessions against a model, under TestClock. Mutations that this was seen to find:
 * - SessionsLive.settle without Registry.release: slots are never given back;
 * - SessionState.finish without the decrement: a session that had a call is never idle;
 * - Generation that fails calls neither at the child's end nor at its own: a call waits for ever after a crash;
 * - SessionsLive.endOfGrant with only the first of the grant's sessions.
 */

type Services = Sessions | FakeChildren | FakeGrants
const maxSessions = 4
const maxPerUser = 2
const idleMinutes = 15
const handshakeOnlyMinutes = 1

interface Known {
  readonly grant: Grant
  readonly child: number
  readonly session: Session
  readonly id: string
  /** Minutes. */
  lastActivity: number
  used: boolean
  readonly pending: Array<Fiber.RuntimeFiber<Record<string, unknown>>>
}
interface Model {
  readonly live: Array<Known>
  readonly revoked: Set<string>
  now: number
}
interface Real {
  readonly run: <A, E>(effect: Effect.Effect<A, E, Services>) => Promise<A>
}
type Command = fc.AsyncCommand<Model, Real, false>

/** All that must hold after each step: the children that live are the model's, and nobody waits for a session that is over. */
const invariant = (model: Model) =>
  Effect.gen(function*() {
    yield* TestClock.adjust(0)
    const play = yield* FakeChildren
    const sessions = yield* Sessions
    assert.deepStrictEqual(play.children.flatMap((child, n) => child.alive ? [n] : []), model.live.map((known) => known.child).sort((a, b) => a - b))
    assert.strictEqual(yield* sessions.size, model.live.length)
    for (const known of model.live) {
      for (const fiber of known.pending) assert.strictEqual((yield* Fiber.poll(fiber))._tag, "None", "a call was answered that nobody answered")
    }
  })

/** Sessions that the model says are over: their pending calls have their one answer, and their ids are known to have ended. */
const over = (model: Model, ended: ReadonlyArray<Known>) =>
  Effect.gen(function*() {
    for (const known of ended) model.live.splice(model.live.indexOf(known), 1)
    yield* TestClock.adjust(0)
    const sessions = yield* Sessions
    for (const known of ended) {
      for (const fiber of known.pending) assert.isDefined((yield* Fiber.join(fiber)).error)
      assert.strictEqual((yield* Effect.flip(sessions.find(known.grant, known.id)))._tag, "SessionEnded")
      yield* known.session.done
    }
  })

class Open implements Command {
  readonly user: number
  constructor(user: number) {
    this.user = user
  }
  check = () => true
  async run(model: Model, real: Real) {
    const { user } = this
    await real.run(Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      const grant = fakeGrant(String(user))
      const before = play.children.length
      const exit = yield* Effect.exit(sessions.open(grant, initialize()))
      const full = model.live.length >= maxSessions || model.live.filter((known) => known.grant.id === grant.id).length >= maxPerUser
      assert.strictEqual(Exit.isFailure(exit), full || model.revoked.has(grant.id))
      if (Exit.isSuccess(exit)) {
        const { id, session } = exit.value
        model.live.push({ grant, child: before, session, id: Redacted.value(id), lastActivity: model.now, used: false, pending: [] })
      }
      yield* invariant(model)
    }))
  }
  toString = () => `open(user ${this.user})`
}

/** A command on one of the live sessions. */
abstract class OnSession implements Command {
  readonly nth: number
  constructor(nth: number) {
    this.nth = nth
  }
  check = (model: Readonly<Model>) => model.live.length > 0
  async run(model: Model, real: Real) {
    const known = model.live[this.nth % model.live.length]
    if (known !== undefined) await real.run(Effect.zipRight(this.act(model, known), invariant(model)))
  }
  abstract act(model: Model, known: Known): Effect.Effect<unknown, unknown, Services>
  toString = () => `${this.constructor.name}(${this.nth})`
}

class CallAnswered extends OnSession {
  act = (model: Model, known: Known) =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = true
      const call: Call = yield* known.session.call(request("tools/list", 7))
      play.answers = false
      assert.strictEqual((yield* responseTo(call)).id, 7)
      known.lastActivity = model.now
      known.used = true
    })
}
class CallPending extends OnSession {
  act = (_model: Model, known: Known) =>
    Effect.gen(function*() {
      const call = yield* known.session.call(request("tools/call", 7))
      known.used = true
      known.pending.push(yield* Effect.forkDaemon(responseTo(call)))
    })
}
class ReplyLate extends OnSession {
  override check = (model: Readonly<Model>) => model.live.some((known) => known.pending.length > 0)
  override async run(model: Model, real: Real) {
    const waiting = model.live.filter((known) => known.pending.length > 0)
    const known = waiting[this.nth % waiting.length]
    if (known !== undefined) await real.run(Effect.zipRight(this.act(model, known), invariant(model)))
  }
  act = (model: Model, known: Known) =>
    Effect.gen(function*() {
      const child = (yield* FakeChildren).children[known.child]
      const unanswered = (child?.received ?? []).filter((message) => message.method === "tools/call")
      const sent = unanswered.at(-known.pending.length)
      child?.emit({ jsonrpc: "2.0", id: sent?.id, result: {} })
      const fiber = known.pending.shift()
      if (fiber !== undefined) assert.deepStrictEqual(yield* Fiber.join(fiber), { jsonrpc: "2.0", id: 7, result: {} })
      yield* TestClock.adjust(0)
      known.lastActivity = model.now
    })
}
class Crash extends OnSession {
  act = (model: Model, known: Known) =>
    Effect.gen(function*() {
      ;(yield* FakeChildren).children[known.child]?.crash()
      yield* over(model, [known])
    })
}
class Close extends OnSession {
  act = (model: Model, known: Known) =>
    Effect.gen(function*() {
      yield* (yield* Sessions).end(known.grant, known.id)
      yield* over(model, [known])
    })
}
class Revoke extends OnSession {
  act = (model: Model, known: Known) =>
    Effect.gen(function*() {
      yield* (yield* FakeGrants).revoke(known.grant)
      model.revoked.add(known.grant.id)
      yield* over(model, model.live.filter((other) => other.grant.id === known.grant.id))
    })
}
class Wait implements Command {
  readonly minutes: number
  constructor(minutes: number) {
    this.minutes = minutes
  }
  check = () => true
  async run(model: Model, real: Real) {
    await real.run(Effect.gen(this, function*() {
      yield* TestClock.adjust(`${this.minutes} minutes`)
      model.now += this.minutes
      yield* over(model, model.live.filter((known) => known.pending.length === 0 && known.lastActivity + (known.used ? idleMinutes : handshakeOnlyMinutes) <= model.now))
      yield* invariant(model)
    }))
  }
  toString = () => `wait(${this.minutes} min)`
}

const commands: Array<fc.Arbitrary<Command>> = [
  fc.integer({ min: 1, max: 3 }).map((user) => new Open(user)),
  fc.nat(9).map((nth) => new CallAnswered(nth)),
  fc.nat(9).map((nth) => new CallPending(nth)),
  fc.nat(9).map((nth) => new ReplyLate(nth)),
  fc.nat(9).map((nth) => new Crash(nth)),
  fc.nat(9).map((nth) => new Close(nth)),
  fc.nat(9).map((nth) => new Revoke(nth)),
  fc.constantFrom(1, 7, 14, 15, 16).map((minutes) => new Wait(minutes))
]

describe("the life of sessions", () => {
  it("agrees with its model at every step, and leaves nothing behind", () =>
    fc.assert(
      fc.asyncProperty(fc.commands<Model, Real, false>(commands, { maxCommands: 50, size: "max" }), (sequence) =>
        Effect.gen(function*() {
          const play = yield* FakeChildren
          play.answers = false
          const runtime = yield* Effect.runtime<Services>()
          const model: Model = { live: [], revoked: new Set(), now: 0 }
          yield* Effect.promise(() => fc.asyncModelRun(() => ({ model, real: { run: Runtime.runPromise(runtime) } }), sequence))
          return play
        }).pipe(
          Effect.provide(testSessions({ maxSessions, maxSessionsPerUser: maxPerUser, callTimeout: Duration.days(10), callTimeoutMax: Duration.days(10) })),
          // The layers have closed: no child may be left, whatever was in flight.
          Effect.tap((play) => Effect.sync(() => assert.strictEqual(living(play), 0))),
          Effect.asVoid,
          Effect.provide([TestContext.TestContext, Logger.remove(Logger.defaultLogger)]),
          Effect.runPromise
        )),
      { numRuns: Number(process.env.FJMCP_MODEL_RUNS ?? 100) }
    ), 120_000)
})
