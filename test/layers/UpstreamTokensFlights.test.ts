import { assert, describe, it } from "@effect/vitest"
import { SqlClient } from "@effect/sql"
import { Deferred, Effect, Exit, FastCheck as fc, Fiber, Layer, Logger, LogLevel, Option, type Redacted, Scope, TestClock, TestContext } from "effect"
import { UserId } from "../../src/domain/Ids.ts"
import { UpstreamTokensLive } from "../../src/layers/UpstreamTokensLive.ts"
import type { UpstreamUnavailable } from "../../src/services/Upstream.ts"
import { type UpstreamGone, UpstreamTokens } from "../../src/services/UpstreamTokens.ts"
import { ForgejoSide } from "../fakes/ForgejoSide.ts"
import { current, ended, nearExpiry, refreshes, signIn, testTokens, text, tokensWorld } from "../fakes/TestUpstreamTokens.ts"

/*
 * Mutations that the property was seen to find, mostly within 40 runs (it is random; more runs by FJMCP_MODEL_RUNS):
 * - UpstreamTokensLive.refreshOnce without reading the row again ("refresh without re-read of the row"): a caller that
 *   looked before a flight ended begins another one, with the token that the first has spent;
 * - UpstreamTokensLive.replace without a flight: each caller refreshes;
 * - refreshes in the fibers of their callers, one at a time by a semaphore, interruptible: the pair leaves with the caller;
 * - SingleFlight.start that ends its run with the first caller, refreshes interruptible;
 * - one flight for all users: a user gets the token of another;
 * - refreshOnce without putRefreshed: the pair is lost;
 * - UpstreamPair.decidePair without counters, UpstreamRows.put that does not heed "keep": an older pair replaces a newer one;
 * - UpstreamTokensLive.judge without waiting for sign-ins, or without reading the row again, or not at all;
 * - no second try past expiry; trouble that may pass taken for the end; a recheck that does not refresh;
 * - UpstreamPair.isStale that is always true, or true at the end only.
 */

interface Session {
  readonly userId: UserId
  /** The token that it works with. */
  token: Redacted.Redacted
}

/** After how many operations a fiber lets others go on. Fewer than ten are not enough for the runtime's own yielding. */
const steps = fc.integer({ min: 12, max: 90 })

/** What may happen within one expiry. */
const action = fc.record({
  act: fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        is: fc.constant("call" as const),
        user: fc.nat(9),
        session: fc.nat(9),
        how: fc.constantFrom("current" as const, "current" as const, "recheck" as const, "suspect" as const),
        steps
      })
    },
    { weight: 2, arbitrary: fc.record({ is: fc.constant("caller leaves" as const), which: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ is: fc.constant("sign-in" as const), user: fc.nat(9), steps }) },
    { weight: 1, arbitrary: fc.record({ is: fc.constant("pair is stored" as const), which: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ is: fc.constant("refreshes fail" as const), times: fc.integer({ min: 1, max: 2 }) }) },
    { weight: 2, arbitrary: fc.constant({ is: "answers are held" as const }) },
    { weight: 1, arbitrary: fc.constant({ is: "answers come" as const }) },
    { weight: 1, arbitrary: fc.constant({ is: "time passes" as const }) }
  ),
  yields: fc.nat(6)
})
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never

const scenario = fc.record({
  users: fc.integer({ min: 1, max: 3 }),
  sessions: fc.integer({ min: 1, max: 4 }),
  rounds: fc.array(
    fc.record({ isOver: fc.boolean(), actions: fc.array(action, { minLength: 1, maxLength: 24 }) }),
    { minLength: 1, maxLength: 3 }
  )
})

/** A refused refresh waits ten seconds for sign-ins: within these all of them are stored. */
const mostWaits = 3

/** One expiry, with all that happens while tokens are renewed. */
const round = Effect.fnUntraced(function*(
  users: ReadonlyArray<UserId>,
  sessions: ReadonlyArray<Session>,
  isOver: boolean,
  actions: ReadonlyArray<Action>
) {
  const tokens = yield* UpstreamTokens
  const forgejo = yield* ForgejoSide
  yield* isOver ? TestClock.adjust("60 minutes") : TestClock.adjust("55 minutes")
  const before = (yield* forgejo.log).length
  const signedIn = new Set<UserId>()
  const storing: Array<Deferred.Deferred<void>> = []
  const signIns: Array<Fiber.RuntimeFiber<void>> = []
  const left: Array<Fiber.RuntimeFiber<void, UpstreamGone | UpstreamUnavailable>> = []
  let callers: Array<Fiber.RuntimeFiber<void, UpstreamGone | UpstreamUnavailable>> = []
  let release: Effect.Effect<void> = Effect.void
  let waits = 0

  const call = (session: Session, how: "current" | "recheck" | "suspect") =>
    Effect.gen(function*() {
      const { token, userId } = session
      const answer = how === "suspect" ? yield* tokens.suspect(userId, token) : Option.some(yield* tokens[how](userId, token))
      if (Option.isNone(answer)) return
      assert.include(text(answer.value), `a-${userId}-`)
      assert.isTrue(yield* forgejo.takes(answer.value.token), `${how} gave a token that Forgejo does not take`)
      session.token = answer.value.token
    })

  const beginSignIn = Effect.fnUntraced(function*(userId: UserId) {
    const store = yield* Deferred.make<void>()
    storing.push(store)
    signedIn.add(userId)
    return tokens.duringSignIn(
      Effect.flatMap(forgejo.signInOf(userId), (pair) => Effect.zipRight(Deferred.await(store), tokens.store(userId, pair)))
    )
  })

  const perform = Effect.fnUntraced(function*(act: Action["act"]) {
    switch (act.is) {
      case "call": {
        const own = sessions.filter(({ userId }) => userId === users[act.user % users.length])
        const session = own[act.session % own.length]
        if (session !== undefined) callers.push(yield* Effect.fork(Effect.withMaxOpsBeforeYield(call(session, act.how), act.steps)))
        return
      }
      case "caller leaves": {
        const leaving = callers[act.which % callers.length]
        if (leaving === undefined) return
        callers = callers.filter((caller) => caller !== leaving)
        left.push(leaving)
        return yield* Fiber.interruptFork(leaving)
      }
      case "sign-in": {
        const user = users[act.user % users.length]
        if (user !== undefined) signIns.push(yield* Effect.fork(Effect.withMaxOpsBeforeYield(yield* beginSignIn(user), act.steps)))
        return
      }
      case "pair is stored": {
        const store = storing[act.which % storing.length]
        if (store !== undefined) yield* Deferred.succeed(store, undefined)
        return
      }
      case "refreshes fail":
        return yield* forgejo.failRefreshes(act.times)
      case "answers are held":
        yield* release
        release = yield* forgejo.holdAnswers
        return
      case "answers come":
        return yield* release
      case "time passes":
        if (waits++ < mostWaits) yield* TestClock.adjust("1500 millis")
    }
  })

  for (const { act, yields } of actions) {
    yield* perform(act)
    for (let i = 0; i < yields; i++) yield* Effect.yieldNow()
  }

  // All settles, and then every session asks.
  yield* forgejo.failRefreshes(0)
  yield* release
  yield* Effect.forEach(storing, (store) => Deferred.succeed(store, undefined))
  yield* Effect.forEach(signIns, (fiber) => Fiber.join(fiber))
  yield* TestClock.adjust("20 seconds")
  // A third suspicion within a minute waits for the next one.
  const isAnswered = Effect.map(Effect.forEach([...callers, ...left], (fiber) => Fiber.poll(fiber)), (polled) => polled.every(Option.isSome))
  yield* Effect.repeat(Effect.zipRight(TestClock.adjust("1 second"), isAnswered), { until: (all) => all, times: 90 })
  assert.isTrue(yield* isAnswered, "somebody waits for ever")
  yield* Effect.forEach(callers, (fiber) => Fiber.join(fiber))
  for (const exit of yield* Effect.forEach(left, (fiber) => Fiber.await(fiber))) if (!Exit.isInterrupted(exit)) yield* exit
  yield* Effect.forEach(sessions, (session) => call(session, "current"), { concurrency: "unbounded" })

  assert.deepStrictEqual(yield* ended, [])
  assert.deepStrictEqual(yield* forgejo.introspections, [], "a refresh was judged although a sign-in explains its refusal")
  const sql = yield* SqlClient.SqlClient
  const log = (yield* forgejo.log).slice(before).filter(({ outcome }) => outcome !== "failed")
  for (const userId of users) {
    const newest = yield* forgejo.newestOf(userId)
    assert.strictEqual(text(yield* tokens.current(userId)), text({ token: newest.accessToken }), "a pair was lost")
    assert.deepStrictEqual(
      yield* sql`select counter from upstream_tokens where user_id = ${userId}`,
      [{ counter: Option.getOrNull(newest.counter) }]
    )
    const outcomes = log.filter((refresh) => refresh.userId === userId).map(({ outcome }) => outcome)
    // A sign-in is a renewal too: before it or instead of it there is one refresh, which it may have made void.
    if (signedIn.has(userId)) assert.isAtMost(outcomes.length, 1, `${outcomes}`)
    else assert.deepStrictEqual(outcomes, ["renewed"])
  }
})

describe("one refresh at a time", () => {
  it.effect("n users with m sessions each, in any interleaving, make exactly one refresh per user and expiry, and lose none", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(scenario, (given) =>
          Effect.gen(function*() {
            const tokens = yield* UpstreamTokens
            const forgejo = yield* ForgejoSide
            const users = Array.from({ length: given.users }, (_, n) => UserId.make(`${n + 7}`))
            const pairs = yield* Effect.forEach(users, (userId) =>
              Effect.tap(forgejo.signInOf(userId), (pair) => tokens.store(userId, pair)))
            const sessions = users.flatMap((userId, n) =>
              Array.from({ length: given.sessions }, (): Session => ({ userId, token: pairs[n]!.accessToken })))
            for (const { actions, isOver } of given.rounds) yield* round(users, sessions, isOver, actions)
          }).pipe(
            Effect.provide(testTokens()),
            Logger.withMinimumLogLevel(LogLevel.None),
            Effect.provide(TestContext.TestContext),
            Effect.runPromise
          )),
        { numRuns: Number(process.env.FJMCP_MODEL_RUNS ?? 50), timeout: 20_000 }
      )
    ), 600_000)

  it.effect("shares its failure with those who waited, instead of asking once per caller", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      yield* signIn
      yield* nearExpiry
      yield* forgejo.failRefreshes(100)
      const release = yield* forgejo.holdAnswers
      const fibers = yield* Effect.forEach(Array.from({ length: 8 }), () => Effect.fork(current))
      yield* forgejo.refreshArrived
      yield* release
      yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(testTokens())))

  it.effect("is finished and stored when its only caller goes away", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      yield* signIn
      yield* nearExpiry
      const release = yield* forgejo.holdAnswers
      const caller = yield* Effect.fork(current)
      yield* forgejo.refreshArrived
      yield* Fiber.interrupt(caller)
      yield* release
      assert.match(text(yield* current), /^a-7-1-2-/)
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(testTokens())))

  it.scoped("is waited for when the layer closes", () =>
    Effect.gen(function*() {
      const world = yield* Layer.build(tokensWorld())
      const scope = yield* Scope.make()
      const tokens = yield* Layer.buildWithScope(Layer.provide(UpstreamTokensLive, Layer.succeedContext(world)), scope)
      yield* Effect.gen(function*() {
        const forgejo = yield* ForgejoSide
        yield* Effect.provide(signIn, tokens)
        yield* nearExpiry
        const release = yield* forgejo.holdAnswers
        yield* Effect.forkScoped(Effect.provide(current, tokens))
        yield* forgejo.refreshArrived
        const closing = yield* Effect.forkScoped(Scope.close(scope, Exit.void))
        yield* Effect.yieldNow()
        yield* release
        yield* Fiber.join(closing)
        const sql = yield* SqlClient.SqlClient
        assert.deepStrictEqual(yield* sql`select counter from upstream_tokens`, [{ counter: 2 }])
      }).pipe(Effect.provide(world))
    }))
})
