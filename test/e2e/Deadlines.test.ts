import { assert, layer } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { connect } from "node:net"
import { guest, rpc, SharedBroker, sharedBroker, toolCall } from "./TestBroker.ts"
import { errorOf, openStream, response, toolResult } from "./Wire.ts"

const limits = { callTimeout: Duration.millis(1000), callTimeoutMax: Duration.millis(2500), maxCallsPerSession: 1 }

layer(sharedBroker(limits), { excludeTestServices: true })("the limits of a call", (it) => {
  it.scoped("a call that is never answered gets an error at its deadline, and its session goes on", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const answer = yield* broker.post(client, toolCall("n", "never"), { session })
      assert.deepStrictEqual([answer.status, response(answer).id], [200, "n"])
      assert.strictEqual(
        errorOf(answer).message,
        "No answer within 1s. The call was given up; it may still have run. The limit is the broker's CALL_TIMEOUT."
      )
      assert.strictEqual((yield* broker.post(client, rpc(2, "ping"), { session })).status, 200)
    }))

  it.scoped("progress moves the deadline, up to CALL_TIMEOUT_MAX", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const call = (steps: number) =>
        Effect.flatMap(broker.open(client), (session) =>
          broker.post(client, toolCall(steps, "progress", { steps, ms: 250 }, "t"), { session }))
      const [lively, endless] = yield* Effect.all([call(6), call(16)], { concurrency: "unbounded" })
      assert.strictEqual(toolResult(lively), "done")
      assert.match(errorOf(endless).message, /^No answer within/)
    }))

  it.scoped("a client that hangs up has not cancelled: its call goes on, and counts as in flight", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const call = toolCall(1, "progress", { steps: 8, ms: 150 }, "t")
      const stream = yield* openStream(broker.mcpUrl, broker.init(client, call, { session }))
      stream.hangUp()
      const busy = yield* broker.post(client, toolCall("b", "echo", { text: "x" }), { session })
      assert.deepStrictEqual([busy.status, response(busy).id], [200, "b"])
      assert.strictEqual(
        errorOf(busy).message,
        "This session has as many calls in flight as it may have (1). Wait for one to be answered."
      )
    }))

  it.scoped("a client that hangs up before its answer begins is in the access log, as 499", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const body = JSON.stringify(toolCall(1, "never"))
      const head = [
        "POST /mcp HTTP/1.1",
        `host: ${new URL(broker.url).host}`,
        `authorization: Bearer ${client.token}`,
        `mcp-session-id: ${session}`,
        "content-type: application/json",
        `content-length: ${body.length}`
      ]
      const socket = connect(Number(new URL(broker.url).port), "127.0.0.1")
      socket.write(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy())
      const entry = yield* broker.log.until("http.request", 1, ({ status }) => status === 499)
      assert.deepInclude(entry, { method: "POST", path: "/mcp" })
    }))
})
