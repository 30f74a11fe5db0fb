import { assert, describe, it } from "@effect/vitest"
import { SqlClient } from "@effect/sql"
import { Effect, Fiber, Option, Redacted, TestClock } from "effect"
import { UserId } from "../../src/domain/Ids.ts"
import { UpstreamTokens } from "../../src/services/UpstreamTokens.ts"
import { ada, ForgejoSide } from "../fakes/ForgejoSide.ts"
import { ended, refreshes, signIn, testTokens, text } from "../fakes/TestUpstreamTokens.ts"

/*
 * Mutations that these tests were seen to find: a question without limit; a limit per fixed minute, or for all users
 * together; a question for each caller; one that ends with its first caller; one that does not look again at its turn;
 * counting what is answered without a question; trying userinfo again; taking "out of reach" for a refusal.
 */

const suspect = (token: Redacted.Redacted, userId = ada) => Effect.flatMap(UpstreamTokens, (tokens) => tokens.suspect(userId, token))
const userinfos = Effect.flatMap(ForgejoSide, (forgejo) => forgejo.userinfos)
const settle = Effect.repeatN(Effect.yieldNow(), 10)

describe("a suspicion that Forgejo does not take a token any more", () => {
  it.effect("that userinfo does not confirm changes nothing", () =>
    Effect.gen(function*() {
      const pair = yield* signIn
      assert.isTrue(Option.isNone(yield* suspect(pair.accessToken)))
      assert.deepStrictEqual(yield* userinfos, [Redacted.value(pair.accessToken)])
      assert.deepStrictEqual(yield* refreshes, [])
    }).pipe(Effect.provide(testTokens())))

  it.effect("that userinfo confirms gives a new token", () =>
    Effect.gen(function*() {
      const pair = yield* signIn
      yield* (yield* ForgejoSide).refuseAccessTokens(true)
      assert.match(text(Option.getOrThrow(yield* suspect(pair.accessToken))), /^a-7-1-2-/)
      assert.deepStrictEqual(yield* ended, [])
    }).pipe(Effect.provide(testTokens())))

  it.effect("after a revocation ends the user's grants", () =>
    Effect.gen(function*() {
      const pair = yield* signIn
      yield* (yield* ForgejoSide).revoke
      assert.strictEqual((yield* Effect.flip(suspect(pair.accessToken)))._tag, "UpstreamGone")
      assert.deepStrictEqual(yield* ended, [[ada, "upstream_gone"]])
    }).pipe(Effect.provide(testTokens())))

  it.effect("about the token of somebody without a pair is gone", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* Effect.flip(suspect(Redacted.make("a-7-1-1-0"))))._tag, "UpstreamGone")
      assert.deepStrictEqual(yield* userinfos, [])
    }).pipe(Effect.provide(testTokens())))

  it.effect("about a token that has been replaced gives the one that replaced it, neither asked nor counted", () =>
    Effect.gen(function*() {
      const old = yield* signIn
      const pair = yield* signIn
      for (let i = 0; i < 5; i++) assert.strictEqual(text(Option.getOrThrow(yield* suspect(old.accessToken))), "a-7-1-2-0")
      assert.deepStrictEqual(yield* userinfos, [])
      for (let i = 0; i < 2; i++) yield* suspect(pair.accessToken)
      assert.strictEqual((yield* userinfos).length, 2)
    }).pipe(Effect.provide(testTokens())))

  it.effect("asks twice in any minute and user; a third suspicion waits until it may be asked about", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      const tokens = yield* UpstreamTokens
      const { accessToken } = yield* signIn
      const bob = UserId.make("8")
      const bobs = yield* forgejo.signInOf(bob)
      yield* tokens.store(bob, bobs)
      const questions = Effect.map(userinfos, (all) => all.filter((token) => token === Redacted.value(accessToken)).length)
      yield* suspect(accessToken)
      yield* TestClock.adjust("40 seconds")
      yield* suspect(accessToken)
      assert.strictEqual(yield* questions, 2)
      yield* forgejo.refuseAccessTokens(true)
      const third = yield* Effect.fork(suspect(accessToken))
      yield* TestClock.adjust("19999 millis")
      assert.strictEqual(yield* questions, 2)
      yield* suspect(bobs.accessToken, bob)
      assert.include(yield* userinfos, Redacted.value(bobs.accessToken))
      assert.deepStrictEqual((yield* refreshes).filter((token) => token.startsWith("r-7-")), [])
      yield* TestClock.adjust("1 millis")
      assert.isTrue(Option.isSome(yield* Fiber.join(third)))
      assert.strictEqual(yield* questions, 3)
    }).pipe(Effect.provide(testTokens())))

  it.effect("says nothing where Forgejo cannot be reached, and does not try again", () =>
    Effect.gen(function*() {
      const pair = yield* signIn
      yield* (yield* ForgejoSide).userinfoDown(true)
      assert.isTrue(Option.isNone(yield* suspect(pair.accessToken)))
      assert.strictEqual((yield* userinfos).length, 1)
      assert.deepStrictEqual(yield* refreshes, [])
    }).pipe(Effect.provide(testTokens())))

  it.effect("that is right, about a token that cannot be renewed now, logs nobody out", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      const pair = yield* signIn
      yield* forgejo.refuseAccessTokens(true)
      yield* forgejo.failRefreshes(1000)
      const caller = yield* Effect.fork(Effect.flip(suspect(pair.accessToken)))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(caller))._tag, "UpstreamUnavailable")
      assert.deepStrictEqual(yield* ended, [])
    }).pipe(Effect.provide(testTokens())))

  it.effect("of 32 sessions in one moment is one question, which goes on when its first caller leaves", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      const { accessToken } = yield* signIn
      yield* forgejo.refuseAccessTokens(true)
      const release = yield* forgejo.holdUserinfo
      const [first, ...others] = yield* Effect.forEach(Array.from({ length: 32 }), () => Effect.fork(suspect(accessToken)))
      yield* settle
      if (first !== undefined) yield* Fiber.interrupt(first)
      yield* release
      const answers = yield* Effect.forEach(others, (fiber) => Fiber.join(fiber))
      assert.deepStrictEqual([...new Set(answers.map((answer) => text(Option.getOrThrow(answer))))], ["a-7-1-2-0"])
      assert.strictEqual((yield* userinfos).length, 1)
      assert.deepStrictEqual(yield* refreshes, ["r-7-1-1"])
    }).pipe(Effect.provide(testTokens())))

  it.effect("looks again when its turn has come: what has been replaced meanwhile is not asked about", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      const first = yield* signIn
      const release = yield* forgejo.holdUserinfo
      const one = yield* Effect.fork(suspect(first.accessToken))
      yield* settle
      // Two sign-ins while the question is under way. The pair between them is suspected, and waits for its turn.
      const second = yield* signIn
      const two = yield* Effect.fork(suspect(second.accessToken))
      yield* settle
      const third = yield* signIn
      yield* release
      yield* Fiber.join(one)
      assert.strictEqual(text(Option.getOrThrow(yield* Fiber.join(two))), Redacted.value(third.accessToken))
      assert.deepStrictEqual(yield* userinfos, [Redacted.value(first.accessToken)])
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* sql`select counter from upstream_tokens`, [{ counter: 3 }])
    }).pipe(Effect.provide(testTokens())))
})
