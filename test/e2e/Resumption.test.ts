import { assert, describe, it, layer } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { Duration, Effect } from "effect"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import type { SignedIn, TestBroker } from "./TestBroker.ts"
import { ben, brokerOn, children, forgejoWith, guest, initialize, notification, rpc, SharedBroker, sharedBroker, testBroker, toolCall } from "./TestBroker.ts"
import type { Rpc, Streamed } from "./Wire.ts"
import { errorOf, messages, openStream, response, toolResult } from "./Wire.ts"

const sse = "text/event-stream"

const openAs = (broker: TestBroker, client: SignedIn, version: string) =>
  Effect.map(broker.post(client, initialize(version)), ({ headers }) => headers.get("mcp-session-id") ?? "none")

const get = ({ token }: SignedIn, session: string, lastEventId?: string): RequestInit => ({
  headers: { authorization: `Bearer ${token}`, accept: sse, "mcp-session-id": session, ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }) }
})

/** A POST whose stream is read as it comes. */
const call = (broker: TestBroker, client: SignedIn, session: string, message: unknown) => openStream(broker.mcpUrl, broker.init(client, message, { session }))
const comeBack = (broker: TestBroker, client: SignedIn, session: string, lastEventId?: string) => openStream(broker.mcpUrl, get(client, session, lastEventId))

const idsIn = (text: string) => [...text.matchAll(/^id: (\S+)$/gm)].map(([, id]) => id ?? "")
const lastId = (text: string) => idsIn(text).at(-1) ?? "none"
/** All messages of a stream, which ends. */
const whole = (stream: Streamed): Effect.Effect<ReadonlyArray<Rpc>, Error> =>
  Effect.map(stream.rest, (rest) => messages({ status: stream.status, headers: stream.headers, text: stream.first + rest }))

layer(sharedBroker(), { excludeTestServices: true })("resumption", (it) => {
  it.scoped("case 11: a client that lost its stream behind the priming event gets the result once, and its call was not cancelled", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client, "2025-11-25")
      const slow = yield* call(broker, client, session, toolCall("slow", "slow", { ms: 1500 }))
      assert.deepStrictEqual([slow.headers.get("content-type"), slow.headers.get("x-accel-buffering")], [sse, "no"])
      assert.match(slow.first, /^id: [\w.-]+\nretry: \d+\ndata: \n\n$/)
      const primed = lastId(slow.first)
      slow.hangUp()

      const stranger = yield* guest(broker, ben)
      assert.strictEqual((yield* broker.get("/mcp", get(stranger, session, primed))).status, 403)
      const resumed = yield* comeBack(broker, client, session, primed)
      const text = resumed.first + (yield* resumed.rest)
      const answer = { status: resumed.status, headers: resumed.headers, text }
      assert.deepStrictEqual([messages(answer).length, response(answer).id, toolResult(answer)], [1, "slow", "done"])
      assert.strictEqual(new Set(idsIn(text)).size, idsIn(text).length)

      // It is over now: neither behind its end nor on the session's own stream does anything come.
      const after = yield* broker.get("/mcp", get(client, session, lastId(text)))
      assert.deepStrictEqual([after.status, after.headers.get("allow")?.includes("POST")], [405, true])
      const standing = yield* comeBack(broker, client, session)
      yield* broker.delete(client, session)
      assert.deepStrictEqual(yield* whole(standing), [])
      assert.strictEqual((yield* broker.get("/mcp", get(client, session, primed))).status, 404)
    }))

  it.scoped("case 11: a session of 2025-06-18 gets ids, and no event without data; one of 2024-11-05 gets neither", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      for (const [version, hasIds] of [["2025-06-18", true], ["2025-03-26", true], ["2024-11-05", false]] as const) {
        const session = yield* openAs(broker, client, version)
        const answer = yield* broker.post(client, toolCall("p", "progress", { steps: 2, ms: 150 }, "t"), { session })
        assert.notMatch(answer.text, /^data: ?$/m)
        assert.notMatch(answer.text, /^retry/m)
        assert.strictEqual(idsIn(answer.text).length, hasIds ? 3 : 0)
        assert.strictEqual(messages(answer).length, 3)
        if (!hasIds) continue
        const [first = ""] = idsIn(answer.text)
        const resumed = yield* whole(yield* comeBack(broker, client, session, first))
        assert.deepStrictEqual(resumed.map(({ id, params }) => params?.["progress"] ?? id), [2, "p"])
      }
    }))

  it.scoped("a call that takes its time is a stream before its answer is there, and JSON where its client takes nothing else; initialize is JSON", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const opened = yield* broker.post(client, initialize())
      assert.match(opened.headers.get("content-type") ?? "", /^application\/json/)
      const session = opened.headers.get("mcp-session-id") ?? ""
      const never = yield* call(broker, client, session, toolCall("n", "never"))
      assert.strictEqual(never.headers.get("content-type"), sse)
      yield* broker.post(client, notification("notifications/cancelled", { requestId: "n" }), { session })
      assert.strictEqual((yield* whole(never)).at(-1)?.error?.message, "Cancelled by the client.")
      const json = yield* broker.post(client, toolCall("j", "slow", { ms: 400 }), { session, headers: { accept: "application/json" } })
      assert.match(json.headers.get("content-type") ?? "", /^application\/json/)
      const quick = yield* broker.post(client, rpc(1, "ping"), { session })
      assert.match(quick.headers.get("content-type") ?? "", /^application\/json/)
    }))

  it.scoped("two calls whose clients hung up: each resumed stream has its own messages, and none of them comes twice", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client, "2025-11-25")
      const streams = yield* Effect.forEach(["a", "b"], (id) => call(broker, client, session, toolCall(id, "progress", { steps: 6, ms: 150 }, `token ${id}`)))
      const seen = yield* Effect.forEach(streams, (stream) => stream.until("\"progress\":2,"))
      for (const stream of streams) stream.hangUp()
      for (const [n, id] of ["a", "b"].entries()) {
        const before = messages({ status: 200, headers: new Headers({ "content-type": sse }), text: seen[n] ?? "" })
        const all = [...before, ...yield* whole(yield* comeBack(broker, client, session, lastId(seen[n] ?? "")))]
        assert.deepStrictEqual(all.map((message) => message.params?.["progress"] ?? message.id), [1, 2, 3, 4, 5, 6, id])
        assert.isTrue(all.slice(0, -1).every(({ params }) => params?.["progressToken"] === `token ${id}`))
      }
    }))

  it.scoped("a call that fails at a crash has its error replayed, of a session without a child", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client, "2025-11-25")
      const slow = yield* call(broker, client, session, toolCall("slow", "never"))
      const primed = lastId(slow.first)
      slow.hangUp()
      const crash = yield* broker.post(client, toolCall("c", "crash"), { session })
      assert.include(errorOf(crash).message, "ended before it answered")
      yield* broker.log.until("session.parked")
      const [error] = yield* whole(yield* comeBack(broker, client, session, primed))
      assert.deepStrictEqual([error?.id, error?.error?.code], ["slow", -32603])
      assert.deepStrictEqual(children(), [])
    }))

  it.scoped("an answer of 300 KiB is whole for who listens; who has hung up gets an error that says that it has run", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* openAs(broker, client, "2025-11-25")
      const size = 300 * 1024
      const heard = yield* broker.post(client, toolCall("heard", "slow", { ms: 300, size }), { session })
      assert.strictEqual(String(toolResult(heard)).length, size)
      const missed = yield* call(broker, client, session, toolCall("missed", "slow", { ms: 300, size }))
      missed.hangUp()
      // Behind the one that is missed.
      yield* broker.post(client, toolCall("after", "slow", { ms: 600 }), { session })
      const [error, ...more] = yield* whole(yield* comeBack(broker, client, session, lastId(missed.first)))
      assert.deepStrictEqual([error?.id, more.length], ["missed", 0])
      assert.include(error?.error?.message, "longer than what is kept for clients that come back. The call has run.")
    }))
})

describe("the client of the SDK", () => {
  it.scopedLive("does not take an error for an answer and comes back: it is told that nothing follows, and keeps the one stream that it has", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker({ callTimeout: Duration.millis(500) })
      const { token } = yield* broker.signIn()
      const seen = new Array<readonly [status: number, resumes: boolean]>()
      let cameBack = () => {}
      const isBack = new Promise<void>((resolve) => (cameBack = resolve))
      const transport = new StreamableHTTPClientTransport(new URL(broker.mcpUrl), {
        requestInit: { headers: { authorization: `Bearer ${token}` } },
        fetch: async (url, init) => {
          const answer = await fetch(url, init)
          if (init?.method === "GET") {
            const resumes = new Headers(init.headers).has("last-event-id")
            seen.push([answer.status, resumes])
            if (resumes) cameBack()
          }
          return answer
        }
      })
      yield* Effect.promise(async () => {
        const client = new Client({ name: "sdk", version: "1" })
        // Its declaration does not fit this project's strict optional properties.
        await client.connect(transport as Parameters<Client["connect"]>[0])
        const error = await client.callTool({ name: "never", arguments: {} }).then(() => "answered", (cause: Error) => cause.message)
        assert.include(error, "No answer within 500ms")
        await isBack
        assert.lengthOf((await client.listTools()).tools.filter(({ name }) => name === "never"), 1)
        assert.deepStrictEqual(seen, [[200, false], [405, true]])
        await transport.terminateSession()
        await client.close()
      })
    }))
})

describe("resumption of a parked session", () => {
  it.scopedLive("an answer that came before it was parked is replayed without a child, and the standing stream goes on until its session ends", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker({ sessionIdle: Duration.millis(500) })
      const client = yield* broker.signIn()
      const session = yield* openAs(broker, client, "2025-11-25")
      const standing = yield* comeBack(broker, client, session)
      const slow = yield* call(broker, client, session, toolCall("slow", "slow", { ms: 300 }))
      const primed = lastId(slow.first)
      slow.hangUp()
      yield* broker.log.until("session.parked")
      const resumed = yield* whole(yield* comeBack(broker, client, session, primed))
      assert.deepStrictEqual(resumed.map(({ id }) => id), ["slow"])
      assert.deepStrictEqual(children(), [])
      assert.deepStrictEqual(broker.log.all("session.revived"), [])
      yield* broker.delete(client, session)
      assert.match(yield* standing.rest, /^retry: \d+\n\n$/)
    }))
})

describe("resumption after a restart", () => {
  it.scopedLive("a call's stream has an error that says so; a standing one goes on as an ordinary one, and so does nonsense", () =>
    Effect.gen(function*() {
      const dataDir = yield* tempDirectory
      const forgejo = yield* forgejoWith()
      const before = yield* brokerOn(forgejo, dataDir)
      const client = yield* before.signIn()
      const session = yield* openAs(before, client, "2025-11-25")
      const slow = yield* call(before, client, session, toolCall("slow", "slow", { ms: 400 }))
      const standing = yield* comeBack(before, client, session)
      const [ofCall, ofStanding] = [lastId(slow.first), lastId(standing.first)]
      slow.hangUp()
      yield* before.stop
      assert.match(yield* standing.rest, /retry: \d+\n\n$/)

      const port = Number(new URL(before.url).port)
      yield* brokerOn(forgejo, dataDir, { publicUrl: before.url, listen: { host: "127.0.0.1", port } })
      const [lost] = yield* whole(yield* comeBack(before, client, session, ofCall))
      assert.deepStrictEqual([lost?.id, lost?.error?.message], ["slow", "Lost in a restart of the broker. The call may have run; look before you repeat it."])
      for (const id of [ofStanding, "nonsense"]) {
        const stream = yield* comeBack(before, client, session, id)
        assert.strictEqual(stream.status, 200)
        assert.match(stream.first, /^id: \S+\nretry/)
        stream.hangUp()
      }
    }))
})
