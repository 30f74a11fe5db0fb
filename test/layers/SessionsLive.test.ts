import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Either, Exit, Fiber, Option, Redacted, TestClock } from "effect"
import { Sessions } from "../../src/services/Sessions.ts"
import { FakeChildren, living } from "../fakes/FakeChildren.ts"
import { fakeGrant, FakeGrants } from "../fakes/FakeGrants.ts"
import { FakeTokens } from "../fakes/FakeUpstreamTokens.ts"
import { fateOf, initialize, messagesOf, open, request, responseTo, testSessions } from "../fakes/TestSessions.ts"

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
      const play = yield* FakeChildren
      const session = yield* open(anna)
      yield* open(ben)
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
      const opened = yield* open(anna)
      const { id } = opened
      const find = (grant: typeof anna, which: string) => sessions.call(grant, which, request("ping"), { isStreamed: true })
      assert.strictEqual(yield* tagOf(find(anna, id)), "ok")
      assert.strictEqual(yield* tagOf(find(fakeGrant("1", "client", 2), id)), "ok", "another grant of the same user and client")
      assert.strictEqual(yield* tagOf(find(ben, id)), "SessionForeign")
      assert.strictEqual(yield* tagOf(find(fakeGrant("1", "other"), id)), "SessionForeign")
      assert.strictEqual(yield* tagOf(find(anna, "f".repeat(48))), "SessionUnknown")
      assert.strictEqual(yield* tagOf(sessions.end(ben, id)), "SessionForeign")
      yield* sessions.end(anna, id)
      assert.strictEqual(yield* tagOf(find(anna, id)), "SessionEnded")
      assert.strictEqual(yield* tagOf(find(ben, id)), "SessionForeign", "also when it has ended")
      assert.strictEqual(yield* tagOf(opened.call(request("ping"))), "SessionEnded")
    }).pipe(Effect.provide(testSessions())))

  it.effect("DELETE returns when the child is gone", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const play = yield* FakeChildren
      const session = yield* open(anna)
      assert.strictEqual(living(play), 1)
      yield* sessions.end(anna, session.id)
      assert.strictEqual(living(play), 0)
      assert.isFalse(play.children[0]?.killed, "it was asked first")
      assert.strictEqual(yield* sessions.size, 0)
    }).pipe(Effect.provide(testSessions())))

  it.effect("a session takes as many calls at once as it may, and one more when one is answered", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const session = yield* open(anna)
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
      const first = yield* open(anna)
      const other = yield* open(fakeGrant("1", "client", 2))
      play.mode = "silent"
      const starting = yield* Effect.fork(Effect.exit(sessions.open(anna, initialize())))
      yield* TestClock.adjust(0)
      assert.strictEqual(living(play), 3)
      yield* grants.revoke(anna)
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* fateOf(first), "grant_ended")
      assert.deepStrictEqual(play.children.map((child) => child.killed), [true, false, true], "a revoked client's calls do not go on, and neither does its start")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(starting)))
      assert.strictEqual(living(play), 1)
      play.mode = "up"
      assert.strictEqual(yield* tagOf(sessions.open(anna, initialize())), "GrantOver")
      assert.strictEqual(yield* tagOf(other.call(request("ping"))), "ok")
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

  it.effect("download_release_attachment is hidden and refused, and the child never hears of the call", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.answers = false
      const session = yield* open(anna)
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
      const play = yield* FakeChildren
      play.answers = false
      const session = yield* open(anna)
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
      const play = yield* FakeChildren
      play.answers = false
      const session = yield* open(anna)
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
      const play = yield* FakeChildren
      play.answers = false
      const session = yield* open(anna)
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
      const play = yield* FakeChildren
      play.answers = false
      const session = yield* open(anna)
      const cancel = (requestId: unknown) => session.notify("notifications/cancelled", { requestId })
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
