import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, TestClock } from "effect"
import { ClientsLive } from "../../src/layers/ClientsLive.ts"
import { SqliteMemory } from "../../src/layers/SqliteLive.ts"
import { Clients } from "../../src/services/Clients.ts"
import { fakeSealing } from "../fakes/FakeSealing.ts"
import { settingsWith } from "../fakes/OAuthSettings.ts"
import { OAuthStores, someCode } from "../fakes/OAuthStores.ts"

const metadata = { redirect_uris: ["http://127.0.0.1/cb"], client_name: "x" }

describe("a client", () => {
  it.effect("is its own client id: registering stores nothing, and the id alone brings it back", () =>
    Effect.gen(function*() {
      const clients = yield* Clients
      const sql = yield* SqlClient.SqlClient
      const { issuedAt, secret, ...client } = yield* clients.register(metadata)
      assert.strictEqual(issuedAt, 0)
      assert.isNotEmpty(Redacted.value(secret))
      assert.deepStrictEqual(yield* sql`select * from clients`, [])
      assert.deepStrictEqual(Option.getOrThrow(yield* clients.resolve(client.clientId)), client)
      yield* clients.remember(client)
      yield* clients.remember(client)
      assert.strictEqual((yield* sql`select * from clients`).length, 1)
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("without a grant is forgotten 20 minutes after its last Allow, and one with a grant is kept", () =>
    Effect.gen(function*() {
      const clients = yield* Clients
      const sql = yield* SqlClient.SqlClient
      const names = Effect.map(
        Effect.zipRight(clients.sweep, sql<{ readonly name: string }>`select name from clients order by name`),
        (rows) => rows.map(({ name }) => name)
      )
      const { grantId } = yield* someCode
      const once = yield* clients.register({ ...metadata, client_name: "Allowed once" })
      const twice = yield* clients.register({ ...metadata, client_name: "Allowed twice" })
      yield* clients.remember(once)
      yield* clients.remember(twice)
      yield* TestClock.adjust("19 minutes")
      yield* clients.remember(twice)
      assert.deepStrictEqual(yield* names, ["Allowed once", "Allowed twice", "Test client"])
      yield* TestClock.adjust("1 minutes")
      assert.deepStrictEqual(yield* names, ["Allowed twice", "Test client"])
      yield* TestClock.adjust("1 hour")
      yield* sql`update grants set ended_at = 1`
      assert.deepStrictEqual(yield* names, ["Test client"])
      yield* sql`delete from grants where id = ${grantId}`
      assert.deepStrictEqual(yield* names, [])
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("is not known where the id was made up, changed or sealed with another key", () =>
    Effect.gen(function*() {
      const clients = yield* Clients
      const { clientId } = yield* clients.register(metadata)
      const changed = clientId.slice(0, 40) + (clientId[40] === "A" ? "B" : "A") + clientId.slice(41)
      const foreign = yield* Effect.flatMap(Clients, (others) => others.register(metadata)).pipe(
        Effect.map((registered) => registered.clientId),
        Effect.provide(ClientsLive.pipe(Layer.provide(Layer.mergeAll(SqliteMemory, fakeSealing("another key"), settingsWith({})))))
      )
      for (const id of ["", "x", "https://c.example/meta.json", "a".repeat(40), changed, foreign, `${clientId}.`]) {
        assert.isTrue(Option.isNone(yield* clients.resolve(id)), id)
      }
    }).pipe(Effect.provide(OAuthStores)))

  it.effect("proves itself with its secret by either way, and a wrong or missing one is 401", () =>
    Effect.gen(function*() {
      const clients = yield* Clients
      const secretive = yield* clients.register({ ...metadata, token_endpoint_auth_method: "client_secret_post" })
      const open = yield* clients.register({ ...metadata, token_endpoint_auth_method: "none" })
      const right = Option.some(secretive.secret)
      assert.strictEqual((yield* clients.authenticate({ clientId: secretive.clientId, secret: right })).key, secretive.key)
      assert.strictEqual((yield* clients.authenticate({ clientId: open.clientId, secret: Option.none() })).key, open.key)
      assert.strictEqual((yield* clients.authenticate({ clientId: open.clientId, secret: Option.some(open.secret) })).key, open.key)
      const refused = (clientId: string, secret: Option.Option<Redacted.Redacted>) =>
        Effect.map(Effect.flip(clients.authenticate({ clientId, secret })), (error) => [error.error, error.status, error.description])
      assert.deepStrictEqual(yield* refused(secretive.clientId, Option.none()), [
        "invalid_client",
        401,
        "The client registered with \"client_secret_post\" and must send its client_secret."
      ])
      const wrong = "The client_secret is wrong. Register the client again if it was lost."
      assert.deepStrictEqual(yield* refused(secretive.clientId, Option.some(open.secret)), ["invalid_client", 401, wrong])
      assert.deepStrictEqual(yield* refused(open.clientId, Option.some(Redacted.make("x"))), ["invalid_client", 401, wrong])
      assert.deepStrictEqual(yield* refused("nobody-knows-this-one", Option.none()), [
        "invalid_client",
        401,
        "This client id is not known here. Register the client again at the registration endpoint."
      ])
    }).pipe(Effect.provide(OAuthStores)))
})
