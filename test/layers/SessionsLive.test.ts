import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Either, Exit, Fiber, Option, Redacted, TestClock } from "effect"
import { Sessions } from "../../src/services/Sessions.ts"
import { FakeChildren, living } from "../fakes/FakeChildren.ts"
import { fakeGrant, FakeGrants } from "../fakes/FakeGrants.ts"
import { FakeTokens } from "../fakes/FakeUpstreamTokens.ts"
import { initialize, messagesOf, request, responseTo, testSessions } from "../fakes/TestSessions.ts"

const anna = fakeGrant("1")
const ben = fakeGrant("2")
const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.either(effect), (result) => Either.isLeft(result) ? result.left._tag : "ok")

describe("Sessions", () => {
  it.effect("initialize starts a child with the user's token and answers under the client's own id", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      const { id, initializeLine } = yield* sessions.open(anna, initialize("abc"))
      assert.match(Redacted.value(id), /^[0-9a-f]{48}$/)
      const answer = JSON.parse(initializeLine)
      assert.strictEqual(answer.id, "abc")
      assert.strictEqual(answer.result.protocolVersion, "2025-06-18")
      assert.isUndefined(answer.result.capabilities.tasks)
      assert.deepStrictEqual(play.children.map((child) => child.token), ["token-1"])
    }).pipe(Effect.provide(testSessions())))

  it.effect("a call goes to the session's own child and comes back under the client's id, of either type", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      const { session } = yield* sessions.open(anna, initialize())
      yield* sessions.open(ben, initialize())
      for (const id of ["x", 7, "7", 0]) {
        const answer = yield* responseTo(yield* session.call(request("tools/list", id)))
        assert.strictEqual(answer.id, id)
      }
      assert.strictEqual(play.children[0]?.received.filter((message) => message.method === "tools/list").length, 4)
      assert.strictEqual(play.children[1]?.received.filter((message) => message.method === "tools/list").length, 0)
    }).pipe(Effect.provide(testSessions())))

  it.effect("ids: own is found, foreign user and foreign client are told apart, ended and unknown too", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const opened = yield* sessions.open(anna, initialize())
      const id = Redacted.value(opened.id)
      assert.strictEqual(yield* tagOf(sessions.find(anna, id)), "ok")
      assert.strictEqual(yield* tagOf(sessions.find(fakeGrant("1", "client", 2), id)), "ok", "another grant of the same user and client")
      assert.strictEqual(yield* tagOf(sessions.find(ben, id)), "SessionForeign")
      assert.strictEqual(yield* tagOf(sessions.find(fakeGrant("1", "other"), id)), "SessionForeign")
      assert.strictEqual(yield* tagOf(sessions.find(anna, "f".repeat(48))), "SessionUnknown")
      assert.strictEqual(yield* tagOf(sessions.end(ben, id)), "SessionForeign")
      yield* sessions.end(anna, id)
      assert.strictEqual(yield* tagOf(sessions.find(anna, id)), "SessionEnded")
      assert.strictEqual(yield* tagOf(sessions.find(ben, id)), "SessionForeign", "also when it has ended")
      assert.strictEqual(yield* tagOf(opened.session.call(request("ping"))), "SessionEnded")
    }).pipe(Effect.provide(testSessions())))

  it.effect("DELETE returns when the child is gone", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      const { id } = yield* sessions.open(anna, initialize())
      assert.strictEqual(living(play), 1)
      yield* sessions.end(anna, Redacted.value(id))
      assert.strictEqual(living(play), 0)
      assert.isFalse(play.children[0]?.killed, "it was asked first")
      assert.strictEqual(yield* sessions.size, 0)
    }).pipe(Effect.provide(testSessions())))

  it.effect("is reaped at the idle deadline, not before; activity moves it, ping does not", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      const { session } = yield* sessions.open(anna, initialize())
      yield* responseTo(yield* session.call(request("tools/list")))
      yield* TestClock.adjust("14 minutes")
      yield* responseTo(yield* session.call(request("tools/list")))
      yield* TestClock.adjust("14 minutes")
      yield* responseTo(yield* session.call(request("ping", 2)))
      assert.strictEqual(living(play), 1)
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(living(play), 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(living(play), 0)
      assert.strictEqual(yield* session.done, "idle")
    }).pipe(Effect.provide(testSessions())))

  it.effect("one that got only its handshake is reaped after a minute; a child that may keep something is not", () =>
    Effect.gen(function*() {
      const lives = (preset: "forgejo-mcp" | "custom") =>
        Effect.gen(function*() {
          const sessions = yield* Sessions
          const play = yield* FakeChildren
          const { session } = yield* sessions.open(anna, initialize())
          yield* session.notify({ _tag: "Notification", method: "notifications/initialized", params: undefined })
          yield* responseTo(yield* session.call(request("ping")))
          yield* TestClock.adjust("59 seconds")
          assert.strictEqual(living(play), 1)
          yield* TestClock.adjust("1 second")
          return living(play)
        }).pipe(Effect.provide(testSessions({ childPreset: preset })))
      assert.strictEqual(yield* lives("forgejo-mcp"), 0)
      assert.strictEqual(yield* lives("custom"), 1)
    }))

  it.effect("a call in flight is never idle", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      play.answers = false
      const { session } = yield* sessions.open(anna, initialize())
      const call = yield* session.call(request("tools/call", 5, { name: "slow" }))
      yield* TestClock.adjust("19 minutes")
      assert.strictEqual(living(play), 1)
      const sent = play.children[0]?.received.at(-1)
      play.children[0]?.emit({ jsonrpc: "2.0", id: sent?.id as number, result: { ok: true } })
      assert.deepStrictEqual(yield* responseTo(call), { jsonrpc: "2.0", id: 5, result: { ok: true } })
      yield* TestClock.adjust("15 minutes")
      assert.strictEqual(living(play), 0)
    }).pipe(Effect.provide(testSessions({ callTimeout: Duration.minutes(20) }))))

  it.effect("a crash answers what is in flight, ends the session, and frees its slot", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      play.answers = false
      const { id, session } = yield* sessions.open(anna, initialize())
      const call = yield* session.call(request("tools/call", "q", { name: "x" }))
      play.children[0]?.crash()
      const answer = yield* responseTo(call)
      assert.strictEqual(answer.id, "q")
      assert.match(JSON.stringify(answer.error), /ended before it answered/)
      assert.strictEqual(yield* session.done, "child_gone")
      assert.strictEqual(yield* sessions.size, 0)
      assert.strictEqual(yield* tagOf(sessions.find(anna, Redacted.value(id))), "SessionEnded")
    }).pipe(Effect.provide(testSessions())))

  it.effect("a call that comes between a crash and its session's end is told that the session has ended", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      const { session } = yield* sessions.open(anna, initialize())
      const heard = play.children[0]?.received.length
      play.children[0]?.crash()
      while ((yield* Effect.either(session.call(request("ping"))))._tag === "Right") yield* Effect.yieldNow()
      assert.strictEqual(yield* tagOf(session.call(request("tools/call"))), "SessionEnded")
      assert.strictEqual(play.children[0]?.received.length, heard)
    }).pipe(Effect.provide(testSessions())))

  it.effect("caps: the user's own first, then the total; Retry-After is between 1 and 60 s", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      yield* sessions.open(anna, initialize())
      yield* sessions.open(anna, initialize())
      const user = yield* Effect.flip(sessions.open(anna, initialize()))
      assert.deepInclude(user, { _tag: "SessionsFull", cap: "user", retryAfter: 60 })
      yield* sessions.open(ben, initialize())
      const total = yield* Effect.flip(sessions.open(fakeGrant("3"), initialize()))
      assert.deepInclude(total, { _tag: "SessionsFull", cap: "total" })
      yield* TestClock.adjust("59 seconds")
      assert.deepInclude(yield* Effect.flip(sessions.open(anna, initialize())), { retryAfter: 1 })
      yield* TestClock.adjust("1 second")
      yield* sessions.open(anna, initialize())
    }).pipe(Effect.provide(testSessions({ maxSessions: 3, maxSessionsPerUser: 2 }))))

  it.effect("a session takes as many calls at once as it may, and one more when one is answered", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      play.answers = false
      const { session } = yield* sessions.open(anna, initialize())
      yield* session.call(request("tools/call", 1))
      yield* session.call(request("tools/call", 1))
      assert.strictEqual(yield* tagOf(session.call(request("tools/call", 1))), "SessionBusy")
      play.children[0]?.emit({ jsonrpc: "2.0", id: play.children[0].received.at(-1)?.id, result: {} })
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* tagOf(session.call(request("tools/call", 1))), "ok")
    }).pipe(Effect.provide(testSessions({ maxCallsPerSession: 2 }))))

  it.effect("revoking the grant ends its sessions and no others, also one that is just starting", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      const grants = yield* FakeGrants
      const first = yield* sessions.open(anna, initialize())
      const other = yield* sessions.open(fakeGrant("1", "client", 2), initialize())
      play.mode = "silent"
      const starting = yield* Effect.fork(Effect.exit(sessions.open(anna, initialize())))
      yield* TestClock.adjust(0)
      assert.strictEqual(living(play), 3)
      yield* grants.revoke(anna)
      assert.strictEqual(yield* first.session.done, "grant_ended")
      assert.deepStrictEqual(play.children.map((child) => child.killed), [true, false, false], "a revoked client's calls do not go on")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(starting)))
      assert.strictEqual(living(play), 1)
      play.mode = "up"
      assert.strictEqual(yield* tagOf(sessions.open(anna, initialize())), "GrantOver")
      assert.strictEqual(yield* tagOf(other.session.call(request("ping"))), "ok")
      assert.strictEqual(yield* sessions.size, 1)
    }).pipe(Effect.provide(testSessions())))

  it.effect("a client that leaves while its child starts takes the session with it", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      play.mode = "silent"
      const opening = yield* Effect.fork(sessions.open(anna, initialize()))
      yield* TestClock.adjust(0)
      assert.strictEqual(living(play), 1)
      yield* Fiber.interrupt(opening)
      yield* TestClock.adjust(0)
      assert.strictEqual(living(play), 0)
      assert.strictEqual(yield* sessions.size, 0)
    }).pipe(Effect.provide(testSessions())))

  it.effect("ends when its child's token expires: a session that says so beats one whose calls all fail", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      ;(yield* FakeTokens).expiresAt = 10 * 60_000
      const { session } = yield* sessions.open(anna, initialize())
      yield* responseTo(yield* session.call(request("tools/list")))
      yield* TestClock.adjust("599 seconds")
      assert.strictEqual(living(play), 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* session.done, "token_expired")
      assert.strictEqual(living(play), 0)
    }).pipe(Effect.provide(testSessions())))

  describe("a child that does not come up", () => {
    const failing = (mode: "spawn fails" | "exits" | "silent", recheck: FakeTokens["Type"]["recheck"] = "same") =>
      Effect.gen(function*() {
        const sessions = yield* Sessions
        const play = yield* FakeChildren
        const tokens = yield* FakeTokens
        play.mode = mode
        tokens.recheck = recheck
        const opening = yield* Effect.fork(Effect.either(sessions.open(anna, initialize())))
        yield* TestClock.adjust("30 seconds")
        const result = yield* Fiber.join(opening)
        assert.strictEqual(living(play), 0)
        assert.strictEqual(yield* sessions.size, 0)
        return Either.isLeft(result) ? result.left : assert.fail("it opened")
      }).pipe(Effect.provide(testSessions()))

    it.effect("has START_TIMEOUT, not CALL_TIMEOUT, where that is shorter", () =>
      Effect.gen(function*() {
        const sessions = yield* Sessions
        const play = yield* FakeChildren
        play.mode = "silent"
        const opening = yield* Effect.fork(sessions.open(anna, initialize("late")))
        yield* TestClock.adjust("20 seconds")
        const child = play.children[0]
        child?.emit({ jsonrpc: "2.0", id: child.received[0]?.id, result: { protocolVersion: "2025-06-18", capabilities: {}, serverInfo: { name: "f", version: "1" } } })
        assert.strictEqual(JSON.parse((yield* Fiber.join(opening)).initializeLine).id, "late")
      }).pipe(Effect.provide(testSessions({ callTimeout: Duration.seconds(10) }))))

    it.effect("binary missing", () => Effect.map(failing("spawn fails"), (error) => assert.deepInclude(error, { _tag: "StartFailed", category: "binary missing" })))
    it.effect("exits although Forgejo takes the token", () => Effect.map(failing("exits"), (error) => assert.deepInclude(error, { category: "child exited" })))
    it.effect("exits because Forgejo is down", () => Effect.map(failing("exits", "unavailable"), (error) => assert.deepInclude(error, { category: "Forgejo unreachable" })))
    it.effect("exits because the sign-in is over", () => Effect.map(failing("exits", "gone"), (error) => assert.deepInclude(error, { _tag: "UpstreamGone" })))
    it.effect("never answers", () => Effect.map(failing("silent"), (error) => assert.deepInclude(error, { category: "child did not answer" })))
  })

  it.effect("a token that Forgejo refuses is renewed once, and the child started again with the new one", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      const tokens = yield* FakeTokens
      tokens.recheck = "renewed"
      play.mode = "exits"
      assert.deepInclude(yield* Effect.flip(sessions.open(anna, initialize())), { category: "child exited" })
      assert.deepStrictEqual(play.children.map((child) => child.token), ["token-1", "renewed-1"])
    }).pipe(Effect.provide(testSessions())))

  it.effect("an initialize that the child refuses is the client's answer, and leaves no session", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      play.mode = "refuses initialize"
      const refused = yield* Effect.flip(sessions.open(anna, initialize("i")))
      assert.strictEqual(refused._tag, "InitializeRefused")
      assert.deepInclude(JSON.parse((refused as { line: string }).line), { id: "i" })
      assert.strictEqual(living(play), 0)
    }).pipe(Effect.provide(testSessions())))

  describe("requests without a session id", () => {
    it.effect("go to the grant's newest session whose id nobody has sent back", () =>
      Effect.gen(function*() {
        const sessions = yield* Sessions
        const play = yield* FakeChildren
        yield* sessions.open(anna, initialize())
        const newest = yield* sessions.open(anna, initialize())
        const { opened, session } = yield* sessions.defaultOf(anna, "2025-03-26")
        assert.strictEqual(session.key, newest.session.key)
        assert.isUndefined(opened)
        assert.strictEqual(play.children.length, 2)
      }).pipe(Effect.provide(testSessions())))

    it.effect("do not go to one whose id was sent back; the broker then initialises one itself and names it once", () =>
      Effect.gen(function*() {
        const sessions = yield* Sessions
        const play = yield* FakeChildren
        const claimed = yield* sessions.open(anna, initialize())
        yield* sessions.find(anna, Redacted.value(claimed.id))
        assert.isTrue(Option.isNone(yield* sessions.findDefault(anna)))
        const first = yield* sessions.defaultOf(anna, "2025-03-26")
        assert.isDefined(first.opened)
        assert.deepInclude(play.children[1]?.received[0]?.params, { protocolVersion: "2025-03-26", capabilities: {} })
        assert.strictEqual(play.children[1]?.received[1]?.method, "notifications/initialized")
        const second = yield* sessions.defaultOf(anna, "2025-03-26")
        assert.isUndefined(second.opened)
        assert.strictEqual(second.session.key, first.session.key)
        assert.notStrictEqual((yield* sessions.defaultOf(fakeGrant("1", "client", 2), "2025-03-26")).session.key, first.session.key, "grants do not share one")
      }).pipe(Effect.provide(testSessions())))

    it.effect("share one start, and one of them leaving does not end it for the others", () =>
      Effect.gen(function*() {
        const sessions = yield* Sessions
        const play = yield* FakeChildren
        play.mode = "silent"
        const waiting = yield* Effect.forEach([1, 2, 3], () => Effect.fork(sessions.defaultOf(anna, "2025-03-26")))
        yield* TestClock.adjust(0)
        assert.strictEqual(play.children.length, 1)
        yield* Fiber.interrupt(waiting[0] as (typeof waiting)[number])
        const child = play.children[0]
        child?.emit({ jsonrpc: "2.0", id: child.received[0]?.id, result: { protocolVersion: "2025-03-26", capabilities: {}, serverInfo: { name: "f", version: "1" } } })
        const keys = yield* Effect.forEach(waiting.slice(1), (fiber) => Effect.map(Fiber.join(fiber), ({ session }) => session.key))
        assert.strictEqual(new Set(keys).size, 1)
        assert.strictEqual(living(play), 1)
      }).pipe(Effect.provide(testSessions())))
  })

  it.effect("download_release_attachment is hidden and refused, and the child never hears of the call", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      play.answers = false
      const { session } = yield* sessions.open(anna, initialize())
      const list = yield* session.call(request("tools/list", 1))
      const child = play.children[0]
      child?.emit({ jsonrpc: "2.0", id: child.received.at(-1)?.id, result: { tools: [{ name: "a" }, { name: "download_release_attachment" }], nextCursor: "c" } })
      assert.deepStrictEqual((yield* responseTo(list)).result, { tools: [{ name: "a" }], nextCursor: "c" })
      const heard = child?.received.length
      const refused = yield* responseTo(yield* session.call(request("tools/call", 2, { name: "download_release_attachment", arguments: {} })))
      assert.match(JSON.stringify(refused.error), /give your Forgejo token away/)
      assert.strictEqual(child?.received.length, heard)
    }).pipe(Effect.provide(testSessions())))

  it.effect("progress and log messages precede the response, under the client's own progress token", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      play.answers = false
      const { session } = yield* sessions.open(anna, initialize())
      const one = yield* session.call(request("tools/call", 1, { name: "a", _meta: { progressToken: "t", other: 1 } }))
      const two = yield* session.call(request("tools/call", 1, { name: "b", _meta: { progressToken: "t" } }))
      const child = play.children[0]
      const [first, second] = (child?.received ?? []).slice(-2)
      const tokenOf = (message: typeof first) => (message?.params as { _meta: { progressToken: unknown; other?: number } })._meta
      assert.notStrictEqual(tokenOf(first).progressToken, tokenOf(second).progressToken)
      assert.strictEqual(tokenOf(first).other, 1)
      child?.emit({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: tokenOf(second).progressToken, progress: 1 } })
      child?.emit({ jsonrpc: "2.0", id: second?.id, result: { from: "b" } })
      child?.emit({ jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: "x" } })
      child?.emit({ jsonrpc: "2.0", id: first?.id, result: { from: "a" } })
      assert.deepStrictEqual((yield* messagesOf(two)).map((message) => message.method ?? message.result), ["notifications/progress", { from: "b" }])
      const messages = yield* messagesOf(one)
      assert.deepStrictEqual(messages.map((message) => message.method ?? message.result), ["notifications/message", { from: "a" }])
    }).pipe(Effect.provide(testSessions())))

  it.effect("a deadline answers the call, tells the child, and a late answer goes nowhere; progress extends it, but not for ever", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      play.answers = false
      const { session } = yield* sessions.open(anna, initialize())
      const child = play.children[0]
      const silent = yield* session.call(request("tools/call", "s"))
      const silentId = child?.received.at(-1)?.id
      const lively = yield* session.call(request("tools/call", "l", { _meta: { progressToken: 1 } }))
      const livelyId = child?.received.at(-1)?.id
      const progress = () => child?.emit({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: livelyId, progress: 1 } })
      yield* TestClock.adjust("4 minutes")
      progress()
      yield* TestClock.adjust("1 minutes")
      assert.match(JSON.stringify((yield* responseTo(silent)).error), /No answer within 5m/)
      assert.deepInclude(child?.received.at(-1), { method: "notifications/cancelled", params: { requestId: silentId, reason: "timeout" } })
      child?.emit({ jsonrpc: "2.0", id: silentId, result: {} })
      const waiting = yield* Effect.fork(responseTo(lively))
      for (let minute = 6; minute < 30; minute++) {
        yield* TestClock.adjust("1 minutes")
        progress()
      }
      assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
      yield* TestClock.adjust("1 minutes")
      assert.isDefined((yield* Fiber.join(waiting)).error)
    }).pipe(Effect.provide(testSessions())))

  it.effect("the child's ping is answered, its other requests are refused, and none can pass for an answer", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      play.answers = false
      const { session } = yield* sessions.open(anna, initialize())
      const call = yield* session.call(request("tools/call", 3))
      const child = play.children[0]
      const id = child?.received.at(-1)?.id
      child?.emit({ jsonrpc: "2.0", id, method: "ping" })
      child?.emit({ jsonrpc: "2.0", id, method: "sampling/createMessage", params: {} })
      child?.emit("this is no JSON")
      child?.emit({ jsonrpc: "2.0", id: 999, result: {} })
      child?.emit({ jsonrpc: "2.0", id: null, error: { code: -32603, message: "panic" } })
      yield* TestClock.adjust(0)
      assert.deepInclude(child?.received.at(-2), { id, result: {} })
      assert.strictEqual((child?.received.at(-1)?.error as { code: number }).code, -32601)
      child?.emit({ jsonrpc: "2.0", id, result: { real: true } })
      assert.deepStrictEqual(yield* responseTo(call), { jsonrpc: "2.0", id: 3, result: { real: true } })
    }).pipe(Effect.provide(testSessions())))

  it.effect("notifications/cancelled reaches the child under its own id; where two calls share the client's id, neither is cancelled", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      play.answers = false
      const { session } = yield* sessions.open(anna, initialize())
      const cancel = (requestId: unknown) => session.notify({ _tag: "Notification", method: "notifications/cancelled", params: { requestId } })
      const child = play.children[0]
      yield* session.call(request("tools/call", "twice"))
      yield* session.call(request("tools/call", "twice"))
      const heard = child?.received.length
      yield* cancel("twice")
      yield* cancel("unheard of")
      assert.strictEqual(child?.received.length, heard)
      const call = yield* session.call(request("tools/call", "once"))
      const id = child?.received.at(-1)?.id
      yield* cancel("once")
      assert.deepInclude(child?.received.at(-1), { params: { requestId: id } })
      assert.isDefined((yield* responseTo(call)).error)
    }).pipe(Effect.provide(testSessions())))
})
