import { assert, describe, it } from "@effect/vitest"
import { SqlClient } from "@effect/sql"
import { Deferred, Effect, Either, Exit, FastCheck as fc, Fiber, Layer, Redacted, Scope, TestClock, TestContext } from "effect"
import { UserId } from "../../src/domain/Ids.ts"
import { SealingLive } from "../../src/layers/SealingLive.ts"
import { SqliteMemory } from "../../src/layers/SqliteLive.ts"
import { UpstreamTokensLive } from "../../src/layers/UpstreamTokensLive.ts"
import type { Settings } from "../../src/services/AppConfig.ts"
import { UpstreamTokens } from "../../src/services/UpstreamTokens.ts"
import { EndedGrants, EndedGrantsLive } from "../fakes/EndedGrants.ts"
import { accessLife, ForgejoSide, ForgejoSideLive } from "../fakes/ForgejoSide.ts"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import { TestConfig } from "../fakes/TestConfig.ts"

const ada = UserId.make("7")

const Sealed = Layer.unwrapScoped(
  Effect.map(tempDirectory, (dataDir) => Layer.provide(SealingLive, TestConfig({ dataDir, sealingKeyFile: `${dataDir}/sealing.key` })))
)
const worldWith = (changes: Partial<Settings> = {}) =>
  Layer.mergeAll(ForgejoSideLive, EndedGrantsLive, Layer.provideMerge(Sealed, SqliteMemory), TestConfig(changes))
const World = worldWith()
const TestTokens = Layer.provideMerge(UpstreamTokensLive, World)

const signIn = Effect.gen(function*() {
  const tokens = yield* UpstreamTokens
  const pair = yield* (yield* ForgejoSide).signIn
  yield* tokens.store(ada, pair)
  return pair
})
const current = Effect.flatMap(UpstreamTokens, (tokens) => tokens.current(ada))
const text = (access: { readonly token: Redacted.Redacted }) => Redacted.value(access.token)
const ended = Effect.flatMap(EndedGrants, (grants) => grants.ofUsers)
const refreshes = Effect.flatMap(ForgejoSide, (forgejo) => forgejo.refreshes)
const nearExpiry = TestClock.adjust(accessLife - 60_000)
const afterExpiry = TestClock.adjust(accessLife)

describe("a user's current token", () => {
  it.effect("is the stored one while it is fresh, and Forgejo is not asked", () =>
    Effect.gen(function*() {
      const pair = yield* signIn
      yield* TestClock.adjust("40 minutes")
      assert.strictEqual(text(yield* current), Redacted.value(pair.accessToken))
      assert.deepStrictEqual(yield* refreshes, [])
    }).pipe(Effect.provide(TestTokens)))

  it.effect("is sealed in the store", () =>
    Effect.gen(function*() {
      yield* signIn
      const sql = yield* SqlClient.SqlClient
      assert.notInclude(JSON.stringify(yield* sql`select * from upstream_tokens`), "a-1-1")
    }).pipe(Effect.provide(TestTokens)))

  it.effect("is refreshed in the last minutes of its life", () =>
    Effect.gen(function*() {
      yield* signIn
      yield* nearExpiry
      assert.match(text(yield* current), /^a-1-2-/)
      assert.match(text(yield* current), /^a-1-2-/)
      assert.deepStrictEqual(yield* refreshes, ["r-1-1"])
    }).pipe(Effect.provide(TestTokens)))

  it.effect("keeps the old refresh token where the answer has none", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      yield* forgejo.rotates(false)
      yield* signIn
      for (let day = 0; day < 3; day++) {
        yield* afterExpiry
        yield* current
      }
      assert.deepStrictEqual(yield* refreshes, ["r-1-1", "r-1-1", "r-1-1"])
    }).pipe(Effect.provide(TestTokens)))

  it.effect("of somebody without a pair is gone, and no grant is left", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(current)
      assert.strictEqual(error._tag, "UpstreamGone")
      assert.deepStrictEqual(yield* ended, [[ada, "upstream_gone"]])
    }).pipe(Effect.provide(TestTokens)))

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
    }).pipe(Effect.provide(TestTokens)))

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
    }).pipe(Effect.provide(TestTokens)))

  it.effect("that can do more serves where the operator wants a warning only", () =>
    Effect.gen(function*() {
      const pair = yield* signIn
      yield* Effect.flatMap(UpstreamTokens, (tokens) => tokens.recordScope(ada, "all"))
      assert.strictEqual(text(yield* current), Redacted.value(pair.accessToken))
      assert.deepStrictEqual(yield* ended, [])
    }).pipe(Effect.provide(Layer.provideMerge(UpstreamTokensLive, worldWith({ scopeMismatch: "warn" })))))

  it.effect("whose row was moved from another user's does not open", () =>
    Effect.gen(function*() {
      yield* signIn
      const sql = yield* SqlClient.SqlClient
      yield* sql`update upstream_tokens set user_id = '8'`
      const tokens = yield* UpstreamTokens
      const error = yield* Effect.flip(tokens.current(UserId.make("8")))
      assert.strictEqual(error._tag, "UpstreamGone")
    }).pipe(Effect.provide(TestTokens)))
})

describe("one refresh at a time", () => {
  it.effect("n callers at once, in any interleaving with interruptions, make exactly one refresh per expiry and lose none", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.record({ before: fc.boolean(), interrupted: fc.boolean() }), { minLength: 1, maxLength: 12 }),
          fc.integer({ min: 1, max: 3 }),
          (callers, expiries) =>
            Effect.gen(function*() {
              const forgejo = yield* ForgejoSide
              yield* signIn
              for (let round = 1; round <= expiries; round++) {
                yield* afterExpiry
                const release = yield* forgejo.holdAnswers
                const early = yield* Effect.forEach(callers.filter((each) => each.before), (each) =>
                  Effect.map(Effect.fork(current), (fiber) => ({ ...each, fiber })))
                yield* Effect.yieldNow()
                yield* Effect.forEach(early.filter((each) => each.interrupted), (each) => Fiber.interrupt(each.fiber))
                const late = yield* Effect.forEach(callers.filter((each) => !each.before), (each) =>
                  Effect.map(Effect.fork(current), (fiber) => ({ ...each, fiber })))
                yield* Effect.yieldNow()
                yield* release
                const staying = [...early.filter((each) => !each.interrupted), ...late]
                const got = yield* Effect.forEach(staying, (each) => Fiber.join(each.fiber))
                const last = yield* current
                assert.isTrue(got.every((access) => text(access) === text(last)))
                assert.match(text(last), new RegExp(`^a-1-${round + 1}-`))
                assert.strictEqual((yield* refreshes).length, round)
              }
              assert.deepStrictEqual(yield* ended, [])
            }).pipe(Effect.provide(TestTokens), Effect.provide(TestContext.TestContext), Effect.runPromise)
        ),
        { numRuns: 30 }
      )
    ))

  it.effect("shares its failure with those who waited, instead of asking once per caller", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      yield* signIn
      yield* nearExpiry
      yield* forgejo.failRefreshes(100)
      const release = yield* forgejo.holdAnswers
      const fibers = yield* Effect.forEach(Array.from({ length: 8 }), () => Effect.fork(current))
      yield* forgejo.refreshArrived
      yield* release
      yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(TestTokens)))

  it.effect("is finished and stored when its only caller goes away", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      yield* signIn
      yield* nearExpiry
      const release = yield* forgejo.holdAnswers
      const caller = yield* Effect.fork(current)
      yield* forgejo.refreshArrived
      yield* Fiber.interrupt(caller)
      yield* release
      assert.match(text(yield* current), /^a-1-2-/)
      assert.strictEqual((yield* refreshes).length, 1)
    }).pipe(Effect.provide(TestTokens)))

  it.scoped("is waited for when the layer closes", () =>
    Effect.gen(function*() {
      const world = yield* Layer.build(World)
      const scope = yield* Scope.make()
      const tokens = yield* Layer.buildWithScope(Layer.provide(UpstreamTokensLive, Layer.succeedContext(world)), scope)
      yield* Effect.gen(function*() {
        const forgejo = yield* ForgejoSide
        yield* Effect.provide(signIn, tokens)
        yield* nearExpiry
        const release = yield* forgejo.holdAnswers
        yield* Effect.forkScoped(Effect.provide(current, tokens))
        yield* forgejo.refreshArrived
        const closing = yield* Effect.forkScoped(Scope.close(scope, Exit.void))
        yield* Effect.yieldNow()
        yield* release
        yield* Fiber.join(closing)
        const sql = yield* SqlClient.SqlClient
        assert.deepStrictEqual(yield* sql`select counter from upstream_tokens`, [{ counter: 2 }])
      }).pipe(Effect.provide(world))
    }))
})

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
    }).pipe(Effect.provide(TestTokens)))

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
    }).pipe(Effect.provide(TestTokens)))

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
      assert.deepStrictEqual(yield* ended, [])
    }).pipe(Effect.provide(TestTokens)))

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
    }).pipe(Effect.provide(TestTokens)))

  it.effect("that cannot be judged logs nobody out", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      yield* signIn
      yield* nearExpiry
      yield* forgejo.revoke
      yield* forgejo.introspectionDown(true)
      const caller = yield* Effect.fork(current)
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(caller)
      assert.deepStrictEqual(yield* ended, [])
    }).pipe(Effect.provide(TestTokens)))

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
    }).pipe(Effect.provide(TestTokens)))
})

describe("Forgejo out of reach", () => {
  it.effect("leaves the token in use while it lives, without a second attempt", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      const pair = yield* signIn
      yield* nearExpiry
      yield* forgejo.failRefreshes(1)
      assert.strictEqual(text(yield* current), Redacted.value(pair.accessToken))
      assert.match(text(yield* current), /^a-1-2-/)
    }).pipe(Effect.provide(TestTokens)))

  it.effect("is tried again with growing pauses when the token is over", () =>
    Effect.gen(function*() {
      const forgejo = yield* ForgejoSide
      yield* signIn
      yield* afterExpiry
      yield* forgejo.failRefreshes(3)
      const caller = yield* Effect.fork(current)
      yield* TestClock.adjust("8 seconds")
      assert.match(text(yield* Fiber.join(caller)), /^a-1-2-/)
      assert.strictEqual((yield* refreshes).length, 4)
    }).pipe(Effect.provide(TestTokens)))

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
    }).pipe(Effect.provide(TestTokens)))
})

describe("a 401 from the API", () => {
  const recheck = (token: Redacted.Redacted) => Effect.flatMap(UpstreamTokens, (tokens) => tokens.recheck(ada, token))

  it.effect("that userinfo does not confirm changes nothing", () =>
    Effect.gen(function*() {
      const pair = yield* signIn
      assert.strictEqual(text(yield* recheck(pair.accessToken)), Redacted.value(pair.accessToken))
      assert.deepStrictEqual(yield* refreshes, [])
    }).pipe(Effect.provide(TestTokens)))

  it.effect("that userinfo confirms makes a new pair", () =>
    Effect.gen(function*() {
      const pair = yield* signIn
      yield* (yield* ForgejoSide).refuseAccessTokens(true)
      assert.match(text(yield* recheck(pair.accessToken)), /^a-1-2-/)
    }).pipe(Effect.provide(TestTokens)))

  it.effect("after a revocation ends the user's grants", () =>
    Effect.gen(function*() {
      const pair = yield* signIn
      yield* (yield* ForgejoSide).revoke
      assert.strictEqual((yield* Effect.flip(recheck(pair.accessToken)))._tag, "UpstreamGone")
      assert.deepStrictEqual(yield* ended, [[ada, "upstream_gone"]])
    }).pipe(Effect.provide(TestTokens)))

  it.effect("about a token that has been replaced gives the one that replaced it", () =>
    Effect.gen(function*() {
      const old = yield* signIn
      const pair = yield* signIn
      yield* (yield* ForgejoSide).refuseAccessTokens(true)
      assert.strictEqual(text(yield* recheck(old.accessToken)), Redacted.value(pair.accessToken))
    }).pipe(Effect.provide(TestTokens)))

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
    }).pipe(Effect.provide(TestTokens)))
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
    }).pipe(Effect.provide(TestTokens)))

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
    }).pipe(Effect.provide(TestTokens)))

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
    }).pipe(Effect.provide(TestTokens)))

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
    }).pipe(Effect.provide(TestTokens)))

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
    }).pipe(Effect.provide(TestTokens)))
})
