import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Logger, LogLevel, Option, Redacted, TestClock, TestContext } from "effect"
import { ClientKey } from "../../src/domain/Ids.ts"
import { Grants, type IssuedTokens } from "../../src/services/Grants.ts"
import { GrantUpkeep } from "../../src/services/GrantUpkeep.ts"
import { OAuthStores, someTokens } from "../fakes/OAuthStores.ts"

const refresh = (clientKey: ClientKey, refreshToken: Redacted.Redacted) =>
  Effect.flatMap(Grants, (grants) => grants.refresh({ clientKey, refreshToken, resource: Option.none() }))
const texts = (tokens: IssuedTokens) => [Redacted.value(tokens.accessToken), Redacted.value(tokens.refreshToken)]
const accepted = (token: Redacted.Redacted) => Effect.flatMap(Grants, (grants) => Effect.isSuccess(grants.verify(token)))

describe("a refresh token", () => {
  it.effect("gives new tokens that work, and the old access token keeps its hour", () =>
    Effect.gen(function*() {
      const { client, tokens } = yield* someTokens
      const next = yield* refresh(client.key, tokens.refreshToken)
      assert.notInclude(texts(tokens), texts(next)[1])
      assert.strictEqual(next.expiresIn, 3600)
      assert.isTrue(yield* accepted(next.accessToken))
      assert.isTrue(yield* accepted(tokens.accessToken))
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("gives the same answer again within the grace, with what is left of the hour", () =>
    Effect.gen(function*() {
      const { client, tokens } = yield* someTokens
      const first = yield* refresh(client.key, tokens.refreshToken)
      yield* TestClock.adjust("299 seconds")
      const second = yield* refresh(client.key, tokens.refreshToken)
      assert.deepStrictEqual(texts(second), texts(first))
      assert.strictEqual(second.expiresIn, 3600 - 299)
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("presented five times at once has one successor", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { client, tokens } = yield* someTokens
      const answers = yield* Effect.all(Array.from({ length: 5 }, () => refresh(client.key, tokens.refreshToken)), { concurrency: 5 })
      for (const answer of answers) assert.deepStrictEqual(texts(answer), texts(answers[0]!))
      assert.strictEqual((yield* sql`select * from refresh_tokens`).length, 2)
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("leads to the newest token of the chain within its grace", () =>
    Effect.gen(function*() {
      const { client, tokens } = yield* someTokens
      const second = yield* refresh(client.key, tokens.refreshToken)
      const third = yield* refresh(client.key, second.refreshToken)
      const newest = yield* refresh(client.key, third.refreshToken)
      assert.deepStrictEqual(texts(yield* refresh(client.key, tokens.refreshToken)), texts(newest))
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("after the grace, counted from its first use, ends the grant, whether a sweep has run or not", () =>
    Effect.gen(function*() {
      const grants = yield* Grants
      for (const sweep of [false, true]) {
        const { client, grantId, tokens } = yield* someTokens
        const next = yield* refresh(client.key, tokens.refreshToken)
        yield* TestClock.adjust("4 minutes")
        yield* refresh(client.key, tokens.refreshToken)
        yield* TestClock.adjust("1 minute")
        if (sweep) yield* Effect.flatMap(GrantUpkeep, (upkeep) => upkeep.sweepExpired)
        const error = yield* Effect.flip(refresh(client.key, tokens.refreshToken))
        assert.deepStrictEqual([error.error, error.status, error.description], [
          "invalid_grant",
          400,
          "The refresh token was used before, so the whole grant has been ended for safety. The user must sign in again."
        ])
        assert.isFalse(yield* grants.isLive(grantId))
        assert.isFalse(yield* accepted(next.accessToken))
        assert.strictEqual((yield* Effect.flip(refresh(client.key, next.refreshToken))).error, "invalid_grant")
      }
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("is followed over fifty links within its grace, and beyond that ends the grant", () =>
    Effect.gen(function*() {
      const grants = yield* Grants
      const { client, grantId, tokens } = yield* someTokens
      let newest = tokens
      for (let links = 0; links < 50; links++) newest = yield* refresh(client.key, newest.refreshToken)
      assert.deepStrictEqual(texts(yield* refresh(client.key, tokens.refreshToken)), texts(newest))
      yield* refresh(client.key, newest.refreshToken)
      assert.strictEqual((yield* Effect.flip(refresh(client.key, tokens.refreshToken))).error, "invalid_grant")
      assert.isFalse(yield* grants.isLive(grantId))
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("does not bring back an access token that was revoked in between", () =>
    Effect.gen(function*() {
      const grants = yield* Grants
      const { client, tokens } = yield* someTokens
      const first = yield* refresh(client.key, tokens.refreshToken)
      yield* grants.revoke({ clientKey: client.key, token: first.accessToken })
      const second = yield* refresh(client.key, tokens.refreshToken)
      assert.notStrictEqual(texts(second)[0], texts(first)[0])
      assert.isTrue(yield* accepted(second.accessToken))
      assert.isFalse(yield* accepted(first.accessToken))
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("of another client, unknown, or for another resource is refused and harms nothing", () =>
    Effect.gen(function*() {
      const grants = yield* Grants
      const { client, tokens } = yield* someTokens
      assert.strictEqual((yield* Effect.flip(refresh(ClientKey.make("other"), tokens.refreshToken))).error, "invalid_grant")
      assert.strictEqual((yield* Effect.flip(refresh(client.key, Redacted.make("x")))).error, "invalid_grant")
      const foreign = yield* Effect.flip(grants.refresh({ clientKey: client.key, refreshToken: tokens.refreshToken, resource: Option.some("https://evil.example") }))
      assert.deepStrictEqual([foreign.error, foreign.description], ["invalid_target", "\"resource\" must be \"https://broker.example/mcp\"."])
      assert.isTrue(yield* Effect.isSuccess(refresh(client.key, tokens.refreshToken)))
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("keeps its grant alive for 30 days after the last refresh", () =>
    Effect.gen(function*() {
      const grants = yield* Grants
      const { client, grantId, tokens } = yield* someTokens
      yield* TestClock.adjust("29 days")
      const next = yield* refresh(client.key, tokens.refreshToken)
      yield* TestClock.adjust("29 days")
      assert.isTrue(yield* grants.isLive(grantId))
      yield* TestClock.adjust("1 day")
      assert.isFalse(yield* grants.isLive(grantId))
      assert.strictEqual((yield* Effect.flip(refresh(client.key, next.refreshToken))).error, "invalid_grant")
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("whatever the order of uses and waits: at most one is unspent, and only a late reuse ends the grant", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.record({ back: fc.nat({ max: 3 }), wait: fc.constantFrom(0, 1, 100, 299, 300) }), { maxLength: 15 }),
          (steps) =>
            Effect.gen(function*() {
              const sql = yield* SqlClient.SqlClient
              const grants = yield* Grants
              const { client, grantId, tokens } = yield* someTokens
              const chain = [tokens]
              const spentAt: Array<number | undefined> = [undefined]
              let now = 0
              let live = true
              for (const { back, wait } of steps) {
                yield* TestClock.adjust(`${wait} seconds`)
                now += wait
                const index = Math.max(0, chain.length - 1 - back)
                const spent = spentAt[index]
                const result = yield* Effect.either(refresh(client.key, chain[index]!.refreshToken))
                if (live && spent === undefined) {
                  spentAt[index] = now
                  assert.strictEqual(result._tag, "Right")
                  if (result._tag === "Right") chain.push(result.right)
                  spentAt.push(undefined)
                } else if (live && spent !== undefined && now - spent < 300) {
                  assert.deepStrictEqual(result._tag === "Right" ? texts(result.right) : [], texts(chain[chain.length - 1]!))
                } else {
                  assert.strictEqual(result._tag, "Left")
                  live = false
                }
                assert.strictEqual(yield* grants.isLive(grantId), live)
                assert.strictEqual((yield* sql`select 1 from refresh_tokens where spent_at is null`).length, 1)
                assert.strictEqual(yield* accepted(chain[chain.length - 1]!.accessToken), live && now - (spentAt[chain.length - 2] ?? 0) < 3600)
              }
            }).pipe(
              Effect.provide([OAuthStores, Logger.minimumLogLevel(LogLevel.None)]),
              Effect.provide(TestContext.TestContext),
              Effect.runPromise
            )
        ),
        { numRuns: 40 }
      )
    ))
})
