import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Ref, TestClock } from "effect"
import { s256Challenge } from "../../src/domain/Pkce.ts"
import { UserId } from "../../src/domain/Ids.ts"
import { UpstreamRefused, UpstreamUnavailable } from "../../src/services/Upstream.ts"
import { type Answer, comeBack, cookiePair, decide, departed, OAuthServer, oauthServer, openConsent, signedIn } from "../fakes/OAuthBrowser.ts"
import { somePair, UpstreamControl } from "../fakes/SignInUpstream.ts"

const title = (answer: Answer) => /<h1>(.*?)<\/h1>/.exec(answer.text)?.[1]
const control = UpstreamControl
const log = Effect.flatMap(control, (it) => Ref.get(it.log))
const refusal = (kind: "grant" | "client" | "token", description: string) => new UpstreamRefused({ endpoint: "token", kind, error: "invalid_grant", description })
const setExchange = (error: UpstreamRefused | UpstreamUnavailable) => Effect.flatMap(control, (it) => Ref.set(it.exchange, Effect.fail(error)))
const down = new UpstreamUnavailable({ endpoint: "token", reason: "timeout" })

/** A page of this status and title, with the flow; nothing went to the client. */
const isPage = (answer: Answer, status: number, expected: string, state?: string) => {
  assert.deepStrictEqual([answer.status, title(answer)], [status, expected])
  assert.isUndefined(answer.location)
  if (state !== undefined) assert.include(answer.text, `Flow <code>${state.split(".")[0]}</code>`)
}

describe("the callback", () => {
  it.effect("gives the client its code, with state and iss, and deletes the login cookie", () =>
    Effect.gen(function*() {
      const { cookie, state } = yield* departed
      const answer = yield* comeBack({ state, code: "forgejo-code" }, cookie)
      assert.strictEqual(answer.status, 302)
      assert.strictEqual(answer.location?.origin + (answer.location?.pathname ?? ""), "http://127.0.0.1:53121/cb")
      assert.deepStrictEqual([...(answer.location?.searchParams.keys() ?? [])], ["code", "state", "iss"])
      assert.deepStrictEqual(["state", "iss"].map((name) => answer.location?.searchParams.get(name)), ["client-state", "https://broker.example"])
      assert.match(answer.cookies[0] ?? "", /^__Host-fjmcp-login-[0-9a-f]{16}=; Path=\/; HttpOnly; Secure; SameSite=lax; Max-Age$/)
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("stores the pair before it asks anything else, and sends the verifier that fits the challenge", () =>
    Effect.gen(function*() {
      const { consent } = yield* openConsent
      const leaving = yield* decide(consent, "allow")
      const state = leaving.location?.searchParams.get("state") ?? ""
      yield* comeBack({ state, code: "forgejo-code" }, cookiePair(leaving.cookies[0]))
      const [exchange = "", ...rest] = yield* log
      const [, code, verifier = ""] = exchange.split(" ")
      assert.strictEqual(code, "forgejo-code")
      assert.strictEqual(s256Challenge(verifier), leaving.location?.searchParams.get("code_challenge"))
      assert.deepStrictEqual(rest, ["store 7", "scope 7 openid profile read:user write:repository write:issue", "userinfo"])
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("asks userinfo first where there is no id_token, and stores then", () =>
    Effect.gen(function*() {
      yield* Effect.flatMap(control, (it) => Ref.set(it.exchange, Effect.succeed({ ...somePair, subject: Option.none() })))
      assert.isNotEmpty((yield* signedIn).code)
      assert.deepStrictEqual((yield* log).slice(1, 3), ["userinfo", "store 7"])
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("of a site administrator is a page that says so, and its link is what the client waits for", () =>
    Effect.gen(function*() {
      yield* Effect.flatMap(control, (it) => Ref.set(it.isSiteAdmin, Effect.succeed(true)))
      const { cookie, state } = yield* departed
      const answer = yield* comeBack({ state, code: "forgejo-code" }, cookie)
      isPage(answer, 200, "You signed in as a site administrator", state)
      assert.include(answer.text, "<strong>alice</strong> administers all of")
      const link = new URL((/<a href="([^"]*)">Go on as alice/.exec(answer.text)?.[1] ?? "").replaceAll(/&(#38|amp);/g, "&"))
      assert.deepStrictEqual([...link.searchParams.keys()], ["code", "state", "iss"])
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("goes on where nobody can say who administers: only a warning hangs on it", () =>
    Effect.gen(function*() {
      yield* Effect.flatMap(control, (it) => Ref.set(it.isSiteAdmin, Effect.fail(down)))
      assert.isNotEmpty((yield* signedIn).code)
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("without state, with a wrong one, without the cookie, with another flow's cookie: a page, no exchange", () =>
    Effect.gen(function*() {
      const { cookie, state } = yield* departed
      const other = yield* departed
      const unknown = "This sign-in is not known, or too old"
      isPage(yield* comeBack({ code: "c" }, cookie), 400, unknown)
      isPage(yield* comeBack({ code: "c", state: "x" }, cookie), 400, unknown)
      isPage(yield* comeBack({ code: "c", state: `${state}x` }, cookie), 400, unknown, state)
      isPage(yield* comeBack({ code: "c", state }), 403, "This sign-in was started in another browser", state)
      isPage(yield* comeBack({ code: "c", state }, other.cookie), 403, "This sign-in was started in another browser", state)
      assert.deepStrictEqual(yield* log, [])
      assert.strictEqual((yield* comeBack({ code: "c", state }, cookie)).status, 302)
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("works once, and for ten minutes", () =>
    Effect.gen(function*() {
      const first = yield* departed
      yield* comeBack({ code: "c", state: first.state }, first.cookie)
      isPage(yield* comeBack({ code: "c", state: first.state }, first.cookie), 400, "This sign-in is already finished", first.state)
      assert.strictEqual((yield* log).filter((line) => line.startsWith("exchange")).length, 1)
      const second = yield* departed
      yield* TestClock.adjust("10 minutes")
      isPage(yield* comeBack({ code: "c", state: second.state }, second.cookie), 400, "This sign-in is not known, or too old", second.state)
    }).pipe(Effect.provide(OAuthServer)))
})

describe("when Forgejo says no", () => {
  it.effect("because the user denied, the client hears it", () =>
    Effect.gen(function*() {
      const { cookie, state } = yield* departed
      const answer = yield* comeBack({ state, error: "access_denied", error_description: "the request is denied" }, cookie)
      assert.deepStrictEqual(["error", "state", "iss"].map((name) => answer.location?.searchParams.get(name)), ["access_denied", "client-state", "https://broker.example"])
    }).pipe(Effect.provide(OAuthServer)))
  it.effect("with an error of its own, or with nothing at all, the client hears server_error and the flow", () =>
    Effect.gen(function*() {
      for (const parameters of [{ error: "server_error", error_description: "A server error occurred" }, {}]) {
        const { cookie, state } = yield* departed
        const answer = yield* comeBack({ state, ...parameters }, cookie)
        assert.strictEqual(answer.location?.searchParams.get("error"), "server_error")
        assert.include(answer.location?.searchParams.get("error_description") ?? "", state.split(".")[0] ?? "?")
      }
    }).pipe(Effect.provide(OAuthServer)))
  it.effect("because of an older permission, the page says how to revoke it", () =>
    Effect.gen(function*() {
      const { cookie, state } = yield* departed
      const answer = yield* comeBack({ state, error: "server_error", error_description: "a grant exists with different scope" }, cookie)
      isPage(answer, 403, "Forgejo still holds an older permission", state)
      assert.include(answer.text, "https://git.example/user/settings/applications")
      assert.include(answer.text, "Settings &gt; Applications")
    }).pipe(Effect.provide(OAuthServer)))
  it.effect("to the exchange, the page tells a user's fault from the operator's", () =>
    Effect.gen(function*() {
      yield* setExchange(refusal("grant", "client is not authorized"))
      const one = yield* departed
      isPage(yield* comeBack({ state: one.state, code: "c" }, one.cookie), 400, "Forgejo did not accept this sign-in", one.state)
      yield* setExchange(refusal("client", "invalid client secret"))
      const two = yield* departed
      const answer = yield* comeBack({ state: two.state, code: "c" }, two.cookie)
      isPage(answer, 502, "Forgejo does not accept this broker", two.state)
      assert.include(answer.text, "FORGEJO_CLIENT_SECRET")
    }).pipe(Effect.provide(OAuthServer)))
  it.effect("by not answering, the page is 503 and says what to do", () =>
    Effect.gen(function*() {
      yield* setExchange(down)
      const { cookie, state } = yield* departed
      const answer = yield* comeBack({ state, code: "c" }, cookie)
      isPage(answer, 503, "Forgejo does not answer", state)
      assert.include(answer.text, "Wait a minute, go back to your client and connect again.")
      assert.strictEqual(answer.headers["retry-after"], "60")
    }).pipe(Effect.provide(OAuthServer)))
  it.effect("because two sign-ins collided, the browser goes through Forgejo once more, and only once", () =>
    Effect.gen(function*() {
      yield* setExchange(refusal("grant", "cannot increase the grant counter"))
      const { cookie, state } = yield* departed
      const again = yield* comeBack({ state, code: "c" }, cookie)
      assert.strictEqual(again.location?.origin, "https://git.example")
      assert.strictEqual(cookiePair(again.cookies[0]), cookie)
      const next = again.location?.searchParams.get("state") ?? ""
      assert.notStrictEqual(next, state)
      isPage(yield* comeBack({ state: next, code: "c" }, cookie), 503, "Two sign-ins got into each other&#39;s way", state)
    }).pipe(Effect.provide(OAuthServer)))
  it.effect("because two sign-ins collided, the second round can succeed", () =>
    Effect.gen(function*() {
      yield* setExchange(refusal("grant", "cannot increase the grant counter"))
      const { cookie, state } = yield* departed
      const again = yield* comeBack({ state, code: "c" }, cookie)
      yield* Effect.flatMap(control, (it) => Ref.set(it.exchange, Effect.succeed(somePair)))
      const answer = yield* comeBack({ state: again.location?.searchParams.get("state") ?? "", code: "c2" }, cookie)
      assert.isNotEmpty(answer.location?.searchParams.get("code"))
    }).pipe(Effect.provide(OAuthServer)))
})

describe("what Forgejo really granted", () => {
  const wider = Effect.flatMap(control, (it) => Ref.set(it.introspect, Effect.succeed({ active: true, scope: Option.some("read:user write:admin") })))

  it.effect("is refused where it is wider, with the way out, after the pair and the scope are recorded", () =>
    Effect.gen(function*() {
      yield* wider
      const { cookie, state } = yield* departed
      const answer = yield* comeBack({ state, code: "c" }, cookie)
      isPage(answer, 403, "Forgejo granted more than this broker may have", state)
      assert.include(answer.text, "write:admin")
      assert.include(answer.text, "https://git.example/user/settings/applications")
      assert.deepStrictEqual((yield* log).slice(1), ["store 7", "scope 7 read:user write:admin"])
    }).pipe(Effect.provide(OAuthServer)))
  it.effect("is refused where Forgejo names no scope at all: that is full power", () =>
    Effect.gen(function*() {
      yield* Effect.flatMap(control, (it) => Ref.set(it.introspect, Effect.succeed({ active: true, scope: Option.none() })))
      const { cookie, state } = yield* departed
      isPage(yield* comeBack({ state, code: "c" }, cookie), 403, "Forgejo granted more than this broker may have", state)
    }).pipe(Effect.provide(OAuthServer)))
  it.effect("may be wider where the operator says so", () =>
    Effect.gen(function*() {
      yield* wider
      assert.isNotEmpty((yield* signedIn).code)
    }).pipe(Effect.provide(oauthServer({ scopeMismatch: "warn" }))))
  it.effect("is not taken on trust: no introspection, no grant; another user in userinfo, no grant", () =>
    Effect.gen(function*() {
      const it = yield* control
      yield* Ref.set(it.introspect, Effect.fail(down))
      const one = yield* departed
      isPage(yield* comeBack({ state: one.state, code: "c" }, one.cookie), 503, "Forgejo does not answer", one.state)
      yield* Ref.set(it.introspect, Effect.succeed({ active: false, scope: Option.none() }))
      const two = yield* departed
      isPage(yield* comeBack({ state: two.state, code: "c" }, two.cookie), 400, "Forgejo did not accept this sign-in", two.state)
      yield* Ref.set(it.introspect, Effect.succeed({ active: true, scope: Option.some("read:user") }))
      yield* Ref.set(it.userinfo, Effect.succeed({ userId: UserId.make("8"), userName: "bob" }))
      const three = yield* departed
      isPage(yield* comeBack({ state: three.state, code: "c" }, three.cookie), 400, "Forgejo did not accept this sign-in", three.state)
    }).pipe(Effect.provide(OAuthServer)))
})
