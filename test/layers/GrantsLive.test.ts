import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Layer, Option, PubSub, Queue, Redacted, TestClock } from "effect"
import { ClientKey, UserId } from "../../src/domain/Ids.ts"
import { GrantsLive } from "../../src/layers/GrantsLive.ts"
import { Grants } from "../../src/services/Grants.ts"
import { GrantUpkeep } from "../../src/services/GrantUpkeep.ts"
import { fakeSealing } from "../fakes/FakeSealing.ts"
import { settingsWith } from "../fakes/OAuthSettings.ts"
import { OAuthStores, someClient, someCode, someTokens } from "../fakes/OAuthStores.ts"

const accepted = (token: Redacted.Redacted) => Effect.flatMap(Grants, (grants) => Effect.isSuccess(grants.verify(token)))
const refreshed = (clientKey: ClientKey, refreshToken: Redacted.Redacted) =>
  Effect.flatMap(Grants, (grants) => grants.refresh({ clientKey, refreshToken, resource: Option.none() }))

describe("an authorization code", () => {
  it.effect("is redeemed once: of three at the same time one wins, and the replays end what it gave", () =>
    Effect.gen(function*() {
      const grants = yield* Grants
      const { grantId, request } = yield* someCode
      const results = yield* Effect.all([1, 2, 3].map(() => Effect.either(grants.redeem(request))), { concurrency: 3 })
      const won = results.filter(Either.isRight)
      assert.strictEqual(won.length, 1)
      assert.deepStrictEqual(results.filter(Either.isLeft).map((lost) => lost.left.error), ["invalid_grant", "invalid_grant"])
      assert.isFalse(yield* grants.isLive(grantId))
      assert.isFalse(yield* accepted(won[0]!.right.accessToken))
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("presented again later ends the grant, says so once, and its tokens are worth nothing", () =>
    Effect.gen(function*() {
      const grants = yield* Grants
      const ended = yield* PubSub.subscribe(grants.ended)
      const { client, grantId, request, tokens } = yield* someTokens
      assert.isTrue(yield* accepted(tokens.accessToken))
      yield* TestClock.adjust("10 minutes")
      const error = yield* Effect.flip(grants.redeem(request))
      assert.strictEqual(error.error, "invalid_grant")
      assert.isFalse(yield* accepted(tokens.accessToken))
      assert.strictEqual((yield* Effect.flip(refreshed(client.key, tokens.refreshToken))).error, "invalid_grant")
      yield* Effect.flip(grants.redeem(request))
      assert.deepStrictEqual([...(yield* Queue.takeAll(ended))], [grantId])
    }).pipe(Effect.scoped, Effect.provide(OAuthStores)))

  it.effect("is not used up by requests that are wrong, each of which gets its own sentence", () =>
    Effect.gen(function*() {
      const grants = yield* Grants
      const { request } = yield* someCode
      const wrong = (changes: Partial<typeof request>) =>
        Effect.map(Effect.flip(grants.redeem({ ...request, ...changes })), (error) => [error.error, error.description])
      const unknown = "The authorization code is unknown, expired or already used. Send the user to the authorization endpoint again."
      assert.deepStrictEqual(yield* wrong({ code: Redacted.make("x") }), ["invalid_grant", unknown])
      assert.deepStrictEqual(yield* wrong({ clientKey: ClientKey.make("other") }), ["invalid_grant", unknown])
      assert.deepStrictEqual(yield* wrong({ redirectUri: Option.some("http://127.0.0.1:1/cb") }), [
        "invalid_grant",
        "\"redirect_uri\" must be the same as in the authorization request."
      ])
      assert.deepStrictEqual(yield* wrong({ verifier: Option.none() }), ["invalid_request", "\"code_verifier\" is missing: PKCE is required."])
      assert.deepStrictEqual(yield* wrong({ verifier: Option.some(Redacted.make("short")) }), [
        "invalid_grant",
        "\"code_verifier\" must have 43 to 128 characters of A-Z a-z 0-9 - . _ ~ (RFC 7636)."
      ])
      assert.deepStrictEqual(yield* wrong({ verifier: Option.some(Redacted.make("w".repeat(43))) }), [
        "invalid_grant",
        "\"code_verifier\" does not fit the code_challenge of the authorization request."
      ])
      assert.deepStrictEqual(yield* wrong({ resource: Option.some("https://evil.example/mcp") }), [
        "invalid_target",
        "\"resource\" must be \"https://broker.example/mcp\"."
      ])
      assert.isTrue(yield* Effect.isSuccess(grants.redeem(request)))
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("lives two minutes", () =>
    Effect.gen(function*() {
      const grants = yield* Grants
      const first = yield* someCode
      yield* TestClock.adjust("119 seconds")
      assert.isTrue(yield* Effect.isSuccess(grants.redeem(first.request)))
      const second = yield* someCode
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* Effect.flip(grants.redeem(second.request))).error, "invalid_grant")
    }).pipe(Effect.provide(OAuthStores)))
})

describe("an access token", () => {
  it.effect("stands for its grant for one hour", () =>
    Effect.gen(function*() {
      const grants = yield* Grants
      const { client, grantId, tokens } = yield* someTokens
      const grant = yield* grants.verify(tokens.accessToken)
      assert.deepStrictEqual(grant, { id: grantId, userId: UserId.make("7"), userName: "alice", clientKey: client.key, scope: "mcp" })
      yield* TestClock.adjust("3599 seconds")
      assert.isTrue(yield* accepted(tokens.accessToken))
      yield* TestClock.adjust("1 second")
      assert.isFalse(yield* accepted(tokens.accessToken))
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("made for another public URL is refused, although the store is the same one; a refresh gives one that is good", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { client, tokens } = yield* someTokens
      const moved = GrantsLive.pipe(
        Layer.provide(Layer.mergeAll(Layer.succeed(SqlClient.SqlClient, sql), fakeSealing(), settingsWith({ publicUrl: "https://moved.example" })))
      )
      const first = yield* refreshed(client.key, tokens.refreshToken)
      yield* Effect.gen(function*() {
        assert.isFalse(yield* accepted(tokens.accessToken))
        assert.isFalse(yield* accepted(first.accessToken))
        // Also where the same answer is asked for again: the access token in it must be one for here.
        const again = yield* refreshed(client.key, tokens.refreshToken)
        assert.strictEqual(Redacted.value(again.refreshToken), Redacted.value(first.refreshToken))
        assert.isTrue(yield* accepted(again.accessToken))
      }).pipe(Effect.provide(moved))
      assert.isTrue(yield* accepted(first.accessToken))
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("is refused where it is anything else, a refresh token too", () =>
    Effect.gen(function*() {
      const { tokens } = yield* someTokens
      for (const other of [Redacted.make(""), Redacted.make("fjmcp_at_x"), tokens.refreshToken]) assert.isFalse(yield* accepted(other))
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("revoked by its client ends alone; a refresh token ends the grant; other clients' tokens are left alone", () =>
    Effect.gen(function*() {
      const grants = yield* Grants
      const { client, grantId, tokens } = yield* someTokens
      const stranger = ClientKey.make("stranger")
      yield* accepted(tokens.accessToken)
      yield* grants.revoke({ clientKey: stranger, token: tokens.accessToken })
      yield* grants.revoke({ clientKey: stranger, token: tokens.refreshToken })
      assert.isTrue(yield* accepted(tokens.accessToken))
      yield* grants.revoke({ clientKey: client.key, token: tokens.accessToken })
      assert.isFalse(yield* accepted(tokens.accessToken))
      assert.isTrue(yield* grants.isLive(grantId))
      yield* grants.revoke({ clientKey: client.key, token: Redacted.make("never seen") })
      yield* grants.revoke({ clientKey: client.key, token: tokens.refreshToken })
      assert.isFalse(yield* grants.isLive(grantId))
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("that was verified a moment ago is refused as soon as its user's grants end", () =>
    Effect.gen(function*() {
      const grants = yield* Grants
      const ended = yield* PubSub.subscribe(grants.ended)
      const { grantId, tokens } = yield* someTokens
      assert.isTrue(yield* accepted(tokens.accessToken))
      yield* grants.endOfUser(UserId.make("7"), "upstream_gone")
      assert.isFalse(yield* accepted(tokens.accessToken))
      yield* grants.end(grantId, "upstream_gone")
      assert.deepStrictEqual([...(yield* Queue.takeAll(ended))], [grantId])
    }).pipe(Effect.scoped, Effect.provide(OAuthStores)))

  it.effect("leaves the time of its last use behind", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { tokens } = yield* someTokens
      yield* TestClock.adjust("7 seconds")
      yield* accepted(tokens.accessToken)
      yield* Effect.flatMap(GrantUpkeep, (upkeep) => upkeep.flushUse)
      assert.deepStrictEqual(yield* sql`select last_used_at from grants`, [{ last_used_at: 7000 }])
    }).pipe(Effect.provide(OAuthStores)))
})

describe("the sweep", () => {
  it.effect("removes what expired and nothing else", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const grants = yield* Grants
      const upkeep = yield* GrantUpkeep
      const ended = yield* PubSub.subscribe(grants.ended)
      const unredeemed = yield* someCode
      const used = yield* someTokens
      yield* refreshed(used.client.key, used.tokens.refreshToken)
      const count = Effect.map(
        sql`select (select count(*) from grants where ended_at is null) as live, (select count(*) from grants) as grants, (select count(*) from codes) as codes,
          (select count(*) from access_tokens) as access, (select count(*) from refresh_tokens where nonce is not null) as nonces`,
        (rows) => rows[0]
      )
      yield* upkeep.sweepExpired
      assert.deepStrictEqual(yield* count, { live: 2, grants: 2, codes: 2, access: 2, nonces: 1 })
      yield* TestClock.adjust("5 minutes")
      yield* upkeep.sweepExpired
      assert.deepStrictEqual(yield* count, { live: 1, grants: 2, codes: 1, access: 2, nonces: 0 })
      yield* TestClock.adjust("1 hour")
      yield* upkeep.sweepExpired
      assert.deepStrictEqual(yield* count, { live: 1, grants: 2, codes: 1, access: 0, nonces: 0 })
      yield* TestClock.adjust("30 days")
      yield* upkeep.sweepExpired
      assert.deepStrictEqual(yield* count, { live: 0, grants: 1, codes: 1, access: 0, nonces: 0 })
      assert.deepStrictEqual([...(yield* Queue.takeAll(ended))], [unredeemed.grantId, used.grantId])
    }).pipe(Effect.scoped, Effect.provide(OAuthStores)))
})

it.effect("no secret is in the store as it is", () =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* someClient
    const { client, request, tokens } = yield* someTokens
    const next = yield* refreshed(client.key, tokens.refreshToken)
    const tables = yield* Effect.forEach(["clients", "grants", "codes", "access_tokens", "refresh_tokens"], (table) => sql`select * from ${sql(table)}`)
    const text = JSON.stringify(tables)
    for (const secret of [request.code, tokens.accessToken, tokens.refreshToken, next.accessToken, next.refreshToken, client.secret]) {
      assert.notInclude(text, Redacted.value(secret))
    }
  }).pipe(Effect.provide(OAuthStores)))
