import { assert, describe, it } from "@effect/vitest"
import { SqlClient } from "@effect/sql"
import { Effect, Fiber, Redacted, TestClock } from "effect"
import { UserId } from "../../src/domain/Ids.ts"
import { UpstreamTokens } from "../../src/services/UpstreamTokens.ts"
import { ada, ForgejoSide } from "../fakes/ForgejoSide.ts"
import { afterExpiry, current, ended, nearExpiry, refreshes, signIn, testTokens, text } from "../fakes/TestUpstreamTokens.ts"

describe("a user's current token", () => {
  it.effect("is the stored one while it is fresh, and Forgejo is not asked", () =>
    Effect.gen(function*() {
      const pair = yield* signIn
      yield* TestClock.adjust("40 minutes")
      assert.strictEqual(text(yield* current), Redacted.value(pair.accessToken))
      assert.deepStrictEqual(yield* refreshes, [])
    }).pipe(Effect.provide(testTokens())))

  it.effect("is sealed in the store", () =>
    Effect.gen(function*() {
      yield* signIn
      const sql = yield* SqlClient.SqlClient
      assert.notInclude(JSON.stringify(yield* sql`select * from upstream_tokens`), "a-7-1-1")
    }).pipe(Effect.provide(testTokens())))

  it.effect("is refreshed in the last minutes of its life", () =>
    Effect.gen(function*() {
      yield* signIn
      yield* nearExpiry
      assert.match(text(yield* current), /^a-7-1-2-/)
      assert.match(text(yield* current), /^a-7-1-2-/)
      assert.deepStrictEqual(yield* refreshes, ["r-7-1-1"])
    }).pipe(Effect.provide(testTokens())))

  it.effect("says from when on it should be replaced, and is from then on", () =>
    Effect.gen(function*() {
      yield* signIn
      const { expiresAt, staleAt } = yield* current
      assert.deepStrictEqual([staleAt, expiresAt], [50 * 60_000, 60 * 60_000])
      yield* TestClock.adjust(staleAt - 1)
      yield* current
      assert.deepStrictEqual(yield* refreshes, [])
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* current).staleAt, 100 * 60_000)
      assert.deepStrictEqual(yield* refreshes, ["r-7-1-1"])
    }).pipe(Effect.provide(testTokens())))

  it.effect("keeps the old refresh token where the answer has none", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      yield* forgejo.rotates(false)
      yield* signIn
      for (let day = 0; day < 3; day++) {
        yield* afterExpiry
        yield* current
      }
      assert.deepStrictEqual(yield* refreshes, ["r-7-1-1", "r-7-1-1", "r-7-1-1"])
    }).pipe(Effect.provide(testTokens())))

  it.effect("of somebody without a pair is gone, and no grant is left", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(current)
      assert.strictEqual(error._tag, "UpstreamGone")
      assert.deepStrictEqual(yield* ended, [[ada, "upstream_gone"]])
    }).pipe(Effect.provide(testTokens())))

  it.effect("that can do more than is configured is gone at once with the user's grants, and the next sign-in is judged anew", () =>
    Effect.gen(function*() {
      const tokens = yield* UpstreamTokens
      yield* signIn
      yield* tokens.recordScope(ada, "openid profile read:user read:issue")
      yield* current
      assert.deepStrictEqual(yield* ended, [])
      yield* signIn
      yield* tokens.recordScope(ada, "read:user write:issue write:repository")
      assert.deepStrictEqual(yield* ended, [[ada, "upstream_gone"]])
      assert.strictEqual((yield* Effect.flip(current))._tag, "UpstreamGone")
      const pair = yield* signIn
      assert.strictEqual(text(yield* current), Redacted.value(pair.accessToken))
    }).pipe(Effect.provide(testTokens())))

  it.effect("that was recorded before the setting was narrowed is gone at its next use", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* signIn
      yield* sql`update upstream_tokens set scope = 'read:user write:issue write:repository'`
      yield* nearExpiry
      assert.strictEqual((yield* Effect.flip(current))._tag, "UpstreamGone")
      assert.deepStrictEqual(yield* ended, [[ada, "upstream_gone"]])
      assert.deepStrictEqual(yield* sql`select * from upstream_tokens`, [])
      assert.deepStrictEqual(yield* refreshes, [])
    }).pipe(Effect.provide(testTokens())))

  it.effect("that can do more serves where the operator wants a warning only", () =>
    Effect.gen(function*() {
      const pair = yield* signIn
      yield* Effect.flatMap(UpstreamTokens, (tokens) => tokens.recordScope(ada, "all"))
      assert.strictEqual(text(yield* current), Redacted.value(pair.accessToken))
      assert.deepStrictEqual(yield* ended, [])
    }).pipe(Effect.provide(testTokens({ scopeMismatch: "warn" }))))

  it.effect("whose row was moved from another user's does not open", () =>
    Effect.gen(function*() {
      yield* signIn
      const sql = yield* SqlClient.SqlClient
      yield* sql`update upstream_tokens set user_id = '8'`
      const tokens = yield* UpstreamTokens
      const error = yield* Effect.flip(tokens.current(UserId.make("8")))
      assert.strictEqual(error._tag, "UpstreamGone")
    }).pipe(Effect.provide(testTokens())))
})

describe("Forgejo out of reach", () => {
  it.effect("leaves the token in use while it lives, without a second attempt", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      const pair = yield* signIn
      yield* nearExpiry
      yield* forgejo.failRefreshes(1)
      assert.strictEqual(text(yield* current), Redacted.value(pair.accessToken))
      assert.match(text(yield* current), /^a-7-1-2-/)
    }).pipe(Effect.provide(testTokens())))

  it.effect("is tried again with growing pauses when the token is over", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      yield* signIn
      yield* afterExpiry
      yield* forgejo.failRefreshes(3)
      const caller = yield* Effect.fork(current)
      yield* TestClock.adjust("8 seconds")
      assert.match(text(yield* Fiber.join(caller)), /^a-7-1-2-/)
      assert.strictEqual((yield* refreshes).length, 4)
    }).pipe(Effect.provide(testTokens())))

  it.effect("is reported as unavailable in the end, and nobody is logged out", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      yield* signIn
      yield* afterExpiry
      yield* forgejo.failRefreshes(1000)
      const caller = yield* Effect.fork(Effect.flip(current))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(caller))._tag, "UpstreamUnavailable")
      assert.deepStrictEqual(yield* ended, [])
      yield* forgejo.failRefreshes(0)
      assert.match(text(yield* current), /^a-7-1-2-/)
    }).pipe(Effect.provide(testTokens())))

  it.effect("keeps nobody from the pair that a sign-in has brought meanwhile, and the token that it made void is not tried again", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      yield* signIn
      yield* afterExpiry
      yield* forgejo.failRefreshes(1000)
      const caller = yield* Effect.fork(current)
      yield* forgejo.refreshArrived
      const pair = yield* signIn
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(text(yield* Fiber.join(caller)), Redacted.value(pair.accessToken))
      assert.deepStrictEqual(yield* refreshes, ["r-7-1-1"])
    }).pipe(Effect.provide(testTokens())))

  it.effect("does not serve with the old token where a sign-in has stored its pair during the try", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      yield* signIn
      yield* nearExpiry
      yield* forgejo.failRefreshes(1)
      const release = yield* forgejo.holdAnswers
      const caller = yield* Effect.fork(current)
      yield* forgejo.refreshArrived
      const pair = yield* signIn
      yield* release
      assert.strictEqual(text(yield* Fiber.join(caller)), Redacted.value(pair.accessToken))
    }).pipe(Effect.provide(testTokens())))
})

describe("a pair that arrives", () => {
  it.effect("late, with a lower counter, does not replace the newer one", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      const tokens = yield* UpstreamTokens
      const first = yield* forgejo.signIn
      const second = yield* forgejo.signIn
      yield* tokens.store(ada, second)
      yield* tokens.store(ada, first)
      assert.strictEqual(text(yield* current), Redacted.value(second.accessToken))
    }).pipe(Effect.provide(testTokens())))

  it.effect("is forgotten once its user has no grant left, but not while a sign-in may need it", () =>
    Effect.gen(function*() {
      const tokens = yield* UpstreamTokens
      const sql = yield* SqlClient.SqlClient
      const kept = Effect.map(Effect.zipRight(tokens.forgetUngranted, sql`select * from upstream_tokens`), (rows) => rows.length)
      yield* signIn
      yield* TestClock.adjust("9 minutes")
      assert.strictEqual(yield* kept, 1)
      yield* sql`insert into clients values ('c', 'c', 'c', '[]', 'none', 0)`
      yield* sql`insert into grants values ('g', ${ada}, 'ada', 'c', 'mcp', 0, 0, 1, null, null)`
      yield* TestClock.adjust("1 minutes")
      assert.strictEqual(yield* kept, 1)
      yield* sql`update grants set ended_at = 1`
      assert.strictEqual(yield* kept, 0)
    }).pipe(Effect.provide(testTokens())))

  it.effect("of another Forgejo grant ends the grants that hung from the old one, and drops the recorded scope", () =>
    Effect.gen(function*() {
      const tokens = yield* UpstreamTokens
      const sql = yield* SqlClient.SqlClient
      yield* signIn
      yield* tokens.recordScope(ada, "read:user")
      yield* signIn
      assert.deepStrictEqual(yield* sql`select scope from upstream_tokens`, [{ scope: "read:user" }])
      yield* (yield* ForgejoSide).revoke
      const pair = yield* signIn
      assert.deepStrictEqual(yield* ended, [[ada, "upstream_changed"]])
      assert.deepStrictEqual(yield* sql`select scope from upstream_tokens`, [{ scope: null }])
      assert.strictEqual(text(yield* current), Redacted.value(pair.accessToken))
    }).pipe(Effect.provide(testTokens())))

  it.effect("from a refresh of a pair that was forgotten meanwhile is not stored", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      const sql = yield* SqlClient.SqlClient
      yield* signIn
      yield* nearExpiry
      const release = yield* forgejo.holdAnswers
      const caller = yield* Effect.fork(Effect.flip(current))
      yield* forgejo.refreshArrived
      yield* sql`delete from upstream_tokens`
      yield* release
      assert.strictEqual((yield* Fiber.join(caller))._tag, "UpstreamGone")
      assert.deepStrictEqual(yield* sql`select * from upstream_tokens`, [])
    }).pipe(Effect.provide(testTokens())))

  it.effect("from a refresh that a sign-in has overtaken is not stored", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      yield* signIn
      yield* nearExpiry
      const release = yield* forgejo.holdAnswers
      const caller = yield* Effect.fork(current)
      yield* forgejo.refreshArrived
      const pair = yield* signIn
      yield* release
      assert.strictEqual(text(yield* Fiber.join(caller)), Redacted.value(pair.accessToken))
      assert.strictEqual(text(yield* current), Redacted.value(pair.accessToken))
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* sql`select counter from upstream_tokens`, [{ counter: 3 }])
      assert.deepStrictEqual(yield* ended, [])
    }).pipe(Effect.provide(testTokens())))

  it.effect("from a refresh of a revoked grant does not replace that of the sign-in since", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      yield* signIn
      yield* nearExpiry
      const release = yield* forgejo.holdAnswers
      const caller = yield* Effect.fork(current)
      yield* forgejo.refreshArrived
      yield* forgejo.revoke
      const pair = yield* signIn
      yield* release
      assert.strictEqual(text(yield* Fiber.join(caller)), Redacted.value(pair.accessToken))
      assert.strictEqual(text(yield* current), Redacted.value(pair.accessToken))
      assert.deepStrictEqual(yield* ended, [[ada, "upstream_changed"]])
    }).pipe(Effect.provide(testTokens())))
})
