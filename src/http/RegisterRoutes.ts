import { HttpLayerRouter, HttpServerRespondable, HttpServerResponse } from "@effect/platform"
import { Effect, Redacted } from "effect"
import { Clients, type RegisteredClient } from "../services/Clients.ts"
import { OAuthError } from "../services/OAuthErrors.ts"
import { preflight, readJson, withCors } from "./Body.ts"
import { refuseOtherMethods } from "./WrongMethod.ts"

const toResponse = (client: RegisteredClient) =>
  HttpServerResponse.unsafeJson({
    client_id: client.clientId,
    client_id_issued_at: client.issuedAt,
    // For `none` clients too, unused: ChatGPT insists on one. 0 = never expires (RFC 7591 section 3.2.1).
    client_secret: Redacted.value(client.secret),
    client_secret_expires_at: 0,
    client_name: client.name,
    redirect_uris: client.redirectUris,
    token_endpoint_auth_method: client.authMethod,
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    scope: "mcp"
  }, { status: 201, headers: { "cache-control": "no-store", pragma: "no-cache" } })

/** Dynamic client registration (RFC 7591). Stores nothing. */
export const RegisterRoutes = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const clients = yield* Clients
    const register = readJson.pipe(
      Effect.mapError((problem) =>
        new OAuthError({ error: "invalid_client_metadata", description: problem.description, status: problem.status })),
      Effect.flatMap(clients.register),
      Effect.tap((client) => Effect.logInfo("client.registered").pipe(Effect.annotateLogs({ client: client.key, name: client.name }))),
      Effect.map(toResponse),
      Effect.catchTag("OAuthError", (error) =>
        Effect.logInfo("client.refused").pipe(
          Effect.annotateLogs({ error: error.error, description: error.description }),
          Effect.zipRight(HttpServerRespondable.toResponse(error))
        )),
      Effect.map(withCors)
    )
    for (const path of ["/oauth/register", "/register"] as const) {
      yield* router.add("POST", path, register)
      yield* router.add("OPTIONS", path, preflight("POST"))
      yield* refuseOtherMethods(router, path, ["POST", "OPTIONS"])
    }
  })
)
