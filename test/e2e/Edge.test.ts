import { assert, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { connect } from "node:net"
import { gzipSync } from "node:zlib"
import { initialize, rpc, SharedBroker, sharedBroker, testBroker } from "./TestBroker.ts"
import { errorOf, json, rawRequest, response } from "./Wire.ts"

const configured = "https://inspector.example"
const maxBody = 4096

layer(sharedBroker({ allowedOrigins: [configured], maxBody }), { excludeTestServices: true })("the edge", (it) => {
  it.effect("case 4: pages of other origins get 403, with and without a token, before anything else is looked at", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      for (const origin of ["https://evil.example", "null", "http://127.0.0.1:1", `${broker.url}.evil.example`, `${configured}:444`]) {
        const attempts = {
          token: yield* broker.post(client, initialize(), { headers: { origin } }),
          noToken: yield* broker.get("/mcp", { method: "POST", headers: { origin } }),
          preflight: yield* broker.get("/mcp", { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } })
        }
        for (const [name, answer] of Object.entries(attempts)) {
          assert.strictEqual(answer.status, 403, `${origin} ${name}`)
          assert.isNull(answer.headers.get("access-control-allow-origin"))
          assert.strictEqual(
            errorOf(answer).message,
            "Pages of this origin may not use the broker. The operator can allow it with ALLOWED_ORIGINS."
          )
        }
      }
    }))

  it.effect("case 4: the own origin, its loopback aliases and the configured ones are welcome, and can read what they need", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const port = new URL(broker.url).port
      for (const origin of [broker.url, `http://localhost:${port}`, `http://[::1]:${port}`, configured]) {
        const answer = yield* broker.post(client, rpc(1, "tools/list"), { headers: { origin }, session: "0".repeat(48) })
        assert.strictEqual(answer.status, 410, origin)
        assert.strictEqual(answer.headers.get("access-control-allow-origin"), origin)
        assert.strictEqual(answer.headers.get("vary"), "Origin")
        assert.match(answer.headers.get("access-control-expose-headers") ?? "", /Mcp-Session-Id.*WWW-Authenticate/)
        const refused = yield* broker.get("/mcp", { method: "POST", headers: { origin } })
        assert.deepStrictEqual([refused.status, refused.headers.get("access-control-allow-origin")], [401, origin])
      }
    }))

  it.effect("other methods are 405 and name those that there are, on every path", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      for (const method of ["PUT", "PATCH", "HEAD", "PROPFIND"]) {
        const answer = yield* rawRequest(broker.mcpUrl, { method, headers: { authorization: `Bearer ${client.token}` } })
        assert.deepStrictEqual([answer.status, answer.headers.get("allow")], [405, "POST, GET, DELETE, OPTIONS"], method)
      }
      const get = yield* broker.get("/mcp", { headers: { authorization: `Bearer ${client.token}`, accept: "text/event-stream" } })
      assert.deepStrictEqual([get.status, get.headers.get("allow")], [405, "POST, GET, DELETE, OPTIONS"])
      const pages = { "/": "GET", "/healthz": "GET", "/readyz": "GET" }
      const others = { ...pages, "/oauth/token": "POST, OPTIONS", "/oauth/register": "POST, OPTIONS", "/oauth/callback": "GET" }
      for (const [path, allow] of Object.entries(others)) {
        const answer = yield* broker.get(path, { method: "DELETE" })
        assert.deepStrictEqual([answer.status, answer.headers.get("allow")], [405, allow], path)
      }
    }))

  it.effect("a Host that is not the broker's is 403 on every path; its loopback names are welcome", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const port = new URL(broker.url).port
      const documents = ["/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server"]
      for (const path of ["/healthz", "/readyz", "/", ...documents, "/oauth/authorize", "/mcp", "/nowhere"]) {
        for (const host of ["evil.example", `evil.example:${port}`, "localhost:1", `127.0.0.1.evil.example:${port}`, `${port}`]) {
          const answer = yield* rawRequest(`${broker.url}${path}`, { headers: { host } })
          assert.deepStrictEqual([answer.status, path], [403, path], host)
          assert.strictEqual(answer.text, "This host name is not served here. Use the broker's public address (PUBLIC_URL).\n")
        }
      }
      for (const host of [`localhost:${port}`, `[::1]:${port}`, `LOCALHOST:${port}`]) {
        const document = yield* rawRequest(`${broker.url}/.well-known/oauth-authorization-server`, { headers: { host } })
        assert.strictEqual(document.status, 200)
        assert.include(document.text, `"issuer":"${broker.url}"`, "the issuer never comes from Host")
      }
    }))

  it.effect("413: a body larger than allowed, by its Content-Length or as it streams; one byte less is fine", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const sentence = `The body is larger than ${maxBody} bytes. Send less at once, or have the operator raise MAX_BODY.`
      const ofSize = (bytes: number) => {
        const empty = JSON.stringify(rpc("big", "nothing", { text: "" }))
        return JSON.stringify(rpc("big", "nothing", { text: "x".repeat(bytes - empty.length) }))
      }
      const fits = yield* broker.post(client, ofSize(maxBody), { session: "0".repeat(48) })
      assert.strictEqual(fits.status, 410)
      for (const size of [maxBody + 1, 3 * 1024 * 1024]) {
        const announced = yield* broker.post(client, ofSize(size))
        assert.deepStrictEqual([announced.status, errorOf(announced).message], [413, sentence])
        const pieces = ofSize(size).match(/.{1,65536}/gs) ?? []
        const body = ReadableStream.from(pieces.map((piece) => new TextEncoder().encode(piece)))
        const streamed = yield* broker.get("/mcp", { ...broker.init(client, ""), body, duplex: "half" } as RequestInit)
        assert.deepStrictEqual([streamed.status, errorOf(streamed).message], [413, sentence])
      }
    }))

  it.effect("413 at the OAuth endpoints, too, for a body that comes in chunks and names no length", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const types = { "/oauth/token": "application/x-www-form-urlencoded", "/oauth/register": "application/json" }
      for (const [path, type] of Object.entries(types)) {
        const body = ReadableStream.from(Array.from({ length: 40 }, () => new TextEncoder().encode("x".repeat(4096))))
        const answer = yield* broker.get(path, { method: "POST", headers: { "content-type": type }, body, duplex: "half" } as RequestInit)
        assert.deepStrictEqual([answer.status, json(answer)["error_description"]], [413, "The body may have at most 65536 bytes."], path)
      }
    }))

  it.effect("every address has one spelling; another one is nowhere", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const headers = { authorization: `Bearer ${client.token}` }
      const mcp = ["/MCP", "//mcp", "/mcp/", "/mcp;x", "/mcp;x=/readyz", "/%6dcp", "/mcp%2f", "/mcp%3Fa", "/mcp%3f", "/./mcp", "/mcp/."]
      for (const path of [...mcp, "//", "/healthz/", "/Healthz", "/oauth/Token", "/oauth//token", "/oauth/token;a", "*"]) {
        for (const method of ["GET", "POST"]) {
          const answer = yield* rawRequest(broker.url, { method, path, headers })
          assert.deepStrictEqual([answer.status, answer.text.slice(0, 35)], [404, "There is nothing at this address. T"], `${method} ${path}`)
        }
      }
      assert.strictEqual((yield* rawRequest(broker.url, { path: "/healthz?/x;y=%2f", headers })).status, 200, "a query may hold anything")
    }))

  it.effect("415: another Content-Type, or none", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonl", "text/json"]) {
        const answer = yield* broker.post(client, initialize(), { headers: { "content-type": type } })
        assert.strictEqual(answer.status, 415, type)
        assert.strictEqual(errorOf(answer).message, "Send the JSON-RPC message with Content-Type: application/json.")
      }
      const headers = { authorization: `Bearer ${client.token}` }
      const none = yield* broker.get("/mcp", { method: "POST", headers, body: new TextEncoder().encode("{}") })
      assert.strictEqual(none.status, 415)
      const type = "Application/JSON; charset=UTF-8"
      const spelt = yield* broker.post(client, rpc(1, "ping"), { session: "0".repeat(48), headers: { "content-type": type } })
      assert.strictEqual(spelt.status, 410)
    }))

  it.effect("415: a Content-Encoding, for nothing is unpacked here; identity is none", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const ask = (encoding: string) => broker.post(client, rpc(1, "ping"), { session: "0".repeat(48), headers: { "content-encoding": encoding } })
      for (const encoding of ["gzip", "GZIP", "br", "identity, gzip"]) {
        const answer = yield* ask(encoding)
        const sentence = `Send the body as it is: Content-Encoding "${encoding.toLowerCase()}" is not understood here.`
        assert.deepStrictEqual([answer.status, errorOf(answer).message], [415, sentence])
      }
      for (const encoding of ["identity", "Identity"]) assert.strictEqual((yield* ask(encoding)).status, 410, encoding)
      const packed = new Uint8Array(gzipSync(JSON.stringify(rpc(1, "ping"))))
      const answer = yield* broker.get("/mcp", { ...broker.init(client, "", { headers: { "content-encoding": "gzip" } }), body: packed })
      assert.deepStrictEqual([answer.status, errorOf(answer).message], [415, "Send the body as it is: Content-Encoding \"gzip\" is not understood here."])
    }))

  it.effect("406: Accept excludes both forms of an answer; anything that allows one is fine", () =>
    Effect.gen(function*() {
      const { broker, client } = yield* SharedBroker
      const ask = (accept: string) => broker.post(client, rpc(1, "ping"), { session: "0".repeat(48), headers: { accept } })
      for (const accept of ["text/html", "image/*, application/xml", "application/json;q=0, text/event-stream;q=0.0"]) {
        const answer = yield* ask(accept)
        assert.strictEqual(answer.status, 406, accept)
        assert.strictEqual(
          errorOf(answer).message,
          "Answers are application/json or text/event-stream; Accept must allow at least one of them."
        )
      }
      for (const accept of ["*/*", "application/json", "text/event-stream", "application/*;q=0.1", "text/html, TEXT/*"]) {
        assert.strictEqual((yield* ask(accept)).status, 410, accept)
      }
      const headers = { authorization: `Bearer ${client.token}`, "content-type": "application/json" }
      const none = yield* rawRequest(broker.mcpUrl, { method: "POST", headers })
      assert.deepStrictEqual([none.status, response(none).error?.code], [400, -32700], "no Accept, no body")
    }))
})

it.scopedLive("Host may name the default port of the public address, and no other", () =>
  Effect.gen(function*() {
    const broker = yield* testBroker({ publicUrl: "https://mcp.example.org" })
    const statusFor = (host: string) => Effect.map(rawRequest(`${broker.url}/healthz`, { headers: { host } }), ({ status }) => status)
    const hosts = ["mcp.example.org", "mcp.example.org:443", "MCP.example.org:443", "mcp.example.org:80", "mcp.example.org:", "a@mcp.example.org"]
    assert.deepStrictEqual(yield* Effect.forEach(hosts, statusFor), [200, 200, 200, 403, 403, 403])
  }))

it.scopedLive("a client that wants to change the protocol is answered as any other, and may leave at any moment", () =>
  Effect.gen(function*() {
    const broker = yield* testBroker()
    const upgrade = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" }
    const statusOf = (path: string) => Effect.map(rawRequest(`${broker.url}${path}`, { headers: upgrade }), ({ status }) => status)
    assert.deepStrictEqual(yield* Effect.forEach(["/mcp", "/healthz"], statusOf), [401, 200])
    for (const path of ["/mcp", "/healthz", "/nothing"]) {
      yield* Effect.async<void>((resume) => {
        const { hostname, host, port } = new URL(broker.url)
        const socket = connect(Number(port), hostname, () => {
          socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n${Object.entries(upgrade).map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`, () => socket.resetAndDestroy())
        })
        socket.on("error", () => {}).once("close", () => resume(Effect.void))
      })
    }
    assert.deepStrictEqual(yield* statusOf("/healthz"), 200)
  }))
