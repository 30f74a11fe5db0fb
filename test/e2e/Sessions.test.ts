import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { ben, children, guest, initialize, notification, rpc, SharedBroker, sharedBroker, toolCall } from "./TestBroker.ts"
import { errorOf, messages, openStream, response, toolResult } from "./Wire.ts"

const unknownId = "0".repeat(48)

layer(sharedBroker(), { excludeTestServices: true })("sessions over HTTP", (it) => {
  it.scoped("cases 5, 6: initialize opens a session of the revision asked for, or of the newest; initialized is 202 and empty", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const asked = { "2025-11-25": "2025-11-25", "2099-01-01": "2025-11-25", "2026-07-28": "2025-11-25", "2025-03-26": "2025-03-26" }
      const open = Effect.fnUntraced(function*(version: string, negotiated: string) {
        const answer = yield* broker.post(client, initialize(version, `init ${version}`))
        assert.strictEqual(answer.status, 200)
        const { id, result } = response(answer)
        assert.deepStrictEqual([id, result?.["protocolVersion"]], [`init ${version}`, negotiated])
        const session = answer.headers.get("mcp-session-id") ?? ""
        assert.match(session, /^[0-9a-f]{48}$/)
        const done = yield* broker.post(client, notification("notifications/initialized"), { session })
        assert.deepStrictEqual([done.status, done.text], [202, ""])
        return session
      })
      const ids = yield* Effect.forEach(Object.entries(asked), ([version, negotiated]) => open(version, negotiated), {
        concurrency: "unbounded"
      })
      assert.strictEqual(new Set(ids).size, 4)
      assert.strictEqual(children().length, 4)
    }))

  it.scoped("initialize opens a new session whatever session id it carries", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      for (const stale of [session, unknownId]) {
        const answer = yield* broker.post(client, initialize(), { session: stale })
        assert.strictEqual(answer.status, 200)
        assert.notInclude([session, unknownId, null], answer.headers.get("mcp-session-id"))
      }
    }))

  it.scoped("case 7: an unknown id is 410, one of another user or another client 403, for every method", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const foreign = { "another user": yield* guest(broker, ben), "another client": yield* guest(broker) }
      for (const [name, other] of Object.entries(foreign)) {
        const refused = yield* broker.post(other, rpc("x", "tools/list"), { session })
        const notified = yield* broker.post(other, notification("notifications/initialized"), { session })
        const deleted = yield* broker.delete(other, session)
        assert.deepStrictEqual([refused, notified, deleted].map(({ status }) => status), [403, 403, 403], name)
        assert.deepStrictEqual([refused, notified, deleted].map((answer) => response(answer).id), ["x", undefined, undefined])
        assert.strictEqual(
          errorOf(refused).message,
          "This session belongs to another user or another client. Send initialize without Mcp-Session-Id to open your own."
        )
      }
      for (const id of [unknownId, "no such id", session.toUpperCase(), "x".repeat(5000)]) {
        const answer = yield* broker.post(client, rpc(9, "tools/list"), { session: id })
        assert.deepStrictEqual([answer.status, response(answer).id], [410, 9])
        assert.strictEqual(
          errorOf(answer).message,
          "This broker does not know the session. Send initialize without Mcp-Session-Id to open a new one."
        )
        assert.strictEqual((yield* broker.delete(client, id)).status, 410)
      }
      assert.strictEqual((yield* broker.post(client, rpc(1, "tools/list"), { session })).status, 200, "the owner lost nothing")
    }))

  it.scoped("case 9: DELETE is 204 when the child is gone, and then the id is 404, also for GET; both without an id are 405", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const other = yield* broker.open(client)
      assert.strictEqual(children().length, 2)
      const headers = { authorization: `Bearer ${client.token}`, accept: "text/event-stream" }
      for (const bare of [yield* broker.delete(client), yield* broker.get("/mcp", { headers })]) {
        assert.deepStrictEqual([bare.status, bare.headers.get("allow")], [405, "POST, GET, DELETE, OPTIONS"])
      }
      const deleted = yield* broker.delete(client, session)
      assert.deepStrictEqual([deleted.status, deleted.text], [204, ""])
      assert.strictEqual(children().length, 1)
      const after = yield* broker.post(client, rpc("after", "tools/list"), { session })
      assert.deepStrictEqual([after.status, response(after).id], [404, "after"])
      assert.strictEqual(errorOf(after).message, "This session has ended. Send initialize without Mcp-Session-Id to open a new one.")
      assert.strictEqual((yield* broker.get("/mcp", { headers: { ...headers, "mcp-session-id": session } })).status, 404)
      assert.strictEqual((yield* broker.delete(client, session)).status, 404)
      assert.strictEqual((yield* broker.post(client, rpc(1, "ping"), { session: other })).status, 200)
    }))

  it.scoped("a new sign-in of the same user to the same client keeps the session", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const again = yield* broker.signInAgain(client)
      assert.notStrictEqual(again.token, client.token)
      assert.strictEqual((yield* broker.post(again, rpc(1, "tools/list"), { session })).status, 200)
    }))

  it.scoped("equal ids of two clients, and of two requests of one session, get each their own answer", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const one = yield* guest(broker)
      const two = yield* guest(broker, ben)
      const [first, second] = [yield* broker.open(one), yield* broker.open(two)]
      const ask = (n: number, name: string, args: unknown) =>
        n % 2 === 0
          ? broker.post(one, toolCall(7, name, args), { session: first })
          : broker.post(two, toolCall(7, name, args), { session: second })
      const texts = Array.from({ length: 10 }, (_, n) => `text ${n}`)
      const answers = yield* Effect.forEach(texts, (text, n) => ask(n, "echo", { text }), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        answers.map((answer) => [messages(answer).length, response(answer).id, toolResult(answer)]),
        texts.map((text) => [1, 7, text])
      )
      const users = yield* Effect.forEach([0, 1], (n) => ask(n, "get_my_user_info", {}), { concurrency: "unbounded" })
      assert.deepStrictEqual(users.map((answer) => (toolResult(answer) as { login: string }).login), ["ada", "ben"])
    }))

  it.scoped("a child that crashes in a call: the call gets an error under its id, the session goes on with another; the third time it is over", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const before = broker.log.all("session.ended").length
      for (const id of ["one", "two", "three"]) {
        const answer = yield* broker.post(client, toolCall(id, "crash"), { session })
        assert.deepStrictEqual([answer.status, response(answer).id, errorOf(answer).code], [200, id, -32603])
        assert.strictEqual(
          errorOf(answer).message,
          "The Forgejo tool process ended before it answered. The call may have run; look before you repeat it."
        )
        // At once: the child's end has just been noticed.
        const next = yield* broker.post(client, rpc(2, "tools/list"), { session })
        assert.strictEqual(next.status, id === "three" ? 404 : 200)
      }
      assert.strictEqual((yield* broker.log.until("session.ended", before + 1))["reason"], "crashed_again")
      assert.deepStrictEqual(children(), [])
      assert.strictEqual((yield* broker.post(client, initialize())).status, 200)
    }))

  it.scoped("a GET stream begins at once, has what belongs to no request, and ends with its session and the time to come back", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const headers = { authorization: `Bearer ${client.token}`, "mcp-session-id": session }
      assert.strictEqual((yield* broker.get("/mcp", { headers: { ...headers, accept: "application/json" } })).status, 406)
      const stream = yield* openStream(broker.mcpUrl, { headers: { ...headers, accept: "text/event-stream" } })
      assert.strictEqual(stream.status, 200)
      assert.match(stream.first, /^id: \S+\nretry: 2000\ndata: \n\n$/)
      yield* broker.delete(client, session)
      assert.strictEqual(yield* stream.rest, "retry: 2000\n\n")
    }))
})
