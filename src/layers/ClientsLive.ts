import { SqlClient } from "@effect/sql"
import { Clock, Effect, Either, Layer, Option, Redacted } from "effect"
import { ClientKey } from "../domain/Ids.ts"
import { loginLifetime } from "../domain/Lifetimes.ts"
import type { Registration } from "../domain/Registration.ts"
import { parseRegistration, readRegistration } from "../domain/Registration.ts"
import { equalSecrets, sha256 } from "../domain/Secrets.ts"
import { AppConfig } from "../services/AppConfig.ts"
import type { Client } from "../services/Clients.ts"
import { Clients } from "../services/Clients.ts"
import { OAuthError } from "../services/OAuthErrors.ts"
import { Sealing } from "../services/Sealing.ts"

/** Associated data of sealed registrations: there is no row that one could belong to. */
const identity = "client"
/** Longer ones were not made here (see `maxRegistrationBytes`). */
const clientIdSyntax = /^[A-Za-z0-9_-]{16,6000}$/

const toClient = (clientId: string, registration: Registration): Client => ({
  clientId,
  key: ClientKey.make(sha256(clientId)),
  name: registration.n,
  redirectUris: registration.r,
  authMethod: registration.m
})

/** Claude.ai registers anew on `401 invalid_client`, and only on that. */
const invalidClient = (description: string, reason: string) => new OAuthError({ error: "invalid_client", description, status: 401, reason })

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const sealing = yield* Sealing
  const config = yield* AppConfig

  const secretOf = (clientId: string) => sealing.mac("client-secret", clientId)

  const register = Effect.fn("Clients.register")(function*(metadata: unknown) {
    const issuedAt = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const parsed = parseRegistration(metadata, config.redirectSchemes, issuedAt)
    if (Either.isLeft(parsed)) return yield* new OAuthError({ error: parsed.left.error, description: parsed.left.description })
    const clientId = yield* sealing.seal("client-registration", identity, Redacted.make(JSON.stringify(parsed.right)))
    return { ...toClient(clientId, parsed.right), secret: secretOf(clientId), issuedAt }
  })

  const resolve = Effect.fn("Clients.resolve")(function*(clientId: string) {
    if (!clientIdSyntax.test(clientId)) return Option.none<Client>()
    const opened = yield* Effect.option(sealing.open("client-registration", identity, clientId))
    return Option.map(
      Option.flatMap(opened, (json) => readRegistration(Redacted.value(json))),
      (registration) => toClient(clientId, registration)
    )
  })

  const authenticate = Effect.fn("Clients.authenticate")(function*(
    credentials: { readonly clientId: string; readonly secret: Option.Option<Redacted.Redacted> }
  ) {
    const client = yield* resolve(credentials.clientId)
    if (Option.isNone(client)) {
      return yield* invalidClient(
        "This client id is not known here. Register the client again at the registration endpoint.",
        "unknown client"
      )
    }
    if (Option.isNone(credentials.secret)) {
      if (client.value.authMethod === "none") return client.value
      return yield* invalidClient(
        `The client registered with "${client.value.authMethod}" and must send its client_secret.`,
        "secret missing"
      )
    }
    // Basic and post prove the same thing, and clients mix them up; `none` clients have a secret too and may send it.
    if (!equalSecrets(Redacted.value(credentials.secret.value), Redacted.value(secretOf(client.value.clientId)))) {
      return yield* invalidClient("The client_secret is wrong. Register the client again if it was lost.", "wrong secret")
    }
    return client.value
  })

  const remember = Effect.fn("Clients.remember")(function*(client: Client) {
    const now = yield* Clock.currentTimeMillis
    yield* sql`insert into clients ${
      sql.insert({
        key: client.key,
        client_id: client.clientId,
        name: client.name,
        redirect_uris: JSON.stringify(client.redirectUris),
        auth_method: client.authMethod,
        created_at: now
      })
    } on conflict (key) do update set created_at = excluded.created_at`
    // A store that fails is a fault that no caller can act on but by answering 500.
  }, Effect.orDie)

  // Anybody can press Allow. Twice the lifetime: a sign-in that comes back in its last second must still find the row.
  const sweep = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    sql`delete from clients where created_at <= ${now - 2 * loginLifetime}
      and not exists (select 1 from grants where grants.client_key = clients.key)`).pipe(Effect.orDie, Effect.asVoid)

  return Clients.of({ register, resolve, authenticate, remember, sweep })
})

/** Clients whose id is their sealed registration. */
export const ClientsLive = Layer.effect(Clients, make)
