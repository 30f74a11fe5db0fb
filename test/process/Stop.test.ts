import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { runs } from "./DaemonProcess.ts"
import { openSession, serving, signIn } from "./Serving.ts"

/** A call whose answer is a stream: that it has begun is the receipt that the call reached the child. */
const beginCall = (mcpUrl: string, token: string, sessionId: string | undefined, tool: string, args: unknown) =>
  Effect.promise(async () => {
    const response = await fetch(mcpUrl, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-session-id": sessionId ?? ""
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 77,
        method: "tools/call",
        params: { name: tool, arguments: args, _meta: { progressToken: 1 } }
      })
    })
    const reader = (response.body ?? new ReadableStream<Uint8Array>()).pipeThrough(new TextDecoderStream()).getReader()
    let text = (await reader.read()).value ?? ""
    const rest = async () => {
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) text += piece.value
      return text
    }
    return Effect.promise(() => rest().catch((cause: unknown) => `${text}\n(cut: ${String(cause)})`))
  })

const withCall = (tool: string, args: unknown, env: Readonly<Record<string, string>>) =>
  Effect.gen(function*() {
    const broker = yield* serving(env)
    const { mcpUrl } = broker.settings
    const { access_token } = yield* signIn(mcpUrl)
    const client = yield* openSession(mcpUrl, access_token)
    const answer = yield* beginCall(mcpUrl, access_token, client.sessionId, tool, args)
    const children = broker.daemon.children()
    assert.lengthOf(children, 1)
    return { ...broker, answer, children, client }
  })

/** Three steps: the first one is the receipt, the others need about a second more. */
const slowly = { steps: 3, ms: 500 }

const assertAnswered = (stream: string) => {
  const last = JSON.parse(stream.split("\n").findLast((line) => line.startsWith("data: "))?.slice(6) ?? "{}") as Record<string, unknown>
  assert.strictEqual(last["id"], 77, stream)
  assert.include(JSON.stringify(last["result"]), "done")
}

describe("serve, told to stop", () => {
  it.scopedLive("by SIGTERM: answers the call in flight, ends with 0 within the drain time, and leaves no child", () =>
    Effect.gen(function*() {
      const { answer, children, daemon } = yield* withCall("progress", slowly, { FJMCP_DRAIN_GRACE: "10s" })
      const [ended, text] = yield* Effect.all([daemon.end("SIGTERM"), answer], { concurrency: 2 })
      assertAnswered(text)
      assert.deepInclude(ended, { code: 0, signal: null })
      assert.isBelow(ended.took, 10_000)
      assert.deepStrictEqual(children.filter(runs), [])
    }))

  it.scopedLive("by SIGINT twice, as Ctrl-C under npm does: the second one changes nothing", () =>
    Effect.gen(function*() {
      const { answer, children, daemon } = yield* withCall("progress", slowly, {})
      yield* daemon.signal("SIGINT")
      yield* daemon.untilLogged("broker.draining")
      const [ended, text] = yield* Effect.all([daemon.end("SIGINT"), answer], { concurrency: 2 })
      assertAnswered(text)
      assert.deepInclude(ended, { code: 0, signal: null })
      assert.lengthOf(daemon.log.filter(({ event }) => event === "broker.draining"), 1)
      assert.deepStrictEqual(children.filter(runs), [])
    }))

  it.scopedLive("takes no new work while it drains", () =>
    Effect.gen(function*() {
      const { answer, client, daemon } = yield* withCall("progress", slowly, {})
      const ending = yield* Effect.forkScoped(daemon.end("SIGTERM"))
      yield* daemon.untilLogged("broker.draining")
      const refused = yield* Effect.promise(() => client.request("tools/list"))
      assert.strictEqual(refused.status, 503)
      assertAnswered(yield* answer)
      assert.strictEqual((yield* Fiber.join(ending)).code, 0)
    }))

  it.scopedLive("does not wait for a call beyond the grace", () =>
    Effect.gen(function*() {
      const { answer, children, daemon } = yield* withCall("progress", { steps: 1000, ms: 300 }, { FJMCP_DRAIN_GRACE: "300ms" })
      const [ended, text] = yield* Effect.all([daemon.end("SIGTERM"), answer], { concurrency: 2 })
      assert.notInclude(text, "\"result\"")
      assert.match(text, /"id":77[^\n]*The session ended before the call was answered\.[^\n]*\n\nretry: 2000\n\n$/)
      assert.deepInclude(ended, { code: 0, signal: null })
      // The grace, and the whole stop ladder of a child that waits for its own call: 2 s, TERM, 3 s, KILL.
      assert.isBelow(ended.took, 8_000)
      assert.deepStrictEqual(children.filter(runs), [])
    }))
})
