import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Option, Scope, TestClock } from "effect"
import type { ListenFilter } from "../../src/domain/ListenFilter.ts"
import type { Grant } from "../../src/services/Grants.ts"
import { ModernCalls } from "../../src/services/ModernCalls.ts"
import type { EventStream } from "../../src/services/Sessions.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import type { FakeChild } from "../fakes/FakeChildren.ts"
import { FakeChildren } from "../fakes/FakeChildren.ts"
import { FakeGrants, fakeGrant } from "../fakes/FakeGrants.ts"
import { answer, ask, envelope, filter, got, testModern } from "../fakes/TestModern.ts"

const [anna, annaAgain, ben] = [fakeGrant("1"), fakeGrant("1", "client", 2), fakeGrant("2")]
const settled = TestClock.adjust(0)
const list = envelope("tools/list")
const subscriptionId = "io.modelcontextprotocol/subscriptionId"

interface Line {
  readonly id?: string | number
  readonly method?: string
  readonly params?: { readonly _meta?: Record<string, unknown>; readonly notifications?: unknown; readonly uri?: string }
  readonly result?: { readonly resultType?: string; readonly _meta?: Record<string, unknown> }
}

const listen = (grant: Grant, wanted: Partial<ListenFilter>, id: string | number = 7) => Effect.flatMap(ModernCalls, (calls) => calls.listen(grant, id, filter(wanted)))
/** A stream that the test can hang up. */
const listenFor = (grant: Grant, wanted: Partial<ListenFilter>, id: string | number = 7) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const stream = yield* Scope.extend(listen(grant, wanted, id), scope)
    return { stream, hangUp: Scope.close(scope, Exit.void) }
  })
/** What has come since it was last asked; nothing where nothing has. */
const linesOf = ({ take }: EventStream) =>
  Effect.gen(function*() {
    const taking = yield* Effect.fork(take)
    yield* settled
    const taken = Option.getOrElse(yield* Fiber.poll(taking), () => Exit.succeed([]))
    yield* Fiber.interrupt(taking)
    return (yield* taken).map(({ final, line }) => ({ ...JSON.parse(line) as Line, final }))
  })
const urisAt = (child: FakeChild | undefined, what: "subscribe" | "unsubscribe") =>
  got(child, `resources/${what}`).map(({ params }) => (params as { readonly uri: string }).uri).sort()
const changed = (list: string) => ({ jsonrpc: "2.0", method: `notifications/${list}/list_changed` })
const updated = (uri: string) => ({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } })

/** Children with everything that can be listened to, but for prompts; one of them has come up before. */
const able = (changes: Parameters<typeof testModern>[0] = {}) =>
  Layer.effectDiscard(Effect.gen(function*() {
    const play = yield* FakeChildren
    play.server = { ...play.server, capabilities: { tools: { listChanged: true }, prompts: {}, resources: { subscribe: true, listChanged: true } } }
    yield* ask(fakeGrant("9"), list)
    play.children.length = 0
  })).pipe(Layer.provideMerge(testModern(changes)))

describe("a listen stream", () => {
  it.scoped("begins with what of the request it carries, and carries no more", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      yield* ask(anna, list)
      const stream = yield* listen(anna, { toolsListChanged: true, promptsListChanged: true })
      const [first] = yield* linesOf(stream)
      assert.deepInclude(first, {
        method: "notifications/subscriptions/acknowledged",
        params: { _meta: { [subscriptionId]: 7 }, notifications: { toolsListChanged: true } }
      })
      for (const what of ["prompts", "resources", "tools"]) play.children[0]?.emit(changed(what))
      play.children[0]?.emit({ jsonrpc: "2.0", method: "notifications/message", params: { level: "error", data: "x" } })
      assert.deepStrictEqual((yield* linesOf(stream)).map(({ method, params }) => [method, params?._meta]), [["notifications/tools/list_changed", { [subscriptionId]: 7 }]])
    }).pipe(Effect.provide(able())))

  it.scoped("is one of several with the same id: each of the grant hears it, and no other grant's", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      yield* ask(anna, list)
      const streams = yield* Effect.forEach([anna, anna, annaAgain, ben], (grant) => listen(grant, { toolsListChanged: true }, "same"))
      yield* Effect.forEach(streams, linesOf)
      play.children[0]?.emit(changed("tools"))
      const heard = yield* Effect.forEach(streams, linesOf)
      assert.deepStrictEqual(heard.map((lines) => lines.map(({ params }) => params?._meta?.[subscriptionId])), [["same"], ["same"], [], []])
    }).pipe(Effect.provide(able())))

  it.scoped("starts no child, outlives the one that there is, and hears the next one", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const stream = yield* listen(anna, { toolsListChanged: true })
      assert.strictEqual(play.children.length, 0)
      yield* linesOf(stream)
      yield* ask(anna, list)
      play.children[0]?.crash()
      yield* settled
      yield* ask(anna, list)
      play.children[1]?.emit(changed("tools"))
      assert.strictEqual((yield* linesOf(stream)).length, 1)
    }).pipe(Effect.provide(able())))

  it.scoped("is refused where the grant has 32, also where they come together; one that ends makes room", () =>
    Effect.gen(function*() {
      const calls = yield* ModernCalls
      const opened = yield* Effect.forEach(Array.from({ length: 31 }), () => listenFor(anna, {}))
      const uri = { resourceSubscriptions: ["x:y"] }
      const together = yield* Effect.forEach([1, 2, 3], () => Effect.either(listen(anna, uri)), { concurrency: "unbounded" })
      assert.deepStrictEqual(together.map(({ _tag }) => _tag).sort(), ["Left", "Left", "Right"])
      assert.strictEqual((yield* Effect.flip(calls.listen(anna, 1, filter())))._tag, "TooManyListens")
      yield* listen(ben, {})
      yield* opened[0]?.hangUp ?? Effect.void
      yield* listen(anna, {})
    }).pipe(Effect.provide(able())))

  it.scoped("ends with a result when the daemon stops, also one that comes then", () =>
    Effect.gen(function*() {
      const stream = yield* listen(anna, {})
      yield* linesOf(stream)
      yield* (yield* Sessions).endStreams
      const [last] = yield* linesOf(stream)
      assert.deepInclude(last, { id: 7, final: true })
      assert.strictEqual(last?.result?.resultType, "complete")
      assert.strictEqual(last?.result?._meta?.[subscriptionId], 7)
      assert.strictEqual((yield* linesOf(yield* listen(ben, {}))).at(-1)?.final, true)
    }).pipe(Effect.provide(able())))

  it.scoped("ends with a result at the end of its grant, also one that is just being opened; those of others go on", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const [mine, other] = [yield* listen(anna, { toolsListChanged: true }), yield* listen(annaAgain, { toolsListChanged: true })]
      yield* ask(annaAgain, list)
      yield* (yield* FakeGrants).revoke(anna)
      assert.deepInclude((yield* linesOf(mine)).at(-1), { id: 7, final: true })
      assert.strictEqual((yield* linesOf(yield* listen(anna, {}))).at(-1)?.final, true)
      yield* linesOf(other)
      play.children[0]?.emit(changed("tools"))
      assert.deepStrictEqual((yield* linesOf(other)).map(({ final }) => final), [false])
    }).pipe(Effect.provide(able())))
})

describe("resources that are listened to", () => {
  it.scoped("are subscribed to once, whatever the number of streams, and until the last has ended", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const first = yield* listenFor(anna, { resourceSubscriptions: ["x:1", "x:2"] })
      const second = yield* listenFor(anna, { resourceSubscriptions: ["x:2"] })
      const [child] = play.children
      assert.deepStrictEqual(urisAt(child, "subscribe"), ["x:1", "x:2"])
      yield* Effect.forEach([first, second], ({ stream }) => linesOf(stream))
      for (const uri of ["x:1", "x:2", "x:3"]) child?.emit(updated(uri))
      const heard = yield* Effect.forEach([first, second], ({ stream }) => linesOf(stream))
      assert.deepStrictEqual(heard.map((lines) => lines.map(({ params }) => params?.uri)), [["x:1", "x:2"], ["x:2"]])
      yield* first.hangUp
      assert.deepStrictEqual(urisAt(child, "unsubscribe"), ["x:1"])
      yield* second.hangUp
      assert.deepStrictEqual(urisAt(child, "unsubscribe"), ["x:1", "x:2"])
      assert.strictEqual(play.children.length, 1)
    }).pipe(Effect.provide(able())))

  it.scoped("stay subscribed to for a stream that begins while the only other one ends", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const first = yield* listenFor(anna, { resourceSubscriptions: ["x:1"] })
      // Of several URIs the last is asked for first.
      play.results.set("resources/subscribe", ({ uri }) => uri === "x:0" ? "later" : {})
      const opening = yield* Effect.fork(listen(anna, { resourceSubscriptions: ["x:0", "x:1"] }))
      yield* settled
      yield* first.hangUp
      const [child] = play.children
      answer(child, got(child, "resources/subscribe").find(({ params }) => (params as { readonly uri: string }).uri === "x:0"), {})
      const stream = yield* opening
      const [acknowledged] = yield* linesOf(stream)
      assert.deepStrictEqual(acknowledged?.params?.notifications, { resourceSubscriptions: ["x:0", "x:1"] })
      const last = (child?.received ?? []).findLast(({ params }) => (params as { readonly uri?: string } | undefined)?.uri === "x:1")
      assert.strictEqual(last?.method, "resources/subscribe")
    }).pipe(Effect.provide(able())))

  it.scoped("are not promised where the child refuses, or cannot be started", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.results.set("resources/subscribe", ({ uri }) => uri === "x:no" ? { error: { code: -32602, message: "no" } } : {})
      const [first] = yield* linesOf(yield* listen(anna, { resourceSubscriptions: ["x:no", "x:yes"] }))
      assert.deepStrictEqual(first?.params?.notifications, { resourceSubscriptions: ["x:yes"] })
      play.mode = "spawn fails"
      const [second] = yield* linesOf(yield* listen(ben, { toolsListChanged: true, resourceSubscriptions: ["x:yes"] }))
      assert.deepStrictEqual(second?.params?.notifications, { toolsListChanged: true })
    }).pipe(Effect.provide(able())))

  it.scoped("are 256 of one grant, however many streams it has; what is more is not promised, and what a stream leaves is free", () =>
    Effect.gen(function*() {
      const uris = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `x:${from + n}`)
      const promised = (grant: Grant, resourceSubscriptions: ReadonlyArray<string>) =>
        Effect.gen(function*() {
          const { hangUp, stream } = yield* listenFor(grant, { resourceSubscriptions })
          const [first] = yield* linesOf(stream)
          return { hangUp, uris: (first?.params?.notifications as { readonly resourceSubscriptions?: ReadonlyArray<string> }).resourceSubscriptions ?? [] }
        })
      const first = yield* promised(anna, uris(0, 200))
      const second = yield* promised(anna, uris(150, 300))
      assert.deepStrictEqual([first.uris, second.uris], [uris(0, 200), uris(150, 256)])
      const [child] = (yield* FakeChildren).children
      assert.strictEqual(urisAt(child, "subscribe").length, 256)
      assert.deepStrictEqual((yield* promised(annaAgain, uris(300, 301))).uris, uris(300, 301))
      yield* first.hangUp
      assert.deepStrictEqual((yield* promised(anna, uris(256, 407))).uris, uris(256, 406))
    }).pipe(Effect.provide(able())))

  it.scoped("are subscribed to again by the next child, whoever has it started and goes away", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      const stream = yield* listen(anna, { resourceSubscriptions: ["x:1"] })
      yield* linesOf(stream)
      play.children[0]?.crash()
      yield* settled
      play.mode = "silent"
      const asking = yield* Effect.fork(ask(anna, list))
      yield* settled
      yield* Fiber.interrupt(asking)
      play.children[1]?.comeUp()
      yield* settled
      assert.deepStrictEqual(urisAt(play.children[1], "subscribe"), ["x:1"])
      play.children[1]?.emit(updated("x:1"))
      assert.strictEqual((yield* linesOf(stream)).length, 1)
    }).pipe(Effect.provide(able())))
})
