import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Either, Fiber } from "effect"
import { connect } from "node:net"
import type { Socket } from "node:net"
import { children, initialize, type SignedIn, testBroker, type TestBroker, toolCall } from "./TestBroker.ts"
import { errorOf, json, openStream } from "./Wire.ts"

/** A call that is certainly in flight: its first progress has come. `steps` times 150 ms. */
const callInFlight = Effect.fnUntraced(function*(broker: TestBroker, client: SignedIn, steps: number) {
  const session = yield* broker.open(client)
  const stream = yield* openStream(broker.mcpUrl, broker.init(client, toolCall("slow", "progress", { steps, ms: 150 }, "t"), { session }))
  yield* stream.until("\"progress\":1")
  return stream
})

/** A connection of one's own; `text` gives all that came once it is closed. */
const connection = (broker: TestBroker) =>
  Effect.async<{ readonly socket: Socket; readonly text: Effect.Effect<string> }>((resume) => {
    const socket = connect(Number(new URL(broker.url).port), "127.0.0.1")
    let text = ""
    socket.setEncoding("utf8").on("data", (piece: string) => (text += piece))
    const closed = new Promise<string>((resolve) => socket.once("close", () => resolve(text)))
    socket.on("error", () => {})
    socket.once("connect", () => resume(Effect.succeed({ socket, text: Effect.promise(() => closed) })))
  })

describe("draining", () => {
  it.scopedLive("a call in flight is answered, new work is refused, and everything is down well within the grace", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker()
      const client = yield* broker.signIn()
      const call = yield* callInFlight(broker, client, 5)
      const stopping = yield* Effect.fork(broker.stop)
      yield* broker.log.until("broker.draining")
      const refused = yield* broker.post(client, initialize())
      assert.deepStrictEqual([refused.status, refused.headers.get("retry-after")], [503, "5"])
      const ready = yield* broker.get("/readyz")
      assert.deepStrictEqual([ready.status, (json(ready)["checks"] as Record<string, unknown>)["draining"]], [503, true])
      assert.strictEqual((yield* broker.get("/healthz")).status, 200)
      const text = yield* call.rest
      assert.include(text, "\"progress\":5")
      assert.match(text, /"id":"slow"[^\n]*\n\nretry: 2000\n\n$/)
      yield* Effect.timeout(Fiber.join(stopping), "5 seconds")
      assert.deepStrictEqual(children(), [])
      const after = yield* Effect.either(broker.tryPost(client, initialize()))
      assert.isTrue(Either.isLeft(after), "nobody listens any more")
      assert.deepStrictEqual(broker.log.all("session.parked").map(({ reason }) => reason), ["shutdown"])
    }))

  it.scopedLive("a request that still comes in, on a connection that is busy, gets 503 and when to come back", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker()
      const client = yield* broker.signIn()
      const session = yield* broker.open(client)
      const { socket, text } = yield* connection(broker)
      const request = (path: string, method: string, body: string) =>
        [
          `${method} ${path} HTTP/1.1`,
          `host: ${new URL(broker.url).host}`,
          `authorization: Bearer ${client.token}`,
          `mcp-session-id: ${session}`,
          "content-type: application/json",
          `content-length: ${body.length}`
        ].join("\r\n") + `\r\n\r\n${body}`
      const begun = new Promise<void>((resolve) => socket.once("data", () => resolve()))
      socket.write(request("/mcp", "POST", JSON.stringify(toolCall("slow", "progress", { steps: 5, ms: 150 }, "t"))))
      yield* Effect.promise(() => begun)
      const stopping = yield* Effect.fork(broker.stop)
      yield* broker.log.until("broker.draining")
      socket.write(request("/mcp", "POST", JSON.stringify(initialize())) + request("/readyz", "GET", ""))
      const [called, ...refused] = (yield* text).split("HTTP/1.1 ").slice(1)
      assert.match(called ?? "", /^200 .*"id":"slow"/s)
      assert.deepStrictEqual(refused.map((answer) => answer.slice(0, 3)), ["503", "503"])
      assert.match(refused[0] ?? "", /\r\nretry-after: 5\r\n/i)
      assert.include(refused[0], "The broker is restarting. Try again in a few seconds.")
      assert.include(refused[1], "\"draining\":true")
      yield* Fiber.join(stopping)
    }))

  it.scopedLive("a call longer than the grace gets an error when the grace is over, as a stream and as JSON", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker({ drainGrace: Duration.millis(300) })
      const client = yield* broker.signIn()
      const options = { session: yield* broker.open(client), headers: { accept: "application/json" } }
      const waiting = yield* Effect.fork(broker.post(client, toolCall("j", "progress", { steps: 100, ms: 150 }), options))
      const call = yield* callInFlight(broker, client, 100)
      const stopping = yield* Effect.fork(broker.stop)
      assert.match(yield* call.rest, /"id":"slow"[^\n]*"error":[^\n]*The session ended before the call was answered\.[^\n]*\n\nretry: 2000\n\n$/)
      const answer = yield* Fiber.join(waiting)
      assert.deepStrictEqual([answer.status, errorOf(answer).message], [200, "The session ended before the call was answered."])
      yield* Effect.timeout(Fiber.join(stopping), "8 seconds")
      assert.deepStrictEqual(children(), [])
    }))

  it.scopedLive("connections that somebody opened in advance and never used hold nothing up", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker({ drainGrace: Duration.minutes(10) })
      const { text } = yield* connection(broker)
      yield* Effect.timeout(broker.stop, "5 seconds")
      assert.strictEqual(yield* text, "")
    }))

  it.scopedLive("with nothing in flight it is down in half a second, idle sessions and kept connections or not", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker({ drainGrace: Duration.minutes(10) })
      yield* broker.open(yield* broker.signIn())
      const [took] = yield* Effect.timed(broker.stop)
      assert.isBelow(Duration.toMillis(took), 500)
    }))
})
