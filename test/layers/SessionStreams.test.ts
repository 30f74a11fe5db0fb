import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope, TestClock } from "effect"
import { Sessions } from "../../src/services/Sessions.ts"
import { FakeChildren, living } from "../fakes/FakeChildren.ts"
import { fakeGrant, FakeGrants } from "../fakes/FakeGrants.ts"
import type { Held } from "../fakes/TestSessions.ts"
import { fateOf, open, request, responseTo, testSessions, use } from "../fakes/TestSessions.ts"

const anna = fakeGrant("1")
const updated = (uri: string) => ({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } })

/** A GET stream in a scope of its own: what has come on it, and its end. */
const listen = ({ id }: Held, grant = anna) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const stream = yield* Scope.extend((yield* Sessions).stream(grant, id), scope)
    const lines: Array<string> = []
    const reader = yield* stream.take.pipe(
      Effect.tap((events) => Effect.sync(() => lines.push(...events.filter(({ final }) => !final).map(({ line }) => line)))),
      Effect.repeat({ until: (events) => events.some(({ final }) => final) }),
      Effect.fork
    )
    return {
      lines,
      isOver: Effect.map(Fiber.poll(reader), (polled) => polled._tag === "Some"),
      hangUp: Effect.zipRight(Fiber.interrupt(reader), Scope.close(scope, Exit.void))
    }
  })

describe("a session's GET stream", () => {
  it.effect("has what belongs to no call, and nothing of what does; it outlives a child and a revival", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* open(anna)
      const stream = yield* listen(session)
      play.answers = false
      const call = yield* session.call(request("tools/call", 1))
      play.children[0]?.emit({ jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: "in a call" } })
      play.children[0]?.emit(updated("a"))
      play.children[0]?.emit({ jsonrpc: "2.0", id: play.children[0].received.at(-1)?.id, result: {} })
      yield* responseTo(call)
      play.answers = true
      yield* TestClock.adjust("15 minutes")
      assert.strictEqual(living(play), 0, "a stream alone keeps no child")
      assert.isFalse(yield* stream.isOver)
      yield* use(session)
      play.children[1]?.emit(updated("b"))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(stream.lines.map((line) => (JSON.parse(line) as ReturnType<typeof updated>).params.uri), ["a", "b"])
    }).pipe(Effect.provide(testSessions())))

  it.effect("hears that lists may have changed when a newer child has taken over", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* open(anna)
      const stream = yield* listen(session)
      yield* TestClock.adjust("1 minute")
      play.server = { ...play.server, version: "2" }
      const call = yield* session.call(request("tools/list"))
      assert.strictEqual((yield* call.take).length, 1, "on one stream only")
      assert.deepStrictEqual(stream.lines.map((line) => JSON.parse(line) as unknown), [{ jsonrpc: "2.0", method: "notifications/tools/list_changed" }])
    }).pipe(Effect.provide(testSessions())))

  it.effect("ends when a newer one takes its place, and that one goes on", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const session = yield* open(anna)
      const [first, second] = [yield* listen(session), yield* listen(session)]
      yield* TestClock.adjust(0)
      assert.deepStrictEqual([yield* first.isOver, yield* second.isOver], [true, false])
      yield* first.hangUp
      play.children[0]?.emit(updated("a"))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual([first.lines.length, second.lines.length], [0, 1])
    }).pipe(Effect.provide(testSessions())))

  it.effect("ends with the session: at DELETE, at the end of its grant, and parked or not; and when the daemon stops", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const all = yield* Effect.forEach([1, 2, 3], () => open(anna))
      const streams = yield* Effect.forEach(all, (held) => listen(held))
      const over = Effect.zipRight(TestClock.adjust(0), Effect.forEach(streams, ({ isOver }) => isOver))
      yield* sessions.end(anna, all[0]?.id ?? "")
      assert.deepStrictEqual(yield* over, [true, false, false])
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* fateOf(all[1] as Held), "parked")
      yield* sessions.end(anna, all[1]?.id ?? "")
      assert.deepStrictEqual(yield* over, [true, true, false])
      yield* (yield* FakeGrants).revoke(anna)
      assert.deepStrictEqual(yield* over, [true, true, true])
      const again = fakeGrant("1", "client", 2)
      const last = yield* listen(yield* open(again), again)
      yield* sessions.endStreams
      yield* TestClock.adjust(0)
      assert.isTrue(yield* last.isOver)
    }).pipe(Effect.provide(testSessions())))

  it.effect("is not opened with a sign-in that has ended since it was checked, also where another one of its user and client goes on", () =>
    Effect.gen(function*() {
      const sessions = yield* Sessions
      const again = fakeGrant("1", "client", 2)
      const session = yield* open(anna)
      const stream = yield* listen(session)
      yield* (yield* FakeGrants).revoke(again)
      yield* TestClock.adjust(0)
      for (const lastEventId of [undefined, "1", "none"]) {
        assert.strictEqual((yield* Effect.flip(Effect.scoped(sessions.stream(again, session.id, lastEventId))))._tag, "GrantOver")
      }
      assert.property(yield* use(session), "result")
      yield* stream.hangUp
      assert.isFalse(yield* (yield* listen(session)).isOver)
    }).pipe(Effect.provide(testSessions())))

  it.scoped("that nobody reads takes no questions when 1 MiB waits there: the child hears it at once", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const params = { protocolVersion: "2025-11-25", capabilities: { sampling: {} }, clientInfo: { name: "test", version: "1" } }
      const session = yield* open(anna, request("initialize", 0, params))
      const stream = yield* (yield* Sessions).stream(anna, session.id)
      const [child] = play.children
      const asking = (id: string) => child?.emit({ jsonrpc: "2.0", id, method: "sampling/createMessage", params: { messages: [] } })
      const refused = () => child?.received.filter(({ method }) => method === undefined).map(({ error, id }) => [id, error])
      child?.emit(updated("x".repeat(1024 * 1024 - 150)))
      asking("a")
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(refused(), [["a", { code: -32603, message: "The client does not read what it is sent." }]])
      yield* stream.take
      asking("b")
      yield* TestClock.adjust(0)
      const lines = (yield* stream.take).map(({ line }) => JSON.parse(line) as { readonly method: string })
      assert.deepStrictEqual([lines.map(({ method }) => method), refused()?.length], [["sampling/createMessage"], 1])
    }).pipe(Effect.provide(testSessions())))

  it.effect("of a stateful child keeps it up to STREAM_IDLE, and no longer than itself", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const [quiet, gone] = [yield* open(anna), yield* open(anna)]
      yield* listen(quiet)
      const stream = yield* listen(gone)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(living(play), 2)
      yield* stream.hangUp
      yield* TestClock.adjust("15 minutes")
      assert.strictEqual(living(play), 1)
      yield* TestClock.adjust("165 minutes")
      assert.strictEqual(living(play), 0)
      assert.strictEqual(yield* fateOf(quiet), "idle")
    }).pipe(Effect.provide(testSessions({ childStateful: true }))))
})
