import { assert, layer } from "@effect/vitest"
import { Duration, Effect, FastCheck as fc } from "effect"
import type { Seen, Work } from "../blackbox/EchoChild.ts"
import { echoChild } from "../blackbox/EchoChild.ts"
import type { ModernRequest } from "../blackbox/Modern.ts"
import { modern, send, version } from "../blackbox/Modern.ts"
import type { SignedIn } from "./TestBroker.ts"
import { ben, guest, notification, SharedBroker, sharedBroker } from "./TestBroker.ts"
import type { Answer } from "./Wire.ts"
import { errorOf, messages, openStream, response } from "./Wire.ts"

const typeOf = (answer: Answer) => (answer.headers.get("content-type") ?? "").split(";")[0]
const textOf = (answer: Answer): unknown => {
  const [content] = response(answer).result?.["content"] as ReadonlyArray<{ readonly text: string }>
  return JSON.parse(content?.text ?? "null")
}
const tool = (name: string, args: object = {}, rest: Partial<ModernRequest> = {}): ModernRequest => ({ method: "tools/call", params: { name, arguments: args }, ...rest })
const work = (args: Work, rest: Partial<ModernRequest> = {}) => tool("work", args, rest)
const withToken = { meta: { progressToken: "t" } }
/** Never done before its client has gone. */
const long = (nonce: string): Work => ({ nonce, steps: 1000, pause: 50 })

layer(sharedBroker(echoChild), { excludeTestServices: true })("requests of 2026-07-28", (it) => {
  it.scoped("are answered with JSON or a stream, as Accept allows and the call needs", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const both = "application/json, text/event-stream"
      const cases: ReadonlyArray<readonly [accept: string, steps: number, type: string, count: number]> = [
        [both, 0, "application/json", 1],
        [both, 2, "text/event-stream", 3],
        ["*/*", 2, "text/event-stream", 3],
        ["application/json", 2, "application/json", 1],
        ["application/json, text/event-stream;q=0", 2, "application/json", 1],
        ["text/event-stream", 0, "text/event-stream", 1],
        ["text/event-stream", 2, "text/event-stream", 3]
      ]
      for (const [accept, steps, type, count] of cases) {
        const answer = yield* send(broker, client, work({ nonce: "n", steps, pause: 1 }, { ...withToken, headers: { accept } }))
        assert.deepStrictEqual([answer.status, typeOf(answer), messages(answer).length], [200, type, count], `${accept} ${steps}`)
        assert.strictEqual(response(answer).result?.["resultType"], "complete")
        assert.strictEqual(answer.headers.get("mcp-session-id"), null)
        assert.strictEqual(answer.headers.get("cache-control"), "no-store")
        assert.strictEqual(answer.headers.get("x-accel-buffering"), type === "text/event-stream" ? "no" : null)
        // Such streams cannot be resumed.
        assert.notMatch(answer.text, /^(id|retry):/m)
      }
      const refused = yield* send(broker, client, work({ nonce: "n", steps: 0, pause: 1 }, { headers: { accept: "text/html" } }))
      assert.strictEqual(refused.status, 406)
    }))

  it.scoped("that are wrong or ask for what is not there have a status, and the id of the request", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const cases: ReadonlyArray<readonly [ModernRequest, status: number, code: number]> = [
        [{ method: "tools/list", meta: { "io.modelcontextprotocol/clientCapabilities": null } }, 400, -32602],
        [{ method: "tools/list", meta: { "io.modelcontextprotocol/logLevel": "loud" } }, 400, -32602],
        [{ method: "tools/list", headers: { "mcp-method": "tools/call" } }, 400, -32020],
        [tool("seen", {}, { headers: { "mcp-name": "other" } }), 400, -32020],
        [{ method: "no/such" }, 404, -32601],
        [tool("no such tool", {}), 200, -32602],
        [tool("download_release_attachment", {}), 200, -32602],
        [tool("seen", {}, { params: { name: "seen", requestState: "x" } }), 200, -32602],
        [tool("seen", {}, { params: { name: "seen", inputResponses: null } }), 200, -32602],
        [{ method: "subscriptions/listen", params: { notifications: [] } }, 200, -32602],
        [{ method: "subscriptions/listen", params: { notifications: {} }, headers: { accept: "application/json" } }, 406, -32600]
      ]
      for (const [request, status, code] of cases) {
        const answer = yield* send(broker, client, { ...request, id: "mine" })
        assert.deepStrictEqual([answer.status, errorOf(answer).code, response(answer).id], [status, code, "mine"], JSON.stringify(request))
      }
      assert.strictEqual((yield* broker.post(client, notification("notifications/initialized"), { headers: { "mcp-protocol-version": version } })).status, 202)
      const answered = yield* broker.post(client, { jsonrpc: "2.0", id: 1, result: {} }, { headers: { "mcp-protocol-version": version } })
      assert.deepStrictEqual([answered.status, errorOf(answered).code], [400, -32600])
    }))

  it.scoped("are POST only", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      for (const method of ["GET", "DELETE"]) {
        const headers = { authorization: `Bearer ${client.token}`, accept: "text/event-stream", "mcp-protocol-version": version, "mcp-session-id": "0".repeat(48) }
        const { headers: sent, status } = yield* broker.get("/mcp", { method, headers })
        assert.deepStrictEqual([status, sent.get("allow")], [405, "POST"])
      }
    }))

  it.scoped("are cancelled by hanging up, whatever they would be answered with, and no others with them", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const kept = yield* Effect.fork(send(broker, client, work({ nonce: "kept", steps: 20, pause: 50 })))
      for (const accept of ["application/json", "application/json, text/event-stream", "text/event-stream"]) {
        const nonce = `gone ${accept}`
        const { headers, message } = modern(work(long(nonce), { headers: { accept } }))
        const hangUp = new AbortController()
        const gone = fetch(broker.mcpUrl, { ...broker.init(client, message, { headers }), signal: hangUp.signal }).catch(() => undefined)
        yield* Effect.repeat(send(broker, client, tool("seen")), { until: (answer) => (textOf(answer) as ReadonlyArray<Seen>).some((seen) => seen.nonce === nonce) })
        hangUp.abort()
        const [waited] = yield* Effect.timed(send(broker, client, tool("cancelled", { nonce })))
        assert.isBelow(Duration.toMillis(waited), 2000)
        yield* Effect.promise(() => gone)
      }
      assert.deepInclude(textOf(yield* kept), { nonce: "kept" })
      const seen = textOf(yield* send(broker, client, tool("seen"))) as ReadonlyArray<Seen>
      assert.strictEqual(seen.filter(({ method }) => method === "notifications/cancelled").length, 3)
      assert.strictEqual(seen.filter(({ method }) => method === "initialize").length, 1)
    }))

  it.scoped("of two users and several connections at once, with the same id and the same token: each gets its own", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const clients = [yield* guest(broker), yield* guest(broker), yield* guest(broker, ben)]
      const step = fc.record({ who: fc.nat(2), steps: fc.nat(4), pause: fc.nat(3), hasToken: fc.boolean(), isJson: fc.boolean() })
      let n = 0
      const one = ({ hasToken, isJson, pause, steps, who }: { who: number; steps: number; pause: number; hasToken: boolean; isJson: boolean }) =>
        Effect.gen(function*() {
          const nonce = `n${++n}`
          const answer = yield* send(broker, clients[who] as SignedIn, work({ nonce, pause, steps }, {
            ...(hasToken ? withToken : {}),
            headers: { accept: isJson ? "application/json" : "text/event-stream, application/json" }
          }))
          const heard = messages(answer)
          assert.deepInclude(textOf(answer), { nonce })
          assert.strictEqual(heard.at(-1)?.id, 1)
          const expected = hasToken && !isJson ? Array.from({ length: steps }, (_, at) => ({ progressToken: "t", progress: at + 1, total: steps, message: nonce })) : []
          assert.deepStrictEqual(heard.slice(0, -1).map(({ params }) => params), expected)
        })
      yield* Effect.promise(() =>
        fc.assert(fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 20 }), (steps) => Effect.runPromise(Effect.forEach(steps, one, { concurrency: "unbounded", discard: true }))), { numRuns: 12 }))
      for (const client of clients) {
        const seen = textOf(yield* send(broker, client, tool("seen"))) as ReadonlyArray<Seen>
        const ids = seen.flatMap(({ id }) => id === undefined ? [] : [id])
        assert.strictEqual(new Set(ids).size, ids.length, "no id twice at one child")
        assert.strictEqual(seen.filter(({ method }) => method === "initialize").length, 1)
      }
    }))

  it.scoped("of a sign-in that ends are over: its streams end, and the next one is told to sign in", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* broker.signIn()
      const { headers, message } = modern({ method: "subscriptions/listen", id: "l", params: { notifications: { toolsListChanged: true } } })
      const listening = yield* openStream(broker.mcpUrl, broker.init(client, message, { headers }))
      const calling = yield* Effect.fork(send(broker, client, work(long("over"), withToken)))
      yield* Effect.repeat(send(broker, client, tool("seen")), { until: (answer) => (textOf(answer) as ReadonlyArray<Seen>).some(({ nonce }) => nonce === "over") })
      yield* broker.form("/oauth/revoke", client, { token: client.refreshToken })
      assert.include(yield* Effect.orDie(listening.rest), "\"resultType\":\"complete\"")
      assert.isBelow(errorOf(yield* calling).code, 0)
      const next = yield* send(broker, client, { method: "tools/list" })
      assert.strictEqual(next.status, 401)
      assert.include(next.headers.get("www-authenticate"), "invalid_token")
    }))
})

layer(sharedBroker({ ...echoChild, maxSessionsPerUser: 1 }), { excludeTestServices: true })("with all slots at work", (it) => {
  it.scoped("another sign-in of the user gets 503 and when to come back; server/discover is answered all the same", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const [client, other] = [yield* guest(broker), yield* guest(broker)]
      const { headers, message } = modern(work(long("busy"), withToken))
      const busy = yield* openStream(broker.mcpUrl, broker.init(client, message, { headers }))
      const full = yield* send(broker, other, { method: "tools/list", id: "f" })
      assert.deepStrictEqual([full.status, response(full).id], [503, "f"])
      assert.match(full.headers.get("retry-after") ?? "", /^[1-9][0-9]?$/)
      assert.strictEqual((yield* send(broker, other, { method: "server/discover" })).status, 200)
      busy.hangUp()
      yield* Effect.repeat(send(broker, other, { method: "tools/list" }), { until: ({ status }) => status === 200 })
    }))
})
