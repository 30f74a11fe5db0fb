import { assert, describe, it } from "@effect/vitest"
import { SqlClient } from "@effect/sql"
import { Deferred, Effect, Either, Fiber, Redacted, TestClock } from "effect"
import { UpstreamTokens } from "../../src/services/UpstreamTokens.ts"
import { ada, ForgejoSide } from "../fakes/ForgejoSide.ts"
import { afterExpiry, current, ended, nearExpiry, refreshes, signIn, testTokens, text } from "../fakes/TestUpstreamTokens.ts"

describe("a refused refresh", () => {
  it.effect("ends the user's grants and the pair when Forgejo does not know the grant any more", () =>
    Effect.gen(function*() {
      yield* signIn
      yield* nearExpiry
      yield* (yield* ForgejoSide).revoke
      const error = yield* Effect.flip(current)
      assert.strictEqual(error._tag, "UpstreamGone")
      assert.deepStrictEqual(yield* ended, [[ada, "upstream_gone"]])
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* sql`select * from upstream_tokens`, [])
    }).pipe(Effect.provide(testTokens())))

  it.effect("leaves the access token in use until it expires when Forgejo still knows the grant", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      const pair = yield* signIn
      yield* forgejo.loseAnswers(1)
      yield* nearExpiry
      assert.strictEqual(text(yield* current), Redacted.value(pair.accessToken)) // the answer is lost here
      assert.strictEqual(text(yield* current), Redacted.value(pair.accessToken)) // and the token found spent here
      assert.deepStrictEqual(yield* ended, [])
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Effect.flip(current))._tag, "UpstreamGone")
      assert.deepStrictEqual(yield* ended, [[ada, "upstream_gone"]])
    }).pipe(Effect.provide(testTokens())))

  it.effect("waits for a sign-in in flight, and takes the pair that it brings", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      const tokens = yield* UpstreamTokens
      yield* signIn
      yield* afterExpiry
      // The second login has voided the stored refresh token, and its pair is not stored yet.
      const pair = yield* forgejo.signIn
      const stored = yield* Deferred.make<void>()
      const login = yield* Effect.fork(
        tokens.duringSignIn(Effect.zipRight(Deferred.await(stored), tokens.store(ada, pair)))
      )
      yield* Effect.yieldNow()
      const caller = yield* Effect.fork(current)
      yield* TestClock.adjust("3 seconds")
      yield* Deferred.succeed(stored, undefined)
      yield* Fiber.join(login)
      assert.strictEqual(text(yield* Fiber.join(caller)), Redacted.value(pair.accessToken))
      assert.deepStrictEqual(yield* forgejo.introspections, [])
      assert.deepStrictEqual(yield* ended, [])
    }).pipe(Effect.provide(testTokens())))

  it.effect("waits ten seconds at most for a sign-in that never comes to an end", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      const tokens = yield* UpstreamTokens
      yield* signIn
      yield* afterExpiry
      yield* forgejo.revoke
      yield* Effect.fork(tokens.duringSignIn(Effect.never))
      yield* Effect.yieldNow()
      const caller = yield* Effect.fork(Effect.flip(current))
      yield* TestClock.adjust("9999 millis")
      assert.deepStrictEqual(yield* ended, [])
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(caller))._tag, "UpstreamGone")
    }).pipe(Effect.provide(testTokens())))

  it.effect("that cannot be judged logs nobody out, and keeps nobody waiting whose token still serves", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      const pair = yield* signIn
      yield* nearExpiry
      yield* forgejo.revoke
      yield* forgejo.introspectionDown(true)
      assert.strictEqual(text(yield* current), Redacted.value(pair.accessToken))
      assert.deepStrictEqual(yield* forgejo.introspections, ["r-7-1-1"])
      assert.deepStrictEqual(yield* ended, [])
    }).pipe(Effect.provide(testTokens())))

  it.effect("that cannot be judged past expiry is unavailable after some tries, not gone", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      yield* signIn
      yield* afterExpiry
      yield* forgejo.revoke
      yield* forgejo.introspectionDown(true)
      const caller = yield* Effect.fork(Effect.flip(current))
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* Fiber.join(caller))._tag, "UpstreamUnavailable")
      assert.isAbove((yield* forgejo.introspections).length, 1)
      assert.deepStrictEqual(yield* ended, [])
      yield* forgejo.introspectionDown(false)
      assert.strictEqual((yield* Effect.flip(current))._tag, "UpstreamGone")
    }).pipe(Effect.provide(testTokens())))

  it.effect("of the operator's client logs nobody out, and past expiry says what is wrong", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      const pair = yield* signIn
      yield* forgejo.refuseClient(true)
      yield* nearExpiry
      assert.strictEqual(text(yield* current), Redacted.value(pair.accessToken))
      yield* TestClock.adjust("1 minute")
      const error = yield* Effect.flip(current)
      assert.strictEqual(error._tag, "UpstreamUnavailable")
      assert.include(JSON.stringify(error), "FORGEJO_CLIENT_SECRET")
      assert.deepStrictEqual(yield* ended, [])
    }).pipe(Effect.provide(testTokens())))
})

describe("a 401 from the API", () => {
  const recheck = (token: Redacted.Redacted) => Effect.flatMap(UpstreamTokens, (tokens) => tokens.recheck(ada, token))

  it.effect("that userinfo does not confirm changes nothing", () =>
    Effect.gen(function*() {
      const pair = yield* signIn
      assert.strictEqual(text(yield* recheck(pair.accessToken)), Redacted.value(pair.accessToken))
      assert.deepStrictEqual(yield* refreshes, [])
    }).pipe(Effect.provide(testTokens())))

  it.effect("that userinfo confirms makes a new pair", () =>
    Effect.gen(function*() {
      const pair = yield* signIn
      yield* (yield* ForgejoSide).refuseAccessTokens(true)
      assert.match(text(yield* recheck(pair.accessToken)), /^a-7-1-2-/)
    }).pipe(Effect.provide(testTokens())))

  it.effect("after a revocation ends the user's grants", () =>
    Effect.gen(function*() {
      const pair = yield* signIn
      yield* (yield* ForgejoSide).revoke
      assert.strictEqual((yield* Effect.flip(recheck(pair.accessToken)))._tag, "UpstreamGone")
      assert.deepStrictEqual(yield* ended, [[ada, "upstream_gone"]])
    }).pipe(Effect.provide(testTokens())))

  it.effect("about a token that has been replaced gives the one that replaced it", () =>
    Effect.gen(function*() {
      const old = yield* signIn
      const pair = yield* signIn
      yield* (yield* ForgejoSide).refuseAccessTokens(true)
      assert.strictEqual(text(yield* recheck(old.accessToken)), Redacted.value(pair.accessToken))
    }).pipe(Effect.provide(testTokens())))

  it.effect("about a token that cannot be renewed does not give that token again", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      const pair = yield* signIn
      yield* forgejo.refuseAccessTokens(true)
      yield* forgejo.failRefreshes(1000)
      const caller = yield* Effect.fork(Effect.either(recheck(pair.accessToken)))
      yield* TestClock.adjust("1 minute")
      const outcome = yield* Fiber.join(caller)
      assert.isTrue(Either.isLeft(outcome) && outcome.left._tag === "UpstreamUnavailable")
    }).pipe(Effect.provide(testTokens())))

  it.effect("is not answered with that token by a refresh under way that fails and lets others go on with it", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      const pair = yield* signIn
      yield* nearExpiry
      yield* forgejo.refuseAccessTokens(true)
      yield* forgejo.failRefreshes(1)
      const release = yield* forgejo.holdAnswers
      const other = yield* Effect.fork(current)
      yield* forgejo.refreshArrived
      const caller = yield* Effect.fork(recheck(pair.accessToken))
      yield* Effect.yieldNow()
      yield* release
      assert.strictEqual(text(yield* Fiber.join(other)), Redacted.value(pair.accessToken))
      assert.match(text(yield* Fiber.join(caller)), /^a-7-1-2-/)
    }).pipe(Effect.provide(testTokens())))

  it.effect("about a token that Forgejo refuses and nothing will renew is the end, also before it expires", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      const pair = yield* signIn
      yield* forgejo.signIn // elsewhere: its pair never comes here
      yield* forgejo.refuseAccessTokens(true)
      assert.strictEqual((yield* Effect.flip(recheck(pair.accessToken)))._tag, "UpstreamGone")
      assert.deepStrictEqual(yield* ended, [[ada, "upstream_gone"]])
    }).pipe(Effect.provide(testTokens())))
})
