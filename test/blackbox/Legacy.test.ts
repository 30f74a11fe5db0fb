import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { ben, children, guest, initialize, notification, rpc, SharedBroker, sharedBroker, toolCall } from "../e2e/TestBroker.ts"
import { errorOf, json, messages, openStream, response, toolResult } from "../e2e/Wire.ts"

const unknown = "0".repeat(48)
const resourcePath = "/.well-known/oauth-protected-resource"
const serverPath = "/.well-known/oauth-authorization-server"

layer(sharedBroker(), { excludeTestServices: true })("black-box cases of the legacy era", (it) => {
  it.effect("case 1: no token: 401 that names metadata and scope and no error; garbage and Forgejo's own token: invalid_token", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const none = yield* broker.get("/mcp", { method: "POST", body: "{}" })
      assert.deepStrictEqual(
        [none.status, none.headers.get("www-authenticate")],
        [401, `Bearer resource_metadata="${broker.url}${resourcePath}/mcp", scope="mcp"`]
      )
      const session = yield* broker.open(client)
      const [forgejoToken = ""] = broker.childTokens()
      assert.isAbove(forgejoToken.length, 20)
      yield* broker.delete(client, session)
      for (const token of ["garbage", forgejoToken]) {
        const answer = yield* broker.post({ ...client, token }, initialize())
        assert.strictEqual(answer.status, 401)
        assert.match(answer.headers.get("www-authenticate") ?? "", /^Bearer error="invalid_token"/)
      }
    }))

  it.effect("case 2: the protected resource's metadata at both addresses", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      for (const path of [`${resourcePath}/mcp`, resourcePath]) {
        const answer = yield* broker.get(path)
        const { authorization_servers: servers, resource, scopes_supported: scopes } = json(answer)
        assert.deepStrictEqual([answer.status, resource, servers], [200, broker.mcpUrl, [broker.url]])
        assert.notInclude(scopes as ReadonlyArray<string>, "offline_access")
      }
    }))

  it.effect("case 3: the authorization server's metadata, at the root only (client ID metadata documents: not built yet, not advertised)", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const answer = yield* broker.get(serverPath)
      const document = json(answer)
      assert.deepStrictEqual([answer.status, document["issuer"], document["code_challenge_methods_supported"]], [200, broker.url, ["S256"]])
      assert.include(document["token_endpoint_auth_methods_supported"] as ReadonlyArray<string>, "none")
      assert.isTrue(document["authorization_response_iss_parameter_supported"])
      assert.notProperty(document, "client_id_metadata_document_supported")
      assert.strictEqual((yield* broker.get(`${serverPath}/mcp`)).status, 404)
    }))

  it.effect("case 4: a foreign Origin: 403, with and without a token", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const headers = { origin: "https://evil.example" }
      assert.strictEqual((yield* broker.post(client, initialize(), { headers })).status, 403)
      assert.strictEqual((yield* broker.get("/mcp", { method: "POST", headers })).status, 403)
    }))

  it.scoped("case 5: initialize opens a session of the revision asked for, or of 2025-11-25", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const asked = { "2025-11-25": "2025-11-25", "2099-01-01": "2025-11-25", "2026-07-28": "2025-11-25", "2025-03-26": "2025-03-26" }
      for (const [version, told] of Object.entries(asked)) {
        const answer = yield* broker.post(client, initialize(version))
        assert.deepStrictEqual([answer.status, response(answer).result?.["protocolVersion"]], [200, told], version)
        assert.match(answer.headers.get("mcp-session-id") ?? "", /^[\x21-\x7e]{32,}$/)
      }
    }))

  it.scoped("case 6: notifications/initialized: 202, empty", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const answer = yield* broker.post(client, notification("notifications/initialized"), { session })
      assert.deepStrictEqual([answer.status, answer.text], [202, ""])
    }))

  it.scoped("case 7, as decided here: without an id the default session answers 200, a random id is 410, another user's 403", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const list = rpc("l", "tools/list")
      const answers = [
        yield* broker.post(client, list),
        yield* broker.post(client, list, { session: unknown }),
        yield* broker.post(yield* guest(broker, ben), list, { session }),
        yield* broker.post(client, list, { session })
      ]
      assert.deepStrictEqual(answers.map(({ status }) => status), [200, 410, 403, 200])
      assert.deepStrictEqual(answers.map((answer) => response(answer).id), ["l", "l", "l", "l"])
    }))

  it.scoped("case 8: a revision that nobody knows in MCP-Protocol-Version: 400; no header: 200", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const ask = (version: string) => broker.post(client, rpc(1, "tools/list"), { session, headers: { "mcp-protocol-version": version } })
      assert.deepStrictEqual([(yield* ask("1999-01-01")).status, (yield* ask("")).status], [400, 200])
    }))

  it.scoped("case 9: DELETE: 204, and the child is gone; then POST and GET: 404", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      assert.lengthOf(children(), 1)
      assert.strictEqual((yield* broker.delete(client, session)).status, 204)
      assert.lengthOf(children(), 0)
      assert.strictEqual((yield* broker.post(client, rpc(1, "tools/list"), { session })).status, 404)
      const headers = { authorization: `Bearer ${client.token}`, accept: "text/event-stream", "mcp-session-id": session }
      assert.strictEqual((yield* broker.get("/mcp", { headers })).status, 404)
    }))

  it.scoped("case 10: a GET stream and two slow calls: each is answered on its own, and nothing of it on the stream", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const headers = { authorization: `Bearer ${client.token}`, accept: "text/event-stream", "mcp-session-id": session }
      const stream = yield* openStream(broker.mcpUrl, { headers })
      assert.deepStrictEqual([stream.status, stream.headers.get("content-type")], [200, "text/event-stream"])
      const answers = yield* Effect.forEach(["a", "b"], (id) => broker.post(client, toolCall(id, "progress", { steps: 2, ms: 50 }, "same"), { session }), {
        concurrency: "unbounded"
      })
      for (const [n, answer] of answers.entries()) {
        assert.deepStrictEqual([response(answer).id, toolResult(answer), messages(answer).length], [["a", "b"][n], "done", 3])
      }
      yield* broker.delete(client, session)
      const text = stream.first + (yield* Effect.orDie(stream.rest))
      assert.deepStrictEqual(messages({ status: 200, headers: stream.headers, text }), [])
    }))

  it.scoped("case 11: a stream that is dropped goes on: Last-Event-ID gets the result, once; the call was not cancelled", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const headers = { authorization: `Bearer ${client.token}`, accept: "text/event-stream", "mcp-session-id": session }
      const call = toolCall("slow", "slow", { ms: 600 })
      const dropped = yield* openStream(broker.mcpUrl, broker.init(client, call, { session }))
      const primer = /^id: (\S+)\nretry: \d+\ndata: \n\n/.exec(dropped.first)?.[1] ?? ""
      assert.notStrictEqual(primer, "", dropped.first)
      dropped.hangUp()
      const resume = (token: string, lastEventId: string) =>
        broker.get("/mcp", { headers: { ...headers, authorization: `Bearer ${token}`, "last-event-id": lastEventId } })
      const stranger = yield* guest(broker, ben)
      // 403 and not 404: what a session id of somebody else's is answered, as decided here.
      assert.strictEqual((yield* resume(stranger.token, primer)).status, 403)
      const resumed = yield* resume(client.token, primer)
      assert.strictEqual(resumed.status, 200)
      assert.deepStrictEqual(messages(resumed).map(({ id }) => id), ["slow"])
      assert.strictEqual(toolResult(resumed), "done")
      const last = /id: (\S+)\nevent: message\n(?!.*event: message)/s.exec(resumed.text)?.[1] ?? ""
      const again = yield* resume(client.token, last)
      assert.deepStrictEqual([again.status, errorOf(again).code], [405, -32600], "nothing follows the last event")
    }))

  it.scoped("case 11: no event without data for a session of 2025-06-18", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = (yield* broker.post(client, initialize("2025-06-18"))).headers.get("mcp-session-id") ?? ""
      const answer = yield* broker.post(client, toolCall("slow", "slow", { ms: 300 }), { session })
      assert.deepStrictEqual([answer.headers.get("content-type"), toolResult(answer)], ["text/event-stream", "done"])
      assert.notMatch(answer.text, /^data: ?$/m)
    }))

  it.scoped("case 12: an array in a session of 2025-06-18: 400; in one of 2025-03-26: an array with every response", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const send = (version: string) =>
        Effect.flatMap(broker.post(client, initialize(version)), ({ headers }) =>
          broker.post(client, [rpc(1, "ping"), rpc("two", "ping")], { session: headers.get("mcp-session-id") ?? "" }))
      const refused = yield* send("2025-06-18")
      assert.deepStrictEqual([refused.status, errorOf(refused).code], [400, -32600])
      const answered = yield* send("2025-03-26")
      const responses = JSON.parse(answered.text) as ReadonlyArray<{ readonly id: unknown; readonly result: unknown }>
      assert.strictEqual(answered.status, 200)
      assert.deepStrictEqual(new Map(responses.map(({ id, result }) => [id, result])), new Map<unknown, unknown>([[1, {}], ["two", {}]]))
    }))

  it.scoped("case 24: GET and DELETE of the stateless revision: 405, POST alone is allowed; a response under it: 400", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const modern = { "mcp-protocol-version": "2026-07-28" }
      const headers = { authorization: `Bearer ${client.token}`, accept: "text/event-stream", "mcp-session-id": session, ...modern }
      for (const answer of [yield* broker.get("/mcp", { headers }), yield* broker.delete(client, session, modern)]) {
        assert.deepStrictEqual([answer.status, answer.headers.get("allow")], [405, "POST"])
      }
      const sent = yield* broker.post(client, { jsonrpc: "2.0", id: 1, result: {} }, { session, headers: modern })
      assert.deepStrictEqual([sent.status, errorOf(sent).code], [400, -32600])
      assert.strictEqual((yield* broker.post(client, rpc(1, "ping"), { session })).status, 200, "the session is there still")
    }))
})
