import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, TestClock } from "effect"
import { SessionRowsLive } from "../../src/layers/SessionRowsLive.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { FakeChildren, living } from "../fakes/FakeChildren.ts"
import { fakeGrant, FakeGrants } from "../fakes/FakeGrants.ts"
import { asIfKilled, fateOf, open, request, responseTo, sessionsOverRows, sessionsWorld, testSessions, use } from "../fakes/TestSessions.ts"

const anna = fakeGrant("1")
const ben = fakeGrant("2")
const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.match(effect, { onFailure: ({ _tag }) => _tag, onSuccess: () => "ok" })
const methodsOf = (child: FakeChildren["Type"]["children"][number] | undefined) => child?.received.map(({ method }) => method)
/** A session that was used and is parked now. */
const parked = Effect.gen(function*() {
  const session = yield* open(anna)
  yield* use(session)
  yield* TestClock.adjust("15 minutes")
  assert.strictEqual(yield* fateOf(session), "parked")
  return session
})

describe("a session that is idle", () => {
  it.effect("is parked at its deadline, not before; activity moves it, ping does not", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* open(anna)
      yield* use(session)
      yield* TestClock.adjust("14 minutes")
      yield* use(session)
      yield* TestClock.adjust("14 minutes")
      yield* responseTo(yield* session.call(request("ping", 2)))
      assert.strictEqual(living(play), 1)
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(living(play), 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(living(play), 0)
      assert.strictEqual(yield* fateOf(session), "parked")
      assert.strictEqual(yield* (yield* Sessions).size, 0)
    }).pipe(Effect.provide(testSessions())))

  it.effect("and got only its handshake is parked after a minute", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* open(anna)
      yield* session.notify("notifications/initialized")
      yield* responseTo(yield* session.call(request("ping")))
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(living(play), 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(living(play), 0)
    }).pipe(Effect.provide(testSessions())))

  it.effect("is not so while a call is in flight", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const session = yield* open(anna)
      const call = yield* session.call(request("tools/call", 5, { name: "slow" }))
      yield* TestClock.adjust("19 minutes")
      assert.strictEqual(living(play), 1)
      const sent = play.children[0]?.received.at(-1)
      play.children[0]?.emit({ jsonrpc: "2.0", id: sent?.id, result: { ok: true } })
      assert.deepStrictEqual(yield* responseTo(call), { jsonrpc: "2.0", id: 5, result: { ok: true } })
      yield* TestClock.adjust("15 minutes")
      assert.strictEqual(living(play), 0)
    }).pipe(Effect.provide(testSessions({ callTimeout: Duration.minutes(20) }))))

  it.effect("and stateful ends instead, at its own time, and is told so", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* open(anna)
      yield* TestClock.adjust("14 minutes")
      assert.strictEqual(living(play), 1, "what it keeps is not known")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(living(play), 0)
      assert.strictEqual(yield* fateOf(session), "idle")
      assert.strictEqual(yield* tagOf(session.call(request("tools/list"))), "SessionEnded")
    }).pipe(Effect.provide(testSessions({ childStateful: true }))))
})

describe("a parked session", () => {
  it.effect("comes back at its next request: the client's own handshake is replayed, and the request answered", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* open(anna)
      yield* use(session)
      yield* responseTo(yield* session.call(request("logging/setLevel", "l", { level: "debug" })))
      for (const [method, uri] of [["subscribe", "forgejo://a"], ["subscribe", "forgejo://b"], ["unsubscribe", "forgejo://a"]]) {
        yield* responseTo(yield* session.call(request(`resources/${method}`, "s", { uri })))
      }
      yield* TestClock.adjust("15 minutes")
      assert.strictEqual(living(play), 0)
      assert.deepStrictEqual(yield* responseTo(yield* session.call(request("tools/list", "back"))), {
        jsonrpc: "2.0",
        id: "back",
        result: { method: "tools/list", params: null }
      })
      const [first, second] = play.children
      assert.deepStrictEqual(methodsOf(second), ["initialize", "notifications/initialized", "logging/setLevel", "resources/subscribe", "tools/list"])
      assert.deepStrictEqual(second?.received[0]?.params, first?.received[0]?.params)
      assert.deepStrictEqual(second?.received.slice(2, 4).map(({ params }) => params), [{ level: "debug" }, { uri: "forgejo://b" }])
      assert.strictEqual(yield* fateOf(session), "live")
    }).pipe(Effect.provide(testSessions())))

  it.effect("is revived once for many requests, each of which is answered; one that leaves takes nobody along", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* parked
      play.mode = "silent"
      const waiting = yield* Effect.forEach([1, 2, 3, 4], (id) => Effect.fork(Effect.flatMap(session.call(request("tools/list", id)), responseTo)))
      yield* TestClock.adjust(0)
      assert.strictEqual(play.children.length, 2)
      yield* Fiber.interrupt(waiting[0] as (typeof waiting)[number])
      const child = play.children[1]
      child?.emit({ jsonrpc: "2.0", id: child.received[0]?.id, result: { protocolVersion: "2025-06-18", capabilities: play.server.capabilities, serverInfo: { name: "fake", version: "1" } } })
      const answers = yield* Effect.forEach(waiting.slice(1), Fiber.join)
      assert.deepStrictEqual(answers.map(({ id }) => id), [2, 3, 4])
      assert.deepStrictEqual(methodsOf(child)?.filter((method) => method === "tools/list").length, 3)
      assert.strictEqual(living(play), 1)
      yield* TestClock.adjust("15 minutes")
      assert.strictEqual(living(play), 0, "the one that left holds nothing")
    }).pipe(Effect.provide(testSessions())))

  it.effect("answers ping without a child, and takes notifications for its next one", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* parked
      assert.deepStrictEqual(yield* responseTo(yield* session.call(request("ping", "p"))), { jsonrpc: "2.0", id: "p", result: {} })
      yield* session.notify("notifications/roots/list_changed")
      yield* session.notify("notifications/cancelled", { requestId: 1 })
      assert.strictEqual(play.children.length, 1)
      yield* use(session)
      assert.deepStrictEqual(methodsOf(play.children[1]), ["initialize", "notifications/initialized", "notifications/roots/list_changed", "tools/list"])
      yield* TestClock.adjust("15 minutes")
      yield* use(session)
      assert.deepStrictEqual(methodsOf(play.children[2]), ["initialize", "notifications/initialized", "tools/list"], "said once")
    }).pipe(Effect.provide(testSessions())))

  it.effect("ends at DELETE, is refused to others, and its grant's end ends it", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const first = yield* parked
      assert.strictEqual(yield* tagOf(sessions.call(ben, first.id, request("tools/list"), { isStreamed: true })), "SessionForeign")
      yield* sessions.end(anna, first.id)
      assert.strictEqual(yield* tagOf(first.call(request("ping"))), "SessionEnded")
      const second = yield* parked
      yield* (yield* FakeGrants).revoke(anna)
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* fateOf(second), "grant_ended")
      assert.strictEqual(yield* tagOf(sessions.call(fakeGrant("1", "client", 2), second.id, request("tools/list"), { isStreamed: true })), "SessionEnded")
      assert.strictEqual(living(yield* FakeChildren), 0)
    }).pipe(Effect.provide(testSessions())))

  it.effect("goes on with the token of another grant of its user and client", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const session = yield* parked
      assert.strictEqual(yield* tagOf(sessions.call(fakeGrant("1", "client", 2), session.id, request("tools/list"), { isStreamed: true })), "ok")
    }).pipe(Effect.provide(testSessions())))

  it.effect("stays parked when its child does not come up, and tries again at the next request", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* parked
      play.mode = "spawn fails"
      assert.strictEqual(yield* tagOf(session.call(request("tools/list"))), "StartFailed")
      assert.strictEqual(yield* fateOf(session), "parked")
      assert.strictEqual(yield* (yield* Sessions).size, 0)
      play.mode = "up"
      assert.strictEqual((yield* use(session)).id, 1)
    }).pipe(Effect.provide(testSessions())))
})

describe("parked sessions", () => {
  it.effect("end when nobody has used them for SESSION_KEEP, and beyond MAX_PARKED of a grant, with their streams", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const [first, second, other] = [yield* open(anna), yield* open(anna), yield* open(fakeGrant("1", "client", 2))]
      const streams = yield* Effect.forEach([first, other], ({ id }) => sessions.stream(anna, id))
      yield* use(second)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Effect.forEach([first, second, other], fateOf), ["parked", "live", "parked"])
      yield* TestClock.adjust("15 minutes")
      assert.deepStrictEqual(yield* Effect.forEach([first, second, other], fateOf), ["too_many_parked", "parked", "parked"])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* Effect.forEach([first, second, other], fateOf), ["too_many_parked", "kept_too_long", "kept_too_long"])
      for (const stream of streams) assert.isTrue((yield* stream.take).some(({ final }) => final))
    }).pipe(Effect.scoped, Effect.provide(testSessions({ maxParked: 1, sessionKeep: Duration.hours(1) }))))
})

describe("a child that is not what the client was told", () => {
  const revivedWith = (server: Partial<FakeChildren["Type"]["server"]>) =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* parked
      play.server = { ...play.server, ...server }
      const tag = yield* tagOf(session.call(request("tools/list")))
      return { tag, fate: yield* fateOf(session), alive: living(play) }
    }).pipe(Effect.provide(testSessions()))

  it.effect("ends the session: another server, another protocol version, or a capability less", () =>
    Effect.gen(function*() {
      const over = { tag: "SessionEnded", fate: "incompatible", alive: 0 }
      assert.deepStrictEqual(yield* revivedWith({ name: "other" }), over)
      assert.deepStrictEqual(yield* revivedWith({ protocolVersion: "2024-11-05" }), over)
      assert.deepStrictEqual(yield* revivedWith({ capabilities: {} }), over)
      assert.deepStrictEqual(yield* revivedWith({ capabilities: { tools: { listChanged: true }, prompts: {} } }), { tag: "ok", fate: "live", alive: 1 })
    }))

  it.effect("but only a newer version of it is told as changed lists, once, ahead of the next answer", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* parked
      play.server = { ...play.server, version: "2" }
      const messages = yield* Effect.flatMap(session.call(request("tools/list", 1)), (call) =>
        Effect.zipWith(call.take, call.take, (first, second) => [...first, ...second].map(({ line }) => JSON.parse(line) as { method?: string; id?: number })))
      assert.deepStrictEqual(messages.map(({ id, method }) => method ?? id), ["notifications/tools/list_changed", 1])
      yield* TestClock.adjust("15 minutes")
      const call = yield* session.call(request("tools/list", 2))
      assert.strictEqual((yield* call.take).length, 1)
    }).pipe(Effect.provide(testSessions())))
})

describe("a crash", () => {
  it.effect("answers what is in flight, parks the session, and frees its slot; the next call starts another child", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const session = yield* open(anna)
      const call = yield* session.call(request("tools/call", "q", { name: "x" }))
      play.children[0]?.crash()
      const answer = yield* responseTo(call)
      assert.strictEqual(answer.id, "q")
      assert.match(JSON.stringify(answer.error), /ended before it answered/)
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* fateOf(session), "parked")
      assert.strictEqual(yield* (yield* Sessions).size, 0)
      play.answers = true
      assert.strictEqual((yield* use(session)).id, 1)
    }).pipe(Effect.provide(testSessions())))

  it.effect("is not noticed by a call that comes in the same moment", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* open(anna)
      play.children[0]?.crash()
      assert.deepInclude(yield* use(session), { id: 1, result: { method: "tools/list", params: null } })
      assert.strictEqual(play.children.length, 2)
    }).pipe(Effect.provide(testSessions())))

  it.effect("three times within a minute ends the session; three times within more does not", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const crashesEvery = (seconds: number) =>
        Effect.gen(function*() {
          const session = yield* open(anna)
          for (let n = 0; n < 3; n++) {
            yield* use(session)
            play.children.at(-1)?.crash()
            yield* TestClock.adjust(`${seconds} seconds`)
          }
          return yield* fateOf(session)
        })
      assert.strictEqual(yield* crashesEvery(20), "crashed_again")
      assert.strictEqual(yield* crashesEvery(30), "parked")
    }).pipe(Effect.provide(testSessions())))
})

describe("a restart of the broker", () => {
  const restarted = (childStateful: boolean, isKilled: boolean) =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const run = <A, E>(effect: Effect.Effect<A, E, Sessions>) => Effect.provide(effect, Layer.provideMerge(sessionsOverRows, SessionRowsLive))
      const session = yield* run(Effect.tap(open(anna), use))
      assert.strictEqual(living(play), 0)
      if (isKilled) yield* asIfKilled(session)
      const tag = yield* run(tagOf(session.call(request("tools/list"))))
      return { tag, fate: yield* fateOf(session), started: play.children.length, alive: living(play) }
    }).pipe(Effect.provide(sessionsWorld({ childStateful })))

  it.effect("parks what was live, whether it was told or killed; the client goes on with its id", () =>
    Effect.gen(function*() {
      for (const isKilled of [false, true]) assert.deepStrictEqual(yield* restarted(false, isKilled), { tag: "ok", fate: "parked", started: 2, alive: 0 })
    }))

  it.effect("ends sessions with stateful children", () =>
    Effect.gen(function*() {
      for (const isKilled of [false, true]) {
        assert.deepStrictEqual(yield* restarted(true, isKilled), { tag: "SessionEnded", fate: "shutdown", started: 1, alive: 0 })
      }
    }))
})
