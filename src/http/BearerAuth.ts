import { Data, Effect, Redacted } from "effect"
import type { Grant, Grants } from "../services/Grants.ts"

/** No bearer token was sent (`missing`), or it is not good for this resource (RFC 6750 section 3.1). */
export class Unauthorized extends Data.TaggedError("Unauthorized")<{ readonly why: "missing" | "invalid_token" }> {}

/** The grant behind the `Authorization: Bearer` header, the only place where a token is looked for. */
export const authenticate = (grants: Grants["Type"], authorization: string | undefined): Effect.Effect<Grant, Unauthorized> => {
  const bearer = /^bearer +([^ ]+) *$/i.exec(authorization ?? "")?.[1]
  return bearer === undefined
    ? Effect.fail(new Unauthorized({ why: "missing" }))
    : Effect.catchAll(grants.verify(Redacted.make(bearer)), () => new Unauthorized({ why: "invalid_token" }))
}

/** The `WWW-Authenticate` challenge (RFC 6750, RFC 9728 section 5.1): clients find the authorization server through it. */
export const challenge = (publicUrl: string, why: Unauthorized["why"]): string =>
  [
    ...(why === "missing" ? [] : ["error=\"invalid_token\"", "error_description=\"The access token is unknown, expired or revoked; sign in again\""]),
    `resource_metadata="${publicUrl}/.well-known/oauth-protected-resource/mcp"`,
    "scope=\"mcp\""
  ].join(", ").replace(/^/, "Bearer ")
