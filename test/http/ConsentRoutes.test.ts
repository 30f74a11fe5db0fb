import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Answer, type Consent, cookiePair, decide, OAuthServer, oauthServer, openConsent, registered, send, authorizePath, consentOf } from "../fakes/OAuthBrowser.ts"

const title = (answer: Answer) => /<h1>(.*?)<\/h1>/.exec(answer.text)?.[1]
const forgedTitle = "This answer did not come from your consent page"
const refused = (answer: Answer) => {
  assert.deepStrictEqual([answer.status, title(answer)], [403, forgedTitle])
  assert.deepStrictEqual(answer.cookies, [])
  assert.isUndefined(answer.location)
}

describe("the consent form", () => {
  it.effect("allowed sends the browser to Forgejo with S256 and sets the login cookie", () =>
    Effect.gen(function*() {
      const { consent } = yield* openConsent
      const answer = yield* decide(consent, "allow")
      assert.strictEqual(answer.status, 302)
      assert.strictEqual(answer.location?.origin, "https://git.example")
      assert.strictEqual(answer.location?.searchParams.get("code_challenge_method"), "S256")
      assert.strictEqual(answer.cookies.length, 1)
      assert.match(
        answer.cookies[0] ?? "",
        new RegExp(`^__Host-fjmcp-login-${consent.flow}=[A-Za-z0-9_-]{43}; Path=/; HttpOnly; Secure; SameSite=lax; Max-Age$`)
      )
      assert.strictEqual(answer.headers["referrer-policy"], "no-referrer")
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("allowed twice by the same browser gives the same answer", () =>
    Effect.gen(function*() {
      const { consent } = yield* openConsent
      const [first, second] = yield* Effect.all([decide(consent, "allow"), decide(consent, "allow")])
      assert.strictEqual(second.location?.href, first.location?.href)
      assert.deepStrictEqual(second.cookies, first.cookies)
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("denied sends the browser back to the client, and so does a second click", () =>
    Effect.gen(function*() {
      const { consent } = yield* openConsent
      yield* decide(consent, "deny")
      const answer = yield* decide(consent, "deny")
      assert.strictEqual(
        answer.location?.href,
        "http://127.0.0.1:53121/cb?error=access_denied&error_description=The+user+denied+the+request.&state=client-state&iss=https%3A%2F%2Fbroker.example"
      )
      assert.deepStrictEqual(answer.cookies, [])
      const allowed = yield* decide(consent, "allow")
      assert.deepStrictEqual([allowed.status, title(allowed)], [400, "This sign-in is already finished"])
    }).pipe(Effect.provide(OAuthServer)))

  it.effect("in two tabs of one browser is two flows that do not disturb each other", () =>
    Effect.gen(function*() {
      const one = yield* openConsent
      const two = consentOf(yield* send("GET", authorizePath(one.clientId)))
      const both = `${one.consent.cookie}; ${two.cookie}`
      const first = yield* decide({ ...one.consent, cookie: both }, "allow")
      const second = yield* decide({ ...two, cookie: both }, "allow")
      assert.deepStrictEqual([first.status, second.status], [302, 302])
      assert.notStrictEqual(cookiePair(first.cookies[0]), cookiePair(second.cookies[0]))
    }).pipe(Effect.provide(OAuthServer)))
})

describe("a forged consent", () => {
  // The attacker has a pending login of their own, with a valid id, form token and cookie, and makes the victim's browser post it.
  const forge = (headers: Readonly<Record<string, string>>, change: (own: Consent) => Consent = (own) => own) =>
    Effect.flatMap(openConsent, ({ consent }) => decide(change(consent), "allow", headers))

  it.effect("from another site is refused, even with the cookie of the flow", () =>
    Effect.gen(function*() {
      refused(yield* forge({ origin: "https://evil.example", "sec-fetch-site": "cross-site" }))
    }).pipe(Effect.provide(OAuthServer)))
  it.effect("from a sibling subdomain is refused, even with the cookie of the flow", () =>
    Effect.gen(function*() {
      refused(yield* forge({ origin: "https://other.broker.example", "sec-fetch-site": "same-site" }))
      refused(yield* forge({ "sec-fetch-site": "same-site" }))
      refused(yield* forge({ origin: "null", "sec-fetch-site": "same-site" }))
    }).pipe(Effect.provide(OAuthServer)))
  it.effect("without any word about where it comes from is refused", () =>
    Effect.gen(function*() {
      refused(yield* forge({}))
      refused(yield* forge({ origin: "null" }))
    }).pipe(Effect.provide(OAuthServer)))
  it.effect("in a browser without the cookie is refused, also from our own origin", () =>
    Effect.gen(function*() {
      refused(yield* forge({ origin: "https://broker.example" }, (own) => ({ ...own, cookie: "" })))
    }).pipe(Effect.provide(OAuthServer)))
  it.effect("with the victim's cookie and the attacker's form token is refused", () =>
    Effect.gen(function*() {
      const attacker = yield* openConsent
      const victim = yield* openConsent
      refused(yield* decide({ ...victim.consent, token: attacker.consent.token }, "allow"))
      refused(yield* decide({ ...attacker.consent, cookie: victim.consent.cookie }, "allow"))
      refused(yield* decide({ ...victim.consent, token: "" }, "allow"))
    }).pipe(Effect.provide(OAuthServer)))
})

describe("a consent that is wrong otherwise", () => {
  it.effect("passes where the browser hides its origin but says that it is ours", () =>
    Effect.gen(function*() {
      const { consent } = yield* openConsent
      assert.strictEqual((yield* decide(consent, "allow", { origin: "null", "sec-fetch-site": "same-origin" })).status, 302)
    }).pipe(Effect.provide(OAuthServer)))
  it.effect("gets a page that says what to do", () =>
    Effect.gen(function*() {
      const { consent } = yield* openConsent
      const neither = yield* decide(consent, "maybe")
      assert.deepStrictEqual([neither.status, title(neither)], [400, "Neither Allow nor Deny"])
      const unknown = yield* decide({ ...consent, flow: "0".repeat(16), cookie: `__Host-fjmcp-consent-${"0".repeat(16)}=x` }, "allow")
      assert.deepStrictEqual([unknown.status, title(unknown)], [400, "This sign-in is too old"])
      const wrongType = yield* send("POST", "/oauth/consent", { json: {}, headers: { origin: "https://broker.example" } })
      assert.strictEqual(wrongType.status, 415)
      assert.include(wrongType.text, "The content type of this request must be &quot;application/x-www-form-urlencoded&quot;.")
      const method = yield* send("GET", "/oauth/consent")
      assert.deepStrictEqual([method.status, method.headers["allow"]], [405, "POST"])
      assert.include(neither.text, `Flow <code>${consent.flow}</code>`)
    }).pipe(Effect.provide(OAuthServer)))
})

it.effect("cookies of an http loopback broker have neither prefix nor Secure", () =>
  Effect.gen(function*() {
    const clientId = yield* registered
    const page = yield* send("GET", authorizePath(clientId))
    const consent = consentOf(page)
    assert.match(page.cookies[0] ?? "", /^fjmcp-consent-[0-9a-f]{16}=[^;]+; Path=\/; HttpOnly; SameSite=strict; Max-Age$/)
    const answer = yield* decide(consent, "allow", { origin: "http://127.0.0.1:8080" })
    assert.match(answer.cookies[0] ?? "", /^fjmcp-login-[0-9a-f]{16}=[^;]+; Path=\/; HttpOnly; SameSite=lax; Max-Age$/)
  }).pipe(Effect.provide(oauthServer({ publicUrl: "http://127.0.0.1:8080" }))))
