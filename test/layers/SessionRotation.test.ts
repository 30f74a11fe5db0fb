import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, TestClock } from "effect"
import type { Settings } from "../../src/services/AppConfig.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import type { FakeChild } from "../fakes/FakeChildren.ts"
import { FakeChildren, living } from "../fakes/FakeChildren.ts"
import { fakeGrant } from "../fakes/FakeGrants.ts"
import { FakeTokens } from "../fakes/FakeUpstreamTokens.ts"
import type { Held } from "../fakes/TestSessions.ts"
import { fateOf, open, request, responseTo, testSessions, use } from "../fakes/TestSessions.ts"

const anna = fakeGrant("1")
const minutes = (count: number) => count * 60_000

/** A session whose token is to be replaced after 50 minutes and ends after 60, and then one that lives for ever. */
const rotating = Effect.gen(function*() {
  const tokens = yield* FakeTokens
  tokens.expiresAt = minutes(60)
  tokens.staleAt = minutes(50)
  const session = yield* open(anna)
  yield* use(session)
  return session
})
/** Forgejo would give another token from now on. */
const renewable = Effect.map(FakeTokens, (tokens) => {
  tokens.serial++
  tokens.expiresAt = minutes(100_000)
  tokens.staleAt = minutes(100_000)
})
/** Minute by minute, so that the session is in use all the time. */
const keepUsing = (session: Held, count: number) => Effect.repeatN(Effect.zipRight(use(session), TestClock.adjust("1 minute")), count - 1)
/** The same, in the first 49 minutes: never idle. */
const upToMinute49 = (session: Held) =>
  Effect.forEach([12, 12, 12, 12, 1], (count) => Effect.zipRight(use(session), TestClock.adjust(`${count} minutes`)), { discard: true })
/** Half a minute before its token gets stale, and in use. */
const inUse = Effect.gen(function*() {
  const session = yield* rotating
  yield* upToMinute49(session)
  yield* TestClock.adjust("30 seconds")
  yield* use(session)
  return session
})
const callsOf = (child: FakeChild | undefined) => (child?.received ?? []).filter(({ method }) => method === "tools/call")
const answerLast = (child: FakeChild | undefined) => child?.emit({ jsonrpc: "2.0", id: callsOf(child).at(-1)?.id, result: { late: true } })
const inWorld = <A, E>(test: Effect.Effect<A, E, Sessions | FakeChildren | FakeTokens>, changes: Partial<Settings> = {}) =>
  Effect.provide(test, testSessions(changes))

describe("rotation", () => {
  it.effect("puts a session in use on a child with the new token; calls in flight finish on the old one, whose end ends nothing", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* inUse
      yield* renewable
      play.answers = false
      const slow = yield* session.call(request("tools/call", "slow"))
      yield* TestClock.adjust("90 seconds")
      assert.deepStrictEqual(play.children.map(({ alive, token }) => [token, alive]), [["token-1", true], ["token-1-2", true]])
      const next = yield* session.call(request("tools/call", "next"))
      assert.deepStrictEqual(play.children.map((child) => callsOf(child).length), [1, 1])
      answerLast(play.children[0])
      assert.deepStrictEqual(yield* responseTo(slow), { jsonrpc: "2.0", id: "slow", result: { late: true } })
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(play.children.map(({ alive }) => alive), [false, true], "the old one has nothing left to do")
      answerLast(play.children[1])
      assert.deepStrictEqual(yield* responseTo(next), { jsonrpc: "2.0", id: "next", result: { late: true } })
      assert.strictEqual(yield* fateOf(session), "live")
      assert.strictEqual((yield* FakeTokens).asked, 3, "at the start, when it was stale, and when its turn came")
    }).pipe(Effect.provide(testSessions())))

  it.effect("watches the new child from then on: its crash parks the session", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* inUse
      yield* renewable
      yield* TestClock.adjust("90 seconds")
      assert.deepStrictEqual(play.children.map(({ alive }) => alive), [false, true])
      play.children[1]?.crash()
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* fateOf(session), "parked")
      assert.strictEqual(yield* (yield* Sessions).size, 0)
    }).pipe(Effect.provide(testSessions())))

  it.effect("replays the client's handshake to the new child before it gets a call", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* inUse
      yield* responseTo(yield* session.call(request("logging/setLevel", 1, { level: "info" })))
      yield* renewable
      yield* TestClock.adjust("90 seconds")
      yield* use(session)
      assert.deepStrictEqual(play.children[1]?.received.map(({ method }) => method), ["initialize", "notifications/initialized", "logging/setLevel", "tools/list"])
    }).pipe(Effect.provide(testSessions())))

  it.effect("does not hand a call to a child that has not shaken hands yet", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* inUse
      yield* renewable
      play.mode = "silent"
      yield* TestClock.adjust("75 seconds")
      assert.strictEqual(living(play), 2)
      assert.strictEqual((yield* use(session)).id, 1)
      assert.deepStrictEqual(play.children[1]?.received.map(({ method }) => method), ["initialize"])
    }).pipe(Effect.provide(testSessions())))

  it.effect("parks a session without a call in the last minute; it gets its new child when it is used again", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* rotating
      yield* upToMinute49(session)
      yield* renewable
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* fateOf(session), "parked")
      assert.strictEqual(living(play), 0)
      yield* use(session)
      assert.deepStrictEqual(play.children.map(({ token }) => token), ["token-1", "token-1-2"])
    }).pipe(Effect.provide(testSessions())))

  it.effect("leaves the old child serving while no new one comes up, tries again, and parks when the token has really expired", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* inUse
      yield* renewable
      play.mode = "exits"
      yield* TestClock.adjust("90 seconds")
      yield* keepUsing(session, 5)
      const attempts = play.children.length - 1
      assert.isAbove(attempts, 3)
      assert.strictEqual(living(play), 1)
      yield* TestClock.adjust("6 minutes")
      assert.strictEqual(living(play), 0)
      assert.strictEqual(yield* fateOf(session), "parked")
    }).pipe(Effect.provide(testSessions())))

  it.effect("that has not come about when the token ends: a call in flight finishes, and a new one waits for the next child", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* inUse
      yield* renewable
      play.mode = "spawn fails"
      play.answers = false
      yield* TestClock.adjust("10 minutes")
      const slow = yield* session.call(request("tools/call", "slow"))
      yield* TestClock.adjust("30 seconds")
      play.mode = "up"
      const next = yield* Effect.fork(Effect.flatMap(session.call(request("tools/call", "next")), responseTo))
      yield* TestClock.adjust("19 seconds")
      assert.strictEqual(play.children.length, 1)
      answerLast(play.children[0])
      assert.deepStrictEqual(yield* responseTo(slow), { jsonrpc: "2.0", id: "slow", result: { late: true } })
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(play.children.map(({ alive, token }) => [token, alive]), [["token-1", false], ["token-1-2", true]])
      answerLast(play.children[1])
      assert.deepStrictEqual(yield* Fiber.join(next), { jsonrpc: "2.0", id: "next", result: { late: true } })
    }).pipe(Effect.provide(testSessions())))

  it.effect("that has not come about: whoever gets the slot waits until the last call has finished", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* inUse
      yield* renewable
      play.mode = "spawn fails"
      play.answers = false
      yield* TestClock.adjust("10 minutes")
      const slow = yield* session.call(request("tools/call", "slow"))
      yield* TestClock.adjust("30 seconds")
      play.mode = "up"
      const newcomer = yield* Effect.fork(open(fakeGrant("1")))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(play.children.map(({ alive }) => alive), [true])
      answerLast(play.children[0])
      assert.deepStrictEqual(yield* responseTo(slow), { jsonrpc: "2.0", id: "slow", result: { late: true } })
      yield* Fiber.join(newcomer)
      assert.deepStrictEqual(play.children.map(({ alive }) => alive), [false, true])
    }).pipe(Effect.provide(testSessions({ maxSessionsPerUser: 1 }))))

  it.effect("succeeds at a later try, and nobody has noticed", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* inUse
      yield* renewable
      play.mode = "spawn fails"
      yield* TestClock.adjust("90 seconds")
      yield* use(session)
      play.mode = "up"
      yield* TestClock.adjust("50 seconds")
      yield* use(session)
      assert.deepStrictEqual(play.children.map(({ alive, token }) => [token, alive]), [["token-1", false], ["token-1-2", true]])
    }).pipe(Effect.provide(testSessions())))

  it.effect("goes on trying while Forgejo is away, and serves as long as the token does", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const tokens = yield* FakeTokens
      const session = yield* inUse
      tokens.current = "unavailable"
      yield* keepUsing(session, 8)
      assert.strictEqual(living(play), 1)
      yield* renewable
      tokens.current = "good"
      yield* keepUsing(session, 2)
      assert.deepStrictEqual(play.children.map(({ alive }) => alive), [false, true])
    }).pipe(Effect.provide(testSessions())))

  it.effect("is given up where the new child is another server: the old one serves to its token's end", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* inUse
      yield* renewable
      play.server = { ...play.server, name: "another" }
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* use(session)).id, 1)
      assert.deepStrictEqual(play.children.flatMap(({ alive, token }) => alive ? [token] : []), ["token-1"])
    }).pipe(Effect.provide(testSessions())))

  it.effect("is not for stateful children: the session goes on until the token ends, and says so then", () =>
    Effect.gen(function*() {
      const session = yield* rotating
      yield* upToMinute49(session)
      yield* renewable
      yield* keepUsing(session, 10)
      assert.strictEqual(yield* fateOf(session), "live")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* fateOf(session), "token_expired")
      assert.strictEqual((yield* FakeChildren).children.length, 1)
    }).pipe(Effect.provide(testSessions({ childStateful: true }))))

  it.effect("starts no more than half of MAX_STARTS at a time, so that clients find room", () =>
    inWorld(
      Effect.gen(function*() {
        const play = yield* FakeChildren
        const tokens = yield* FakeTokens
        tokens.expiresAt = minutes(60)
        tokens.staleAt = minutes(50)
        const all = yield* Effect.forEach([1, 2, 3, 4, 5, 6], () => open(anna))
        yield* Effect.repeatN(Effect.zipRight(Effect.forEach(all, use), TestClock.adjust("7 minutes")), 6)
        yield* TestClock.adjust("30 seconds")
        yield* renewable
        yield* Effect.forEach(all, use)
        play.mode = "silent"
        yield* TestClock.adjust("80 seconds")
        assert.strictEqual(living(play), 6 + 2)
        play.mode = "up"
        const another = yield* Effect.fork(open(fakeGrant("2")))
        yield* TestClock.adjust(0)
        assert.isTrue(Option.isSome(yield* Fiber.poll(another)))
      }),
      { maxStarts: 4 }
    ))
})

describe("a token that Forgejo does not take any more", () => {
  it.effect("is suspected after a call that the child refused, and a renewed one means a new child", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const tokens = yield* FakeTokens
      play.answers = false
      const session = yield* open(anna)
      const refused = yield* session.call(request("tools/call", 1))
      tokens.suspect = "renewed"
      play.children[0]?.emit({ jsonrpc: "2.0", id: callsOf(play.children[0])[0]?.id, error: { code: -32603, message: "401" } })
      assert.isDefined((yield* responseTo(refused)).error)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(tokens.suspected, ["token-1"])
      assert.deepStrictEqual(play.children.map(({ alive, token }) => [token, alive]), [["token-1", false], ["token-1-2", true]])
    }).pipe(Effect.provide(testSessions())))

  it.effect("is not suspected after a success or a deadline; an error in a tool's result is a refusal, too", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const tokens = yield* FakeTokens
      play.answers = false
      const session = yield* open(anna)
      const child = play.children[0]
      yield* session.call(request("tools/call", 1))
      yield* TestClock.adjust("5 minutes")
      yield* session.call(request("tools/call", 2))
      answerLast(child)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(tokens.suspected, [])
      yield* session.call(request("tools/call", 3))
      child?.emit({ jsonrpc: "2.0", id: callsOf(child).at(-1)?.id, result: { isError: true, content: [] } })
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(tokens.suspected, ["token-1"])
      assert.strictEqual(living(play), 1)
    }).pipe(Effect.provide(testSessions())))
})
