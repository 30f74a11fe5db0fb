import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Scope, TestClock } from "effect"
import { encodeEventId } from "../../src/domain/EventId.ts"
import { SessionKey } from "../../src/domain/Ids.ts"
import { makeSessionStreams } from "../../src/layers/SessionStreams.ts"
import type { CallEvent, EventStream } from "../../src/services/Sessions.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import type { FakeChild } from "../fakes/FakeChildren.ts"
import { FakeChildren, living } from "../fakes/FakeChildren.ts"
import { fakeGrant } from "../fakes/FakeGrants.ts"
import { FakeTokens } from "../fakes/FakeUpstreamTokens.ts"
import type { Held } from "../fakes/TestSessions.ts"
import { fateOf, open, request, testSessions } from "../fakes/TestSessions.ts"

const anna = fakeGrant("1")
const openAs = (protocolVersion: string) => open(anna, request("initialize", 0, { protocolVersion, capabilities: {}, clientInfo: { name: "test", version: "1" } }))
const newest = openAs("2025-11-25")
/** Children that leave the answers to the test. */
const silent = Effect.tap(FakeChildren, (play) => Effect.sync(() => (play.answers = false)))

/** One who reads a stream, and can hang up. */
const reading = <E, R>(stream: Effect.Effect<EventStream, E, R>) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const { isStanding, primer, take } = yield* Scope.extend(stream, scope)
    const hangUp = Scope.close(scope, Exit.void)
    /** All that comes up to the end; for streams that have one. */
    const all = Effect.gen(function*() {
      const events: Array<CallEvent> = []
      do events.push(...yield* take)
      while (events.at(-1)?.final !== true)
      return events
    })
    return { isStanding, primer: primer ?? "none", take, all, hangUp }
  })
/** A tool call that is answered with a stream, which nobody has read yet. */
const slowCall = (session: Held, id: string) => reading(Effect.flatMap(session.call(request("tools/call", id, { _meta: { progressToken: id } })), (call) => call.stream([])))
const comeBack = ({ id }: Held, lastEventId?: string) => reading(Effect.flatMap(Sessions, (sessions) => sessions.stream(anna, id, lastEventId)))
const linesOf = (events: ReadonlyArray<CallEvent>) => events.filter(({ line }) => line !== "").map(({ line }) => JSON.parse(line) as { readonly id?: unknown; readonly method?: string; readonly params?: Record<string, unknown>; readonly error?: { readonly message: string } })

const callIn = (child: FakeChild | undefined) => child?.received.findLast(({ method }) => method === "tools/call")?.id
const progress = (child: FakeChild | undefined, value: number) => child?.emit({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: callIn(child), progress: value } })
const answer = (child: FakeChild | undefined, text = "done") => child?.emit({ jsonrpc: "2.0", id: callIn(child), result: { text } })
const updated = (child: FakeChild | undefined, uri: string) => child?.emit({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } })
const quiet = TestClock.adjust(0)

describe("a call's stream", () => {
  it.effect("goes on without its client, who gets the rest and the answer behind the last event, once", () =>
    Effect.gen(function*() {
      const { children } = yield* silent
      const session = yield* newest
      const first = yield* slowCall(session, "slow")
      progress(children[0], 1)
      yield* quiet
      const [seen] = yield* first.take
      progress(children[0], 2)
      yield* quiet
      yield* first.hangUp
      progress(children[0], 3)
      yield* quiet
      assert.deepStrictEqual(children[0]?.received.filter(({ method }) => method === "notifications/cancelled"), [])
      const second = yield* comeBack(session, seen?.id)
      assert.deepStrictEqual(linesOf(yield* second.take).map(({ params }) => params?.["progress"]), [2, 3])
      answer(children[0])
      yield* quiet
      const events = yield* second.all
      assert.deepStrictEqual(linesOf(events), [{ jsonrpc: "2.0", id: "slow", result: { text: "done" } } as never])
      yield* second.hangUp
      // From any point again, from priming on too; and behind the answer there is nothing.
      const whole = yield* comeBack(session, first.primer)
      assert.deepStrictEqual(linesOf(yield* whole.all).map(({ id, params }) => params?.["progress"] ?? id), [1, 2, 3, "slow"])
      const nothing = yield* Effect.flip(comeBack(session, events.at(-1)?.id))
      assert.strictEqual(nothing._tag, "NothingFollows")
    }).pipe(Effect.provide(testSessions())))

  it.effect("has one reader: who comes back takes the place of the one before, whose connection is half dead", () =>
    Effect.gen(function*() {
      const { children } = yield* silent
      const session = yield* newest
      const first = yield* slowCall(session, "slow")
      const second = yield* comeBack(session, first.primer)
      answer(children[0])
      yield* quiet
      assert.deepStrictEqual([linesOf(yield* first.all).length, linesOf(yield* second.all).length], [0, 1])
      yield* first.hangUp
    }).pipe(Effect.provide(testSessions())))

  it.effect("two of them and the standing one: each gives its own events only, also to who asks in another session", () =>
    Effect.gen(function*() {
      const { children } = yield* silent
      const [session, other] = [yield* newest, yield* newest]
      const [a, b] = [yield* slowCall(session, "a"), yield* slowCall(session, "b")]
      updated(children[0], "x")
      answer(children[0], "of b")
      yield* quiet
      yield* b.hangUp
      const resumed = yield* comeBack(session, b.primer)
      assert.deepStrictEqual(linesOf(yield* resumed.all).map(({ id }) => id), ["b"])
      const standing = yield* comeBack(session)
      assert.deepStrictEqual(linesOf(yield* standing.take).map(({ method }) => method), ["notifications/resources/updated"])
      const foreign = linesOf(yield* (yield* comeBack(other, b.primer)).all)
      assert.deepStrictEqual([foreign.length, foreign[0]?.id], [1, "b"])
      assert.match(foreign[0]?.error?.message ?? "", /no longer kept/)
      yield* a.hangUp
    }).pipe(Effect.provide(testSessions())))

  it.effect("survives a crash with its error, parking with its answer, and starts no child for that; it goes with its session", () =>
    Effect.gen(function*() {
      const play = yield* silent
      const session = yield* newest
      const crashed = yield* slowCall(session, "crashed")
      yield* crashed.hangUp
      play.children[0]?.crash()
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([yield* fateOf(session), living(play)], ["parked", 0])
      const [error] = linesOf(yield* (yield* comeBack(session, crashed.primer)).all)
      assert.deepStrictEqual([error?.id, living(play)], ["crashed", 0])
      assert.include(error?.error?.message, "ended before it answered")
      const answered = yield* slowCall(session, "answered")
      yield* answered.hangUp
      answer(play.children[1])
      yield* TestClock.adjust("15 minutes")
      assert.deepStrictEqual([yield* fateOf(session), living(play)], ["parked", 0])
      assert.deepStrictEqual(linesOf(yield* (yield* comeBack(session, answered.primer)).all).map(({ id }) => id), ["answered"])
      yield* (yield* Sessions).end(anna, session.id)
      assert.strictEqual((yield* Effect.flip(comeBack(session, answered.primer)))._tag, "SessionEnded")
    }).pipe(Effect.provide(testSessions())))

  it.effect("survives a rotation: the answer comes from the child that had the call", () =>
    Effect.gen(function*() {
      const play = yield* silent
      const tokens = Object.assign(yield* FakeTokens, { expiresAt: 20 * 60_000, staleAt: 10 * 60_000 })
      const session = yield* newest
      const call = yield* slowCall(session, "slow")
      yield* call.hangUp
      yield* TestClock.adjust("4 minutes")
      Object.assign(tokens, { serial: 2, expiresAt: 1e12, staleAt: 1e12 })
      progress(play.children[0], 1)
      yield* TestClock.adjust("4 minutes")
      progress(play.children[0], 2)
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual(living(play), 2)
      answer(play.children[0], "of the old one")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(living(play), 1)
      const events = yield* (yield* comeBack(session, call.primer)).all
      assert.deepStrictEqual(linesOf(events).map(({ id, params }) => params?.["progress"] ?? id), [1, 2, "slow"])
    }).pipe(Effect.provide(testSessions())))

  it.effect("of an earlier run of the broker has an error for its request; the end of one has nothing; a standing one, or nonsense, is the standing one", () =>
    Effect.gen(function*() {
      const session = yield* newest
      const before = { run: "00000000", stream: 1, seq: 0 }
      for (const id of ["x", 7]) {
        const [lost] = linesOf(yield* (yield* comeBack(session, encodeEventId({ ...before, of: { request: id } }))).all)
        assert.deepStrictEqual([lost?.id, lost?.error?.message], [id, "Lost in a restart of the broker. The call may have run; look before you repeat it."])
      }
      for (const of of ["answered", "unnamed"] as const) {
        assert.strictEqual((yield* Effect.flip(comeBack(session, encodeEventId({ ...before, of }))))._tag, "NothingFollows")
      }
      for (const id of [encodeEventId({ ...before, of: "standing" }), "nonsense", ""]) {
        const { hangUp, isStanding } = yield* comeBack(session, id)
        assert.isTrue(isStanding)
        yield* hangUp
      }
    }).pipe(Effect.provide(testSessions())))

  it.effect("an answer that is too long to be kept is replaced by an error that says so, unless somebody listens", () =>
    Effect.gen(function*() {
      const { children } = yield* silent
      const session = yield* newest
      const long = "x".repeat(300 * 1024)
      const heard = yield* slowCall(session, "heard")
      answer(children[0], long)
      yield* quiet
      assert.isAbove((yield* heard.all).at(-1)?.line.length ?? 0, long.length)
      const missed = yield* slowCall(session, "missed")
      yield* missed.hangUp
      answer(children[0], long)
      yield* quiet
      const [error] = linesOf(yield* (yield* comeBack(session, missed.primer)).all)
      assert.deepStrictEqual([error?.id, error?.error?.message], ["missed", "Answered while you were disconnected, and longer than what is kept for clients that come back. The call has run."])
    }).pipe(Effect.provide(testSessions())))
})

describe("the standing stream", () => {
  it.effect("gives what came while nobody listened, once, and again behind the event that a client names", () =>
    Effect.gen(function*() {
      const { children } = yield* FakeChildren
      const session = yield* newest
      updated(children[0], "a")
      yield* quiet
      const first = yield* comeBack(session)
      const [a] = yield* first.take
      updated(children[0], "b")
      yield* quiet
      yield* first.take
      yield* first.hangUp
      updated(children[0], "c")
      yield* quiet
      const urisOf = (events: ReadonlyArray<CallEvent>) => linesOf(events).map(({ params }) => params?.["uri"])
      const second = yield* comeBack(session)
      assert.deepStrictEqual(urisOf(yield* second.take), ["c"])
      const third = yield* comeBack(session, a?.id)
      assert.deepStrictEqual(urisOf(yield* third.take), ["b", "c"])
      assert.isTrue((yield* second.take).at(-1)?.final)
    }).pipe(Effect.provide(testSessions())))
})

describe("the revision of a session", () => {
  it.effect("decides on ids and priming, also of a parked one", () =>
    Effect.gen(function*() {
      const { children } = yield* silent
      const seen = new Array<readonly [string, boolean, boolean]>()
      for (const version of ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]) {
        const session = yield* openAs(version)
        const call = yield* slowCall(session, version)
        answer(children.at(-1))
        yield* quiet
        const [event] = yield* call.all
        yield* call.hangUp
        yield* TestClock.adjust("15 minutes")
        assert.strictEqual(yield* fateOf(session), "parked")
        const standing = yield* comeBack(session)
        seen.push([version, event?.id !== undefined, call.primer !== "none"])
        assert.strictEqual(standing.primer !== "none", call.primer !== "none")
      }
      assert.deepStrictEqual(seen, [["2024-11-05", false, false], ["2025-03-26", true, false], ["2025-06-18", true, false], ["2025-11-25", true, true]])
    }).pipe(Effect.provide(testSessions())))
})

describe("silence", () => {
  it.effect("a call that gives nothing for 100 ms is to be a stream; a stream gives a sign of life every 15 s", () =>
    Effect.gen(function*() {
      const { children } = yield* silent
      const session = yield* newest
      const call = yield* session.call(request("tools/call", "slow"))
      const soon = yield* Effect.fork(call.takeSoon)
      yield* TestClock.adjust("99 millis")
      assert.isTrue((yield* Fiber.poll(soon))._tag === "None")
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* Fiber.join(soon), [])
      const stream = yield* reading(call.stream([]))
      for (let n = 0; n < 3; n++) {
        const taken = yield* Effect.fork(stream.take)
        yield* TestClock.adjust("14999 millis")
        assert.isTrue((yield* Fiber.poll(taken))._tag === "None")
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* Fiber.join(taken), [])
      }
      answer(children[0])
      yield* quiet
      assert.strictEqual(linesOf(yield* stream.all).length, 1)
      const quick = yield* session.call(request("ping"))
      children[0]?.emit({ jsonrpc: "2.0", id: children[0].received.at(-1)?.id, result: {} })
      assert.strictEqual((yield* quick.takeSoon).length, 1)
    }).pipe(Effect.provide(testSessions())))
})

describe("what the streams of a session take of the memory", () => {
  const key = SessionKey.make("key")
  const grant = anna.id

  it.scoped("is given back with its last reader where it has no child and nothing is kept, and at its end in any case", () =>
    Effect.gen(function*() {
      const streams = yield* makeSessionStreams
      const isHere = () => Option.isSome(streams.versionOf(key))
      const attach = (lastEventId?: string) => reading(streams.attach(key, "2025-11-25", grant, lastEventId))
      const parked = yield* attach()
      assert.isTrue(isHere())
      yield* parked.hangUp
      assert.isFalse(isHere())
      yield* Effect.flip(attach(encodeEventId({ run: "00000000", stream: 1, seq: 1, of: "answered" })))
      yield* (yield* attach(encodeEventId({ run: "00000000", stream: 1, seq: 1, of: { request: 1 } }))).hangUp
      assert.isFalse(isHere())

      streams.open(key, "2025-11-25")
      const call = streams.call(key, 1, true)
      const reader = yield* reading(call.stream([]))
      yield* reader.hangUp
      streams.park(key)
      assert.isTrue(isHere(), "a call is open")
      call.complete("{}")
      assert.isTrue(isHere(), "its answer is kept")
      streams.close(key)
      assert.isFalse(isHere())

      streams.open(key, "2025-11-25")
      streams.park(key)
      assert.isFalse(isHere())
    }))

  it.scoped("who reads a call when its session ends gets the answer yet, and nothing is kept of it", () =>
    Effect.gen(function*() {
      const streams = yield* makeSessionStreams
      streams.open(key, "2025-11-25")
      const call = streams.call(key, 1, true)
      const reader = yield* reading(call.stream([]))
      const standing = yield* reading(streams.attach(key, "2025-11-25", grant, undefined))
      streams.close(key)
      call.complete("{\"id\":1}")
      assert.deepStrictEqual([linesOf(yield* reader.all), linesOf(yield* standing.all)], [[{ id: 1 }], []])
      yield* reader.hangUp
      assert.isTrue(Option.isNone(streams.versionOf(key)))
    }))
})
