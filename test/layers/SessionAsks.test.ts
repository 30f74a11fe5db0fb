import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, FastCheck as fc, Fiber, Logger, LogLevel, Option, TestClock, TestContext } from "effect"
import { Sessions } from "../../src/services/Sessions.ts"
import type { Call } from "../../src/services/Sessions.ts"
import type { FakeChild } from "../fakes/FakeChildren.ts"
import { FakeChildren, living } from "../fakes/FakeChildren.ts"
import { fakeGrant } from "../fakes/FakeGrants.ts"
import { FakeTokens } from "../fakes/FakeUpstreamTokens.ts"
import type { Held } from "../fakes/TestSessions.ts"
import { fateOf, open, request, responseTo, testSessions, use } from "../fakes/TestSessions.ts"

const anna = fakeGrant("1")
const annaAgain = fakeGrant("1", "client", 2)
const ben = fakeGrant("2")
type Line = { readonly id?: string | number; readonly method?: string; readonly params?: Record<string, unknown>; readonly result?: unknown; readonly error?: { readonly message: string } }

const interactive = (protocolVersion = "2025-06-18") =>
  request("initialize", 0, { protocolVersion, capabilities: { sampling: {} }, clientInfo: { name: "test", version: "1" } })
const asking = (id: string | number = 7) => ({ jsonrpc: "2.0", id, method: "sampling/createMessage", params: {} })
const settled = TestClock.adjust(0)
const linesOf = (taken: { readonly take: Call["take"] }) => Effect.map(taken.take, (events) => events.map(({ line }) => JSON.parse(line) as Line))
/** The session's own stream, and what it has said by then. */
const listen = (held: Held, grant = anna) => Effect.flatMap(Sessions, (sessions) => sessions.stream(grant, held.id))
const respond = (held: Pick<Held, "id">, id: unknown, grant = anna) =>
  Effect.flatMap(Sessions, (sessions) => sessions.respond(grant, held.id, { _tag: "Response", id: id as string, body: { result: { by: grant.id } } }))
const answersTo = (child: FakeChild | undefined) => (child?.received ?? []).filter(({ method }) => method === undefined) as ReadonlyArray<Line>
const tagOf = <A, R>(effect: Effect.Effect<A, { readonly _tag: string }, R>) => Effect.merge(Effect.mapError(effect, ({ _tag }) => _tag))

/** A session whose child has asked on the stream of a call, and what came there. */
const askedInCall = Effect.gen(function*() {
  const play = yield* FakeChildren
  const session = yield* open(anna, interactive())
  play.answers = false
  const call = yield* session.call(request("tools/call", "c"))
  const child = play.children.at(-1)
  child?.emit(asking())
  const [question] = yield* linesOf(call)
  const answerCall = Effect.sync(() => child?.emit({ jsonrpc: "2.0", id: child.received.find(({ method }) => method === "tools/call")?.id, result: {} }))
  return { play, session, call, child, id: question?.id, answerCall }
})
/** The same on its own stream, which stays open. */
const askedOnStream = Effect.gen(function*() {
  const play = yield* FakeChildren
  const session = yield* open(anna, interactive())
  yield* use(session)
  const stream = yield* listen(session)
  const child = play.children.at(-1)
  child?.emit(asking())
  const [question] = yield* linesOf(stream)
  return { play, session, stream, child, id: question?.id }
})

describe("a session whose child asks", () => {
  it.scoped("is not idle meanwhile, whole windows long; its answer is activity", () =>
    Effect.gen(function*() {
      const { child, id, play, session } = yield* askedOnStream
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(living(play), 1)
      assert.isTrue(yield* respond(session, id))
      assert.deepStrictEqual(answersTo(child).map((line) => [line.id, line.result]), [[7, { by: anna.id }]])
      yield* TestClock.adjust("14 minutes")
      assert.strictEqual(living(play), 1)
      yield* TestClock.adjust("1 minutes")
      assert.strictEqual(living(play), 0)
      assert.strictEqual(yield* fateOf(session), "parked")
    }).pipe(Effect.provide(testSessions({ callTimeout: Duration.hours(1), callTimeoutMax: Duration.hours(2) }))))

  it.scoped("and gets no answer is no more active for that: a child that asks and asks keeps no session alive", () =>
    Effect.gen(function*() {
      const { child, play } = yield* askedOnStream
      yield* TestClock.adjust("14 minutes")
      child?.emit({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 7 } })
      child?.emit(asking(8))
      child?.emit({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 8 } })
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(living(play), 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(living(play), 0)
    }).pipe(Effect.provide(testSessions({ callTimeout: Duration.hours(1), callTimeoutMax: Duration.hours(2) }))))

  it.scoped("does not give its slot away before the answer", () =>
    Effect.gen(function*() {
      const { id, session } = yield* askedOnStream
      assert.strictEqual(yield* tagOf(open(anna)), "SessionsFull")
      assert.isTrue(yield* respond(session, id))
      yield* open(anna)
      assert.strictEqual(yield* fateOf(session), "parked")
    }).pipe(Effect.provide(testSessions({ maxSessionsPerUser: 1 }))))

  it.scoped("and who does not answer: the child hears it, and so does the client; the call has time to say so", () =>
    Effect.gen(function*() {
      const { answerCall, call, child, id } = yield* askedInCall
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(answersTo(child).map(({ error, id: of }) => [of, error?.message]), [[7, "The client did not answer in time."]])
      assert.deepStrictEqual((yield* linesOf(call)).map(({ params }) => params?.["requestId"]), [id])
      yield* answerCall
      assert.deepStrictEqual(yield* responseTo(call), { jsonrpc: "2.0", id: "c", result: {} })
    }).pipe(Effect.provide(testSessions())))

  it.scoped("is told once and once only, whoever answers of its user's grants for that client", () =>
    Effect.gen(function*() {
      const { child, id, session } = yield* askedInCall
      assert.strictEqual(yield* tagOf(respond(session, id, ben)), "SessionForeign")
      assert.strictEqual(yield* tagOf(respond(session, id, fakeGrant("1", "another client"))), "SessionForeign")
      assert.isFalse(yield* respond(session, 7))
      assert.isTrue(yield* respond(session, id, annaAgain))
      assert.isFalse(yield* respond(session, id))
      assert.lengthOf(answersTo(child), 1)
    }).pipe(Effect.provide(testSessions())))

  it.scoped("and crashes: the client hears that it is asked no longer, and an answer finds nobody, also after revival", () =>
    Effect.gen(function*() {
      const { call, child, id, play, session } = yield* askedInCall
      child?.crash()
      const lines = [...yield* linesOf(call)]
      assert.deepStrictEqual([lines[0]?.method, lines[0]?.params?.["requestId"], lines[1]?.id], ["notifications/cancelled", id, "c"])
      yield* settled
      assert.strictEqual(yield* fateOf(session), "parked")
      assert.isFalse(yield* respond(session, id))
      assert.strictEqual(living(play), 0, "an answer starts no child")
      play.answers = true
      yield* use(session)
      assert.isFalse(yield* respond(session, id))
      assert.deepStrictEqual(answersTo(play.children[1]), [])
    }).pipe(Effect.provide(testSessions())))

  it.scoped("and has ended, or was never there: the answer says which", () =>
    Effect.gen(function*() {
      const { call, id, session } = yield* askedInCall
      yield* (yield* Sessions).end(anna, session.id)
      assert.deepStrictEqual((yield* linesOf(call))[0]?.params?.["requestId"], id)
      assert.strictEqual(yield* tagOf(respond(session, id)), "SessionEnded")
      assert.strictEqual(yield* tagOf(respond({ id: "0".repeat(48) }, id)), "SessionUnknown")
    }).pipe(Effect.provide(testSessions())))
})

describe("a child that asks before its session is there", () => {
  it.scoped("waits: the question comes when it can be answered", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* open(anna, interactive())
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* fateOf(session), "parked")
      const stream = yield* listen(session)
      play.mode = "silent"
      const using = yield* Effect.fork(use(session))
      yield* settled
      const child = play.children[1]
      child?.emit(asking("early"))
      yield* settled
      const reading = yield* Effect.fork(linesOf(stream))
      yield* settled
      assert.isTrue(Option.isNone(yield* Fiber.poll(reading)))
      child?.comeUp()
      const [question] = yield* Fiber.join(reading)
      assert.isTrue(yield* respond(session, question?.id))
      assert.deepStrictEqual(answersTo(child).map(({ id }) => id), ["early"])
      yield* Fiber.join(using)
    }).pipe(Effect.provide(testSessions())))
})

describe("a rotation while the child asks", () => {
  it.scoped("leaves what belongs to a call to the old child, and ends what belongs to none", () =>
    Effect.gen(function*() {
      const tokens = yield* FakeTokens
      tokens.expiresAt = 60 * 60_000
      tokens.staleAt = 50 * 60_000
      const play = yield* FakeChildren
      const session = yield* open(anna, interactive())
      yield* Effect.forEach([12, 12, 12, 12, 1], (count) => Effect.zipRight(use(session), TestClock.adjust(`${count} minutes`)), { discard: true })
      yield* TestClock.adjust("30 seconds")
      play.answers = false
      const call = yield* session.call(request("tools/call", "c"))
      const child = play.children[0]
      child?.emit(asking("call's"))
      const [mine] = yield* linesOf(call)
      const stream = yield* listen(session)
      yield* session.call(request("tools/call", "d"))
      child?.emit(asking("nobody's"))
      const [other] = yield* linesOf(stream)
      tokens.serial++
      tokens.expiresAt = tokens.staleAt = 100_000 * 60_000
      yield* TestClock.adjust("90 seconds")
      assert.deepStrictEqual(play.children.map(({ alive }) => alive), [true, true])
      assert.deepStrictEqual(answersTo(child).map(({ error, id }) => [id, error?.message]), [["nobody's", "The server was replaced by a new process, which may ask again."]])
      assert.strictEqual((yield* linesOf(stream))[0]?.params?.["requestId"], other?.id)
      assert.isFalse(yield* respond(session, other?.id))
      play.children[1]?.emit(asking("call's"))
      const [again] = yield* linesOf(stream)
      assert.isTrue(yield* respond(session, mine?.id))
      assert.deepStrictEqual(answersTo(child).map(({ id }) => id), ["nobody's", "call's"])
      assert.deepStrictEqual(answersTo(play.children[1]), [])
      assert.isTrue(yield* respond(session, again?.id))
      assert.deepStrictEqual(answersTo(play.children[1]).map(({ id }) => id), ["call's"])
    }).pipe(Effect.provide(testSessions())))
})

describe("an answer without a session id", () => {
  const respondDefault = (id: unknown, grant = anna) =>
    Effect.flatMap(Sessions, (sessions) => sessions.respondDefault(grant, { _tag: "Response", id: id as string, body: { result: {} } }))
  /** A call without an id, and what the child asks in it. */
  const askedByDefault = Effect.gen(function*() {
    const play = yield* FakeChildren
    play.answers = false
    const { call } = yield* (yield* Sessions).callDefault(anna, "2025-03-26", request("tools/call", "c"), { isStreamed: true })
    const child = play.children.at(-1)
    child?.emit(asking())
    const [question] = yield* linesOf(call)
    return { child, id: question?.id }
  })

  it.scoped("goes to the one of the grant's sessions that has asked, although another is the newest by now", () =>
    Effect.gen(function*() {
      yield* open(anna, interactive())
      const { child, id } = yield* askedByDefault
      yield* open(anna, interactive())
      for (const other of [annaAgain, ben]) assert.isFalse(yield* respondDefault(id, other))
      assert.isTrue(yield* respondDefault(id))
      assert.isFalse(yield* respondDefault(id))
      assert.deepStrictEqual(answersTo(child).map((line) => line.id), [7])
    }).pipe(Effect.provide(testSessions())))

  it.scoped("goes nowhere where there is none, and not to one whose client sends its id", () =>
    Effect.gen(function*() {
      assert.isFalse(yield* respondDefault("x"))
      const { id, session } = yield* askedInCall
      assert.isFalse(yield* respondDefault(id))
      assert.isTrue(yield* respond(session, id))
    }).pipe(Effect.provide(testSessions())))
})

describe("equal ids", () => {
  type Step =
    | { readonly what: "ask"; readonly session: number; readonly id: string | number }
    | { readonly what: "answer"; readonly session: number; readonly ask: number }
    | { readonly what: "take back"; readonly session: number; readonly id: string | number }
    | { readonly what: "call"; readonly session: number }
  const session = fc.nat(1)
  const id = fc.constantFrom<string | number>(1, "1", 2)
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ what: fc.constant("ask" as const), session, id }),
    fc.record({ what: fc.constant("answer" as const), session, ask: fc.nat(20) }),
    fc.record({ what: fc.constant("take back" as const), session, id }),
    fc.record({ what: fc.constant("call" as const), session })
  )

  const run = (steps: ReadonlyArray<Step>) =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const sessions = yield* Sessions
      const held = yield* Effect.forEach([anna, anna], (grant) => open(grant, interactive()))
      play.answers = false
      // Two callers in each, with the same id of theirs.
      const streams = yield* Effect.forEach(held, (each) => Effect.forEach([1, 1], () => each.call(request("tools/call", 1))))
      /** What the client was asked, where, and by the child under which id. */
      const known: Array<{ readonly session: number; readonly brokerId: string; readonly childId: string | number; isOpen: boolean }> = []
      const expected: ReadonlyArray<Array<Line>> = [[], []]
      const collect = Effect.forEach(streams, (calls, at) =>
        Effect.forEach(calls, (call) => Effect.timeoutTo(linesOf(call), { duration: 0, onTimeout: (): ReadonlyArray<Line> => [], onSuccess: (lines) => lines }).pipe(
          Effect.fork,
          Effect.tap(settled),
          Effect.flatMap(Fiber.join),
          Effect.map((lines) => lines.flatMap(({ id: brokerId, method, params }) =>
            method === "sampling/createMessage" ? [{ session: at, brokerId: String(brokerId), childId: params?.["own"] as string | number, isOpen: true }] : []))
        )))
      for (const each of steps) {
        const child = play.children[each.session]
        if (each.what === "ask") {
          const isDuplicate = known.some(({ childId, isOpen, session }) => isOpen && session === each.session && childId === each.id)
          child?.emit({ ...asking(each.id), params: { own: each.id } })
          yield* settled
          const came = (yield* collect).flat(2)
          assert.deepStrictEqual(came.map(({ childId, session }) => [session, childId]), isDuplicate ? [] : [[each.session, each.id]])
          known.push(...came)
        } else if (each.what === "take back") {
          child?.emit({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: each.id } })
          yield* settled
          for (const one of known) if (one.session === each.session && one.childId === each.id) one.isOpen = false
        } else if (each.what === "answer") {
          const one = known[each.ask]
          if (one === undefined) continue
          const isRight = one.isOpen && one.session === each.session
          const response = { _tag: "Response", id: one.brokerId, body: { result: one.brokerId } } as const
          assert.strictEqual(yield* sessions.respond(anna, held[each.session]?.id ?? "", response), isRight)
          if (!isRight) continue
          one.isOpen = false
          expected[one.session]?.push({ id: one.childId, result: one.brokerId })
        } else streams[each.session]?.push(yield* held[each.session]?.call(request("tools/call", 1)) ?? Effect.dieMessage("no session"))
        const heard = play.children.map((each) => answersTo(each).filter(({ error }) => error === undefined).map((line) => ({ id: line.id, result: line.result })))
        assert.deepStrictEqual(heard, expected.map((lines) => lines.map((line) => ({ id: line.id, result: line.result }))))
      }
      assert.strictEqual(new Set(known.map(({ brokerId }) => brokerId)).size, known.length)
    })

  it("of two sessions and of two callers in each: no answer reaches another request, child or session", () =>
    fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 16, size: "max" }), (steps) =>
      Effect.runPromise(run(steps).pipe(Effect.scoped, Effect.provide(testSessions()), Logger.withMinimumLogLevel(LogLevel.None), Effect.provide(TestContext.TestContext)))), { numRuns: 25 }))
})
