import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, TestClock } from "effect"
import { s256Challenge } from "../../src/domain/Pkce.ts"
import { maxPendingLogins, PendingLoginsLive } from "../../src/layers/PendingLoginsLive.ts"
import { type ConsentProof, type Departure, type LoginRefused, PendingLogins } from "../../src/services/PendingLogins.ts"
import { fakeSealing } from "../fakes/FakeSealing.ts"
import { OAuthStores } from "../fakes/OAuthStores.ts"

const request = {
  clientId: "client",
  redirectUri: "http://127.0.0.1/cb",
  state: Option.some("s1"),
  codeChallenge: "c".repeat(43),
  scope: "mcp",
  resource: "https://broker.example/mcp"
}
const begin = Effect.gen(function*() {
  const { consentCookie, flowId, formToken } = yield* (yield* PendingLogins).begin(request)
  return { flowId, consentCookie: Option.some(consentCookie), formToken: Option.some(formToken) } satisfies ConsentProof
})
const secrets = (leaving: Departure) => [Redacted.value(leaving.state), Redacted.value(leaving.loginCookie), leaving.codeChallenge]
const reason = <A>(step: Effect.Effect<A, LoginRefused>) => Effect.map(Effect.flip(step), (error) => error.reason)
const back = (leaving: Departure) => ({ state: leaving.state, loginCookie: Option.some(leaving.loginCookie) })

describe("a pending login", () => {
  it.effect("goes from Allow to the callback, with what the client asked for and the verifier that fits", () =>
    Effect.gen(function*() {
      const logins = yield* PendingLogins
      const proof = yield* begin
      const leaving = yield* logins.allow(proof)
      const taken = yield* logins.take(back(leaving))
      assert.deepStrictEqual(taken.login, { ...request, flowId: proof.flowId })
      assert.strictEqual(s256Challenge(Redacted.value(taken.verifier)), leaving.codeChallenge)
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("allowed again by the same browser gives the same answer; also after a restart", () =>
    Effect.gen(function*() {
      const logins = yield* PendingLogins
      const proof = yield* begin
      const first = secrets(yield* logins.allow(proof))
      assert.deepStrictEqual(secrets(yield* logins.allow(proof)), first)
      const sql = yield* SqlClient.SqlClient
      const restarted = PendingLoginsLive.pipe(Layer.provide(Layer.merge(Layer.succeed(SqlClient.SqlClient, sql), fakeSealing())))
      const later = yield* Effect.provide(Effect.flatMap(PendingLogins, (again) => again.allow(proof)), restarted)
      assert.deepStrictEqual(secrets(later), first)
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("is not moved by the cookie or the token of another one, or by none", () =>
    Effect.gen(function*() {
      const logins = yield* PendingLogins
      const mine = yield* begin
      const other = yield* begin
      for (
        const proof of [
          { ...mine, consentCookie: other.consentCookie },
          { ...mine, formToken: other.formToken },
          { ...other, flowId: mine.flowId },
          { ...mine, consentCookie: Option.none() },
          { ...mine, formToken: Option.none() }
        ]
      ) {
        assert.strictEqual(yield* reason(logins.allow(proof)), "forged")
        assert.strictEqual(yield* reason(logins.deny(proof)), "forged")
      }
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("comes back once, of three at the same time, and only with its own cookie", () =>
    Effect.gen(function*() {
      const logins = yield* PendingLogins
      const mine = yield* logins.allow(yield* begin)
      const other = yield* logins.allow(yield* begin)
      assert.strictEqual(yield* reason(logins.take({ ...back(mine), loginCookie: Option.none() })), "forged")
      assert.strictEqual(yield* reason(logins.take({ ...back(mine), loginCookie: Option.some(other.loginCookie) })), "forged")
      const results = yield* Effect.all([1, 2, 3].map(() => Effect.option(logins.take(back(mine)))), { concurrency: 3 })
      assert.strictEqual(results.filter(Option.isSome).length, 1)
      assert.strictEqual(yield* reason(logins.take(back(mine))), "finished")
      assert.strictEqual(yield* reason(logins.take({ ...back(mine), state: Redacted.make("x") })), "unknown")
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("that was denied stays denied, and one that came back can be neither allowed nor denied", () =>
    Effect.gen(function*() {
      const logins = yield* PendingLogins
      const denied = yield* begin
      const leaving = yield* logins.allow(denied)
      yield* logins.deny(denied)
      yield* logins.deny(denied)
      assert.strictEqual(yield* reason(logins.allow(denied)), "finished")
      assert.strictEqual(yield* reason(logins.take(back(leaving))), "finished")
      const finished = yield* begin
      yield* logins.take(back(yield* logins.allow(finished)))
      assert.strictEqual(yield* reason(logins.allow(finished)), "finished")
      assert.strictEqual(yield* reason(logins.deny(finished)), "finished")
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("goes through Forgejo once more after it was taken, with another state and verifier, and not a third time", () =>
    Effect.gen(function*() {
      const logins = yield* PendingLogins
      const leaving = yield* logins.allow(yield* begin)
      assert.isTrue(Option.isNone(yield* logins.again(leaving.login.flowId, leaving.loginCookie)))
      yield* logins.take(back(leaving))
      assert.isTrue(Option.isNone(yield* logins.again(leaving.login.flowId, Redacted.make("another browser"))))
      const second = Option.getOrThrow(yield* logins.again(leaving.login.flowId, leaving.loginCookie))
      assert.notStrictEqual(Redacted.value(second.state), Redacted.value(leaving.state))
      assert.notStrictEqual(second.codeChallenge, leaving.codeChallenge)
      assert.strictEqual(yield* reason(logins.take(back(leaving))), "unknown")
      const taken = yield* logins.take(back(second))
      assert.strictEqual(s256Challenge(Redacted.value(taken.verifier)), second.codeChallenge)
      assert.isTrue(Option.isNone(yield* logins.again(leaving.login.flowId, leaving.loginCookie)))
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("lives ten minutes, at every step", () =>
    Effect.gen(function*() {
      const logins = yield* PendingLogins
      const sql = yield* SqlClient.SqlClient
      const proof = yield* begin
      const leaving = yield* logins.allow(proof)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* reason(logins.allow(proof)), "unknown")
      assert.strictEqual(yield* reason(logins.take(back(leaving))), "unknown")
      yield* logins.sweep
      assert.deepStrictEqual(yield* sql`select * from pending_logins`, [])
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("is refused while as many are in progress as may be, and begins again once they have expired", () =>
    Effect.gen(function*() {
      const logins = yield* PendingLogins
      const sql = yield* SqlClient.SqlClient
      const proof = yield* begin
      yield* TestClock.adjust("1 minutes")
      yield* sql`with recursive n (i) as (select 2 union all select i + 1 from n where i < ${maxPendingLogins})
        insert into pending_logins select 'flow' || i, 'c', 'r', null, 'c', 'mcp', 'r', 'h', 'h', null, null, 0, 'asked', 60000, 660000 from n`
      assert.strictEqual((yield* Effect.flip(logins.begin(request)))._tag, "LoginsFull")
      yield* logins.allow(proof)
      yield* TestClock.adjust("9 minutes")
      yield* logins.begin(request)
      assert.strictEqual((yield* Effect.flip(logins.begin(request)))._tag, "LoginsFull")
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("keeps no secret in the store", () =>
    Effect.gen(function*() {
      const logins = yield* PendingLogins
      const sql = yield* SqlClient.SqlClient
      const proof = yield* begin
      const leaving = yield* logins.allow(proof)
      const text = JSON.stringify(yield* sql`select * from pending_logins`)
      for (const secret of [Option.getOrThrow(proof.consentCookie), Option.getOrThrow(proof.formToken), leaving.state, leaving.loginCookie]) {
        assert.notInclude(text, Redacted.value(secret))
      }
    }).pipe(Effect.provide(OAuthStores)))
})
