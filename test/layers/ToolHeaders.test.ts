import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { ModernCalls } from "../../src/services/ModernCalls.ts"
import { FakeChildren } from "../fakes/FakeChildren.ts"
import { fakeGrant } from "../fakes/FakeGrants.ts"
import type { Parts } from "../fakes/TestModern.ts"
import { accept, answer, answersAt, cancelledAt, envelope, form, got, question, roundOf, testInteractive, testModern } from "../fakes/TestModern.ts"
import { responseTo } from "../fakes/TestSessions.ts"

const [anna, ben] = [fakeGrant("1"), fakeGrant("2")]
const tool = (name: string, header?: string) => ({
  name,
  inputSchema: { type: "object", properties: { region: { type: "string", ...(header === undefined ? {} : { "x-mcp-header": header }) } } }
})
/** A call of a tool with its argument `region`, and the headers that came along. */
const callTool = (name: string, headers: Readonly<Record<string, string>> = {}, grant = anna) =>
  Effect.flatMap(ModernCalls, (calls) => calls.call(grant, envelope("tools/call", { params: { name, arguments: { region: "eu" } } }), new Map(Object.entries(headers)))).pipe(
    Effect.flatMap(responseTo),
    Effect.map((response) => "error" in response ? (response["error"] as { readonly code: number }).code : "result"),
    Effect.catchTag("ModernRefusal", ({ refused }) => Effect.succeed(refused.code))
  )
const lists = Effect.map(FakeChildren, ({ children }) => children.flatMap((child) => got(child, "tools/list")))
const calls = Effect.map(FakeChildren, ({ children }) => children.flatMap((child) => got(child)).length)

describe("headers that repeat a tool's arguments", () => {
  it.effect("are wanted where the tool says so; what is refused does not reach the child", () =>
    Effect.gen(function*() {
      ;(yield* FakeChildren).results.set("tools/list", () => ({ tools: [tool("plain"), tool("marked", "Region")] }))
      assert.deepStrictEqual([yield* callTool("plain"), yield* callTool("marked", { region: "eu" }), yield* callTool("unknown")], ["result", "result", "result"])
      assert.strictEqual(yield* calls, 3)
      assert.deepStrictEqual([yield* callTool("marked"), yield* callTool("marked", { region: "us" })], [-32020, -32020])
      assert.strictEqual(yield* calls, 3)
    }).pipe(Effect.provide(testModern())))

  it.effect("are read from all pages, once for all users, and anew when clients read their lists anew", () =>
    Effect.gen(function*() {
      ;(yield* FakeChildren).results.set("tools/list", ({ cursor }) => cursor === undefined ? { tools: [tool("plain")], nextCursor: "2" } : { tools: [tool("marked", "Region")] })
      for (const grant of [anna, ben, anna]) assert.strictEqual(yield* callTool("marked", { region: "eu" }, grant), "result")
      assert.deepStrictEqual((yield* lists).map(({ params }) => params), [{}, { cursor: "2" }])
      yield* TestClock.adjust("5 minutes")
      yield* callTool("plain")
      assert.strictEqual((yield* lists).length, 4)
    }).pipe(Effect.provide(testModern())))

  it.effect("are read once by all who call at once", () =>
    Effect.gen(function*() {
      ;(yield* FakeChildren).results.set("tools/list", () => ({ tools: [tool("marked", "Region")] }))
      const answers = yield* Effect.forEach([1, 2, 3, 4], (n) => callTool("marked", n === 3 ? {} : { region: "eu" }), { concurrency: "unbounded" })
      assert.deepStrictEqual([answers, (yield* lists).length], [["result", "result", -32020, "result"], 1])
    }).pipe(Effect.provide(testModern())))

  it.effect("of a list without an end are read for so many pages", () =>
    Effect.gen(function*() {
      ;(yield* FakeChildren).results.set("tools/list", () => ({ tools: [], nextCursor: "again" }))
      assert.strictEqual(yield* callTool("plain"), "result")
      assert.strictEqual((yield* lists).length, 20)
    }).pipe(Effect.provide(testModern())))

  it.effect("refuse nobody for what a tool has wanted before: the list is read again first", () =>
    Effect.gen(function*() {
      const { results } = yield* FakeChildren
      results.set("tools/list", () => ({ tools: [tool("marked", "Region")] }))
      yield* callTool("marked", { region: "eu" })
      results.set("tools/list", () => ({ tools: [tool("marked", "Zone")] }))
      assert.strictEqual(yield* callTool("marked", { zone: "eu" }), "result")
      assert.strictEqual(yield* callTool("marked", { region: "eu" }), -32020)
    }).pipe(Effect.provide(testModern())))

  it.effect("are nothing where the list cannot be had: the call gets the child's own answer", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      for (const result of [{ error: { code: -32603, message: "no list" } }, { tools: "none" }, { tools: [null, 7, { name: 7 }, { name: "x", inputSchema: "y" }] }]) {
        play.results.set("tools/list", () => result)
        assert.strictEqual(yield* callTool("marked"), "result")
        yield* TestClock.adjust("5 minutes")
      }
      play.children[0]?.crash()
      play.mode = "spawn fails"
      assert.strictEqual((yield* Effect.flip(callTool("marked")))._tag, "StartFailed")
    }).pipe(Effect.provide(testModern())))

  it.effect("stay known where one user's child refuses the list, which then is read again for the next call", () =>
    Effect.gen(function*() {
      const { results } = yield* FakeChildren
      const good = () => ({ tools: [tool("marked", "Region")] })
      results.set("tools/list", good)
      yield* callTool("marked", { region: "eu" })
      yield* TestClock.adjust("5 minutes")
      const refusals = [{ error: { code: -32603, message: "no list" } }, { tools: "none" }, { tools: [], nextCursor: "2" }]
      for (const refused of refusals) {
        results.set("tools/list", ({ cursor }) => cursor === undefined ? refused : { error: { code: -32603, message: "no page" } })
        const before = (yield* lists).length
        assert.deepStrictEqual([yield* callTool("marked", {}, ben), yield* callTool("marked", { region: "eu" }, ben)], [-32020, "result"])
        assert.isAtLeast((yield* lists).length, before + 2, "a list that was refused is not read")
      }
      results.set("tools/list", good)
      yield* callTool("marked", { region: "eu" })
      const read = (yield* lists).length
      yield* callTool("marked", { region: "eu" }, ben)
      assert.strictEqual((yield* lists).length, read)
    }).pipe(Effect.provide(testModern())))

  it.effect("are not wanted of tools that nobody may call, and such a call reaches no child", () =>
    Effect.gen(function*() {
      ;(yield* FakeChildren).results.set("tools/list", () => ({ tools: [tool("download_release_attachment", "Region")] }))
      for (const headers of [{}, { region: "eu" }]) assert.strictEqual(yield* callTool("download_release_attachment", headers), -32602)
      assert.strictEqual(yield* calls, 0)
    }).pipe(Effect.provide(testModern())))
})

describe("headers of a request that brings answers", () => {
  it.effect("must match, too; one that is refused for them has not used its state up", () =>
    Effect.gen(function*() {
      const play = yield* FakeChildren
      play.results.set("tools/list", () => ({ tools: [tool("marked", "Region")] }))
      play.answers = false
      const calls = yield* ModernCalls
      const marked = (region: string, parts: Parts = {}) =>
        calls.call(anna, envelope("tools/call", { capabilities: form, ...parts, params: { name: "marked", arguments: { region: "eu" } } }), new Map([["region", region]]))
      const first = yield* marked("eu")
      const child = play.children.at(-1)
      child?.emit(question("q"))
      const { keys, requestState } = yield* roundOf(first)
      const retry = { id: 2, requestState, inputResponses: { [keys[0] ?? ""]: accept() } }
      const error = yield* Effect.flip(marked("us", retry))
      assert.deepInclude(error._tag === "ModernRefusal" ? error.refused : undefined, { status: 400, code: -32020 })
      assert.deepStrictEqual([answersAt(child), cancelledAt(child)], [[], []])
      const second = yield* marked("eu", retry)
      assert.deepStrictEqual(answersAt(child), [["q", accept()]])
      answer(child, got(child)[0])
      assert.deepInclude((yield* responseTo(second))["result"], { resultType: "complete" })
    }).pipe(Effect.provide(testInteractive())))
})
