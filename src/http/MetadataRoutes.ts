import { HttpLayerRouter, HttpServerResponse } from "@effect/platform"
import { Effect } from "effect"
import { resourceOf } from "../domain/ResourceRule.ts"
import { offeredScopes } from "../domain/Scopes.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { preflight, withCors } from "./Body.ts"
import { refuseOtherMethods } from "./WrongMethod.ts"

/** RFC 9728. `offline_access` is left out: MCP says so. */
export const protectedResource = (publicUrl: string) => ({
  resource: resourceOf(publicUrl),
  authorization_servers: [publicUrl],
  scopes_supported: offeredScopes,
  bearer_methods_supported: ["header"],
  resource_name: "Forgejo MCP"
})

/** RFC 8414, with RFC 9207. What is not there is not advertised. */
export const authorizationServer = (publicUrl: string) => ({
  issuer: publicUrl,
  authorization_endpoint: `${publicUrl}/oauth/authorize`,
  token_endpoint: `${publicUrl}/oauth/token`,
  registration_endpoint: `${publicUrl}/oauth/register`,
  revocation_endpoint: `${publicUrl}/oauth/revoke`,
  response_types_supported: ["code"],
  response_modes_supported: ["query"],
  grant_types_supported: ["authorization_code", "refresh_token"],
  code_challenge_methods_supported: ["S256"],
  token_endpoint_auth_methods_supported: ["none", "client_secret_basic", "client_secret_post"],
  revocation_endpoint_auth_methods_supported: ["none", "client_secret_basic", "client_secret_post"],
  scopes_supported: offeredScopes,
  authorization_response_iss_parameter_supported: true
})

/** Public and the same for everybody; they change with a new version of the broker only. */
const headers = { "cache-control": "public, max-age=300", "x-content-type-options": "nosniff" }

/** The well-known documents. Everything in them comes from the settings, never from `Host`. */
export const MetadataRoutes = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const { publicUrl } = yield* AppConfig
    const documents = [
      ["/.well-known/oauth-protected-resource", protectedResource(publicUrl)],
      ["/.well-known/oauth-protected-resource/mcp", protectedResource(publicUrl)],
      // Not under /mcp: the issuer is the bare origin (RFC 8414 section 3.3).
      ["/.well-known/oauth-authorization-server", authorizationServer(publicUrl)]
    ] as const
    for (const [path, document] of documents) {
      yield* router.add("GET", path, withCors(HttpServerResponse.unsafeJson(document, { headers })))
      yield* router.add("OPTIONS", path, preflight("GET"))
      yield* refuseOtherMethods(router, path, ["GET", "OPTIONS"])
    }
  })
)
