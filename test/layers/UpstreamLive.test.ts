import { FetchHttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Fiber, Logger, Option, Redacted, TestClock } from "effect"
import { UserId } from "../../src/domain/Ids.ts"
import { endpointsOf, fixedEndpoints } from "../../src/layers/UpstreamEndpoints.ts"
import { UpstreamLive } from "../../src/layers/UpstreamLive.ts"
import { Upstream, type UpstreamRefused, type UpstreamUnavailable } from "../../src/services/Upstream.ts"
import { json, plainServer, type Received, type Respond } from "../fakes/PlainServer.ts"
import { TestConfig, testSettings } from "../fakes/TestConfig.ts"

const secret = Redacted.value(testSettings().forgejoClientSecret)
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
const jwt = (claims: unknown) => `${part({ alg: "RS256" })}.${part(claims)}.c2ln`
const access = jwt({ gnt: 5, tt: 0, exp: 3600, iat: 0 })
const refreshed = jwt({ gnt: 5, tt: 1, cnt: 3, exp: 9, iat: 0 })
const granted = { access_token: access, token_type: "bearer", expires_in: 3600, refresh_token: refreshed, id_token: jwt({ sub: "7" }) }

/** Forgejo below a path, as its ROOT_URL says; reached by another address. */
const discovery = {
  issuer: "https://git.example/git/",
  authorization_endpoint: "https://git.example/git/login/oauth/authorize",
  token_endpoint: "https://git.example/git/oauth2/token",
  userinfo_endpoint: "https://git.example/git/login/oauth/userinfo",
  introspection_endpoint: "https://elsewhere.example/steal"
}

const withServer = <A, E>(
  respond: Respond,
  use: (received: ReadonlyArray<Received>) => Effect.Effect<A, E, Upstream>,
  client = NodeHttpClient.layer
) =>
  Effect.scoped(Effect.gen(function*() {
    const server = yield* plainServer((request, response) =>
      request.path.endsWith("/.well-known/openid-configuration") ? json(response, 200, discovery) : respond(request, response)
    )
    return yield* use(server.received).pipe(
      Effect.provide(UpstreamLive),
      Effect.provide(client),
      Effect.provide(TestConfig({ forgejoUrl: "https://git.example/git", forgejoInternalUrl: `${server.url}/git` }))
    )
  }))

const exchange = Effect.flatMap(Upstream, (upstream) =>
  upstream.exchange({ code: Redacted.make("gta_the-code-of-the-test"), verifier: Redacted.make("the-verifier-of-the-test") }))
const refresh = Effect.flatMap(Upstream, (upstream) => upstream.refresh(Redacted.make("the-refresh-token-of-the-test")))
const userinfo = Effect.flatMap(Upstream, (upstream) => upstream.userinfo(Redacted.make("the-access-token-of-the-test")))
const introspect = Effect.flatMap(Upstream, (upstream) => upstream.introspect(Redacted.make("the-access-token-of-the-test")))
const outcome = (error: UpstreamRefused | UpstreamUnavailable) => error._tag === "UpstreamRefused" ? error.kind : "transient"
const form = (body: string) => Object.fromEntries(new URLSearchParams(body))

describe("the authorization request", () => {
  it.live("goes to the public address, with PKCE, our callback and the configured scope", () =>
    withServer(() => {}, () => Effect.gen(function*() {
      const url = new URL(yield* (yield* Upstream).authorizeUrl({ state: Redacted.make("s t"), codeChallenge: "c" }))
      assert.strictEqual(url.origin + url.pathname, "https://git.example/git/login/oauth/authorize")
      assert.deepStrictEqual(Object.fromEntries(url.searchParams), {
        response_type: "code",
        client_id: testSettings().forgejoClientId,
        redirect_uri: "https://broker.example/oauth/callback",
        scope: "openid profile read:user write:issue",
        state: "s t",
        code_challenge: "c",
        code_challenge_method: "S256"
      })
    })))

  it.live("needs no Forgejo that answers: the fixed paths serve", () =>
    Effect.gen(function*() {
      const url = yield* (yield* Upstream).authorizeUrl({ state: Redacted.make("s"), codeChallenge: "c" })
      assert.isTrue(url.startsWith("https://git.example/login/oauth/authorize?"))
    }).pipe(
      Effect.provide(UpstreamLive),
      Effect.provide(NodeHttpClient.layer),
      Effect.provide(TestConfig({ forgejoInternalUrl: "http://127.0.0.1:9" })),
      Effect.provide(Logger.remove(Logger.defaultLogger))
    ))
})

describe("discovery", () => {
  it("gives paths below the issuer, with or without its final slash, and nothing outside of it", () => {
    const expected = { ...fixedEndpoints, token: "/oauth2/token" }
    assert.deepStrictEqual(Option.getOrThrow(endpointsOf(JSON.stringify(discovery))), expected)
    assert.deepStrictEqual(Option.getOrThrow(endpointsOf(JSON.stringify({ ...discovery, issuer: "https://git.example/git" }))), expected)
    for (const path of ["//evil.example/x", "/../../x", "/a?b", "/a#b", "/a\\b", "/@evil.example", "/", "x"]) {
      const found = endpointsOf(JSON.stringify({ ...discovery, token_endpoint: `https://git.example/git${path}` }))
      assert.strictEqual(Option.getOrThrow(found).token, fixedEndpoints.token, path)
    }
    for (const text of ["", "<html>", "[]", "{}", "{\"issuer\":1}"]) assert.isTrue(Option.isNone(endpointsOf(text)), text)
  })

  it.live("is asked once for many requests", () =>
    withServer((_, response) => json(response, 200, granted), (received) => Effect.gen(function*() {
      yield* Effect.all([refresh, refresh, refresh], { concurrency: "unbounded" })
      assert.strictEqual(received.filter(({ path }) => path.includes("well-known")).length, 1)
    })))

  it.effect("that failed is tried again after half a minute", () =>
    Effect.scoped(Effect.gen(function*() {
      let up = false
      const server = yield* plainServer((request, response) =>
        request.path === "/.well-known/openid-configuration" && up
          ? json(response, 200, { issuer: "https://x.example", token_endpoint: "https://x.example/other/token" })
          : json(response, request.path.includes("well-known") ? 503 : 200, granted)
      )
      yield* Effect.gen(function*() {
        yield* refresh
        up = true
        yield* refresh
        yield* TestClock.adjust("30 seconds")
        yield* refresh
      }).pipe(
        Effect.provide(UpstreamLive),
        Effect.provide(NodeHttpClient.layer),
        Effect.provide(TestConfig({ forgejoInternalUrl: server.url }))
      )
      assert.deepStrictEqual(server.received.map(({ path }) => path), [
        "/.well-known/openid-configuration", fixedEndpoints.token, fixedEndpoints.token, "/.well-known/openid-configuration", "/other/token"
      ])
    })))
})

describe("a token answer", () => {
  it.effect("of an exchange becomes a pair with its claims", () =>
    withServer((_, response) => json(response, 200, granted), (received) => Effect.gen(function*() {
      const pair = yield* exchange
      assert.strictEqual(Redacted.value(pair.accessToken), access)
      assert.strictEqual(Option.getOrNull(Option.map(pair.refreshToken, Redacted.value)), refreshed)
      assert.strictEqual(pair.expiresAt, 3_600_000)
      assert.deepStrictEqual([pair.upstreamGrant, pair.counter].map(Option.getOrNull), [5, 3])
      assert.strictEqual(Option.getOrNull(pair.subject), UserId.make("7"))
      const request = received.find(({ path }) => path === "/git/oauth2/token")
      assert.deepStrictEqual(form(request?.body ?? ""), {
        grant_type: "authorization_code",
        code: "gta_the-code-of-the-test",
        code_verifier: "the-verifier-of-the-test",
        redirect_uri: "https://broker.example/oauth/callback",
        client_id: testSettings().forgejoClientId,
        client_secret: secret
      })
      assert.strictEqual(request?.headers["accept"], "application/json")
      for (const name of ["authorization", "traceparent", "b3"]) assert.isUndefined(request?.headers[name], name)
    })))

  const plain = { access_token: "opaque", token_type: "Bearer" }
  it.live("of a refresh sends no redirect_uri, and may be without a refresh token or claims", () =>
    withServer((_, response) => json(response, 200, plain), (received) => Effect.gen(function*() {
      const pair = yield* refresh
      assert.deepStrictEqual([pair.refreshToken, pair.upstreamGrant, pair.counter].map((each) => each._tag), ["None", "None", "None"])
      const sent = Object.keys(form(received.at(-1)?.body ?? "")).sort()
      assert.deepStrictEqual(sent, ["client_id", "client_secret", "grant_type", "refresh_token"])
    })))
})

describe("a refused token request", () => {
  const cases: ReadonlyArray<readonly [number, string, string, "grant" | "client" | "transient"]> = [
    [400, "invalid_grant", "grant does not exist", "grant"],
    [400, "invalid_grant", "cannot increase the grant counter", "grant"],
    [400, "invalid_grant", "refresh token was not issued to this client", "grant"],
    [400, "unauthorized_client", "token was already used", "grant"],
    [400, "unauthorized_client", "unable to parse refresh token", "grant"],
    [400, "unauthorized_client", "token is not a refresh token", "grant"],
    [400, "unauthorized_client", "client is not authorized", "grant"],
    [400, "unauthorized_client", "failed PKCE code challenge", "grant"],
    [400, "unauthorized_client", "redirect_uri does not match the authorization request", "grant"],
    [400, "unauthorized_client", "invalid client secret", "client"],
    [400, "unauthorized_client", "invalid empty client secret", "client"],
    [400, "unauthorized_client", "unexpected redirect URI", "client"],
    [400, "invalid_client", "cannot load client with client id: \"x\"", "client"],
    [400, "invalid_client", "invalid client secret", "client"],
    [400, "invalid_request", "server error", "transient"],
    [400, "invalid_request", "cannot proceed your request", "transient"],
    [429, "invalid_grant", "slow down", "transient"],
    [502, "invalid_grant", "bad gateway", "transient"],
    [302, "invalid_grant", "moved", "transient"]
  ]
  for (const [status, error, description, expected] of cases) {
    it.live(`with ${status} ${error} / ${description} is ${expected}`, () =>
      withServer((_, response) => json(response, status, { error, error_description: description }), () => Effect.gen(function*() {
        for (const request of [exchange, refresh]) {
          const failure = yield* Effect.flip(request)
          assert.strictEqual(outcome(failure), expected)
          if (failure._tag === "UpstreamRefused") assert.strictEqual(failure.description, description)
        }
      })))
  }

  it.live("never tells what was sent, even where Forgejo repeats it", () =>
    withServer(
      (request, response) =>
        json(response, 400, { error: "invalid_grant", error_description: `no:\n${Object.values(form(request.body)).join(" ")}` }),
      () => Effect.gen(function*() {
        for (const request of [exchange, refresh]) {
          const failure = yield* Effect.flip(request)
          const said = JSON.stringify(failure) + failure.toString() + failure.stack
          for (const text of [secret, "the-code-of-the-test", "the-verifier-of-the-test", "the-refresh-token-of-the-test"]) {
            assert.notInclude(said, text)
          }
        }
      })
    ))
})

describe("an answer that is of no use", () => {
  const useless: ReadonlyArray<readonly [string, Respond]> = [
    ["HTML with 200", (_, response) => void response.end("<html>sign in</html>")],
    ["HTML with 400", (_, response) => void response.writeHead(400).end("<html></html>")],
    ["HTML with 502", (_, response) => void response.writeHead(502).end("<html></html>")],
    ["JSON without a token", (_, response) => json(response, 200, {})],
    ["another type of token", (_, response) => json(response, 200, { ...granted, token_type: "mac" })],
    ["nothing at all", (_, response) => void response.end()],
    ["too much", (_, response) => void response.end("x".repeat(5_000_000))],
    ["a broken connection", (_, response) => void response.destroy()],
    ["half an answer", (_, response) => {
      response.writeHead(200, { "content-length": "1000" })
      response.write("{", () => response.destroy())
    }]
  ]
  for (const [name, respond] of useless) {
    for (const [kind, client] of [["node:http", NodeHttpClient.layer], ["fetch", FetchHttpClient.layer]] as const) {
      it.live(`(${name}, by ${kind}) is transient for every call`, () =>
        withServer(respond, () => Effect.gen(function*() {
          const { version } = yield* Upstream
          const requests: ReadonlyArray<Effect.Effect<unknown, UpstreamRefused | UpstreamUnavailable, Upstream>> = [
            exchange, refresh, userinfo, introspect, version
          ]
          for (const request of requests) assert.strictEqual(outcome(yield* Effect.flip(request)), "transient")
        }), client))
    }
  }

  it.live("is none where nobody listens, and the reason says so", () =>
    Effect.forEach([NodeHttpClient.layer, FetchHttpClient.layer], (client) =>
      Effect.gen(function*() {
        const server = yield* plainServer(() => {})
        server.close()
        const failure = yield* Effect.flip(Effect.flatMap(Upstream, ({ version }) => version)).pipe(
          Effect.provide(UpstreamLive),
          Effect.provide(client),
          Effect.provide(TestConfig({ forgejoInternalUrl: server.url }))
        )
        assert.strictEqual(failure.reason, "the connection was refused")
      }).pipe(Effect.scoped), { discard: true }))

  it.live("is a redirect: it is not followed, whatever the client would do", () =>
    Effect.forEach([NodeHttpClient.layer, FetchHttpClient.layer], (client) =>
      withServer((_, response) => void response.writeHead(307, { location: "/elsewhere" }).end(), (received) => Effect.gen(function*() {
        const failure = yield* Effect.flip(refresh)
        assert.include(JSON.stringify(failure), "FORGEJO_INTERNAL_URL")
        assert.strictEqual(outcome(failure), "transient")
        assert.isFalse(received.some(({ path }) => path === "/elsewhere"))
      }), client), { discard: true }))

  for (const [kind, client] of [["node:http", NodeHttpClient.layer], ["fetch", FetchHttpClient.layer]] as const) {
    it.effect(`does not come within ten seconds, before its head or in its body (by ${kind}), and uninterruptible callers go on too`, () =>
      Effect.gen(function*() {
        for (const inBody of [false, true]) {
          for (const request of [refresh, Effect.uninterruptible(refresh)]) {
            let arrived = () => {}
            const arrival = new Promise<void>((resolve) => (arrived = resolve))
            yield* withServer((_, response) => {
              if (inBody) response.writeHead(200).write("{")
              setTimeout(arrived, 20)
            }, () => Effect.gen(function*() {
              const caller = yield* Effect.fork(Effect.flip(request))
              yield* Effect.promise(() => arrival)
              yield* TestClock.adjust("10 seconds")
              assert.include(JSON.stringify(yield* Fiber.join(caller)), "within 10 seconds")
            }), client)
          }
        }
      }))
  }
})

describe("userinfo, introspection and version", () => {
  const ada = { sub: "7", preferred_username: "ada", name: "Ada" }
  it.live("userinfo names the user by sub", () =>
    withServer((_, response) => json(response, 200, ada), (received) => Effect.gen(function*() {
      assert.deepStrictEqual(yield* userinfo, { userId: UserId.make("7"), userName: "ada" })
      assert.strictEqual(received.at(-1)?.headers["authorization"], "Bearer the-access-token-of-the-test")
    })))

  it.live("says whether the user administers the instance; without the scope to see it, no", () =>
    Effect.gen(function*() {
      const asked = Effect.flatMap(Upstream, (upstream) => upstream.isSiteAdmin(Redacted.make("the-access-token-of-the-test")))
      const answering = (status: number, body: unknown) => withServer((_, response) => json(response, status, body), () => Effect.either(asked))
      assert.deepStrictEqual(yield* answering(200, { id: 1, is_admin: true }), Either.right(true))
      assert.deepStrictEqual(yield* answering(200, { id: 7, is_admin: false }), Either.right(false))
      assert.deepStrictEqual(yield* answering(403, { message: "scope" }), Either.right(false))
      assert.isTrue(Either.isLeft(yield* answering(502, {})))
    }))

  it.live("userinfo that answers 401 means the token, and its text goes nowhere", () =>
    withServer((_, response) => void response.writeHead(401).end("the-access-token-of-the-test is bad"), () => Effect.gen(function*() {
      const failure = yield* Effect.flip(userinfo)
      assert.strictEqual(outcome(failure), "token")
      assert.notInclude(JSON.stringify(failure), "the-access-token-of-the-test")
    })))

  it.live("introspection authenticates the client, and an inactive token is no error", () =>
    withServer((_, response) => json(response, 200, { active: false }), (received) => Effect.gen(function*() {
      const inactive = yield* introspect
      assert.deepStrictEqual([inactive.active, Option.getOrNull(inactive.scope)], [false, null])
      const basic = `Basic ${Buffer.from(`${testSettings().forgejoClientId}:${secret}`).toString("base64")}`
      assert.strictEqual(received.at(-1)?.headers["authorization"], basic)
      assert.strictEqual(received.at(-1)?.path, "/git/login/oauth/introspect")
    })))

  it.live("introspection gives the scope that was really granted, and 401 means the operator's client", () =>
    Effect.gen(function*() {
      const scope = yield* withServer((_, response) => json(response, 200, { active: true, scope: "read:user" }), () => introspect)
      assert.deepStrictEqual([scope.active, Option.getOrNull(scope.scope)], [true, "read:user"])
      const failure = yield* withServer((_, response) => void response.writeHead(401).end("no"), () => Effect.flip(introspect))
      assert.strictEqual(outcome(failure), "client")
    }))

  it.live("version is asked without any credential", () =>
    withServer((_, response) => json(response, 200, { version: "15.0.3+gitea-1.22.0" }), (received) => Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flatMap(Upstream, ({ version }) => version), "15.0.3+gitea-1.22.0")
      assert.strictEqual(received.at(-1)?.path, "/git/api/v1/version")
      assert.isUndefined(received.at(-1)?.headers["authorization"])
    })))
})
