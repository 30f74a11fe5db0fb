import { HttpServerRespondable, HttpServerResponse } from "@effect/platform"
import { Effect, Schema } from "effect"

/** The error codes that we answer with, of RFC 6749 section 5.2, RFC 7009 section 2.2.1, RFC 7591 section 3.2.2 and RFC 8707 section 2. */
export const OAuthErrorCode = Schema.Literal(
  "invalid_request",
  "invalid_client",
  "invalid_grant",
  "unsupported_grant_type",
  "invalid_scope",
  "invalid_target",
  "invalid_redirect_uri",
  "invalid_client_metadata"
)

/**
 * An error of the token, revocation or registration endpoint. `description` goes over the wire and tells a person what
 * to do; `reason` is for the log only.
 */
export class OAuthError extends Schema.TaggedError<OAuthError>()("OAuthError", {
  error: OAuthErrorCode,
  description: Schema.String,
  status: Schema.optionalWith(Schema.Number, { default: () => 400 }),
  reason: Schema.optional(Schema.String)
}) implements HttpServerRespondable.Respondable {
  [HttpServerRespondable.symbol]() {
    return Effect.succeed(HttpServerResponse.unsafeJson({ error: this.error, error_description: this.description }, {
      status: this.status,
      headers: {
        "cache-control": "no-store",
        ...(this.status === 401 ? { "www-authenticate": "Basic realm=\"fjmcp-broker\"" } : {})
      }
    }))
  }
}
