import { Effect, Layer, Option, Redacted } from "effect"
import { UserId } from "../../src/domain/Ids.ts"
import { s256Challenge } from "../../src/domain/Pkce.ts"
import { ClientsLive } from "../../src/layers/ClientsLive.ts"
import { GrantsLive } from "../../src/layers/GrantsLive.ts"
import { PendingLoginsLive } from "../../src/layers/PendingLoginsLive.ts"
import { SqliteMemory } from "../../src/layers/SqliteLive.ts"
import { Clients } from "../../src/services/Clients.ts"
import { Grants } from "../../src/services/Grants.ts"
import { fakeSealing } from "./FakeSealing.ts"
import { publicUrl, settingsWith } from "./OAuthSettings.ts"

/** The OAuth stores over an empty database in memory. */
export const OAuthStores = Layer.mergeAll(ClientsLive, GrantsLive, PendingLoginsLive).pipe(
  Layer.provideMerge(Layer.mergeAll(SqliteMemory, fakeSealing(), settingsWith({})))
)

export const verifier = "v".repeat(43)
export const redirectUri = "http://127.0.0.1/cb"

/** A registered client with its row, as after a first Allow. */
export const someClient = Effect.gen(function*() {
  const clients = yield* Clients
  const client = yield* clients.register({ redirect_uris: [redirectUri], client_name: "Test client", token_endpoint_auth_method: "none" })
  yield* clients.remember(client)
  return client
})

/** A client, a grant of user 7 for it, and what redeems its code. */
export const someCode = Effect.gen(function*() {
  const client = yield* someClient
  const grants = yield* Grants
  const { code, grantId } = yield* grants.create({
    userId: UserId.make("7"),
    userName: "alice",
    clientKey: client.key,
    scope: "mcp",
    redirectUri,
    codeChallenge: s256Challenge(verifier),
    resource: `${publicUrl}/mcp`
  })
  const request = {
    clientKey: client.key,
    code,
    redirectUri: Option.some(redirectUri),
    verifier: Option.some(Redacted.make(verifier)),
    resource: Option.none<string>()
  }
  return { client, grantId, request }
})

/** A grant whose code has been redeemed. */
export const someTokens = Effect.gen(function*() {
  const { client, grantId, request } = yield* someCode
  const tokens = yield* (yield* Grants).redeem(request)
  return { client, grantId, request, tokens }
})
