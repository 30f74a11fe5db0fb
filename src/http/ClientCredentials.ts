import type { HttpServerRequest } from "@effect/platform"
import { Effect, Option, Redacted } from "effect"
import type { Parameters } from "../domain/Parameters.ts"
import { OAuthError } from "../services/OAuthErrors.ts"

export interface Credentials {
  readonly clientId: string
  readonly secret: Option.Option<Redacted.Redacted>
}

const badRequest = (description: string) => new OAuthError({ error: "invalid_request", description })
const badBasic = new OAuthError({
  error: "invalid_client",
  description: "The Authorization header must be \"Basic\" and the base64 form of \"client_id:client_secret\", "
    + "each form-encoded (RFC 6749 section 2.3.1).",
  status: 401
})

/** `application/x-www-form-urlencoded` decoding of one value; nothing where a percent sign is misplaced. */
const formDecode = (text: string): Option.Option<string> => {
  try {
    return Option.some(decodeURIComponent(text.replace(/\+/g, " ")))
  } catch {
    return Option.none()
  }
}

const parseBasic = (encoded: string): Option.Option<readonly [string, string]> => {
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(encoded)) return Option.none()
  const text = Buffer.from(encoded, "base64").toString("utf8")
  const colon = text.indexOf(":")
  return colon < 1 ? Option.none() : Option.all([formDecode(text.slice(0, colon)), formDecode(text.slice(colon + 1))])
}

/**
 * Who the client says it is (RFC 6749 section 2.3.1): Basic, or the body, not both. An `Authorization` header of another
 * scheme is left alone: some clients send their old bearer token along.
 */
export const readCredentials = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest, form: Parameters) {
  const bodyId = form.get("client_id")
  const bodySecret = Option.map(form.get("client_secret"), (secret) => Redacted.make(secret))
  const basic = /^basic +(.+)$/i.exec(request.headers.authorization ?? "")?.[1]
  if (basic === undefined) {
    if (Option.isNone(bodyId)) return yield* badRequest("\"client_id\" is missing.")
    return { clientId: bodyId.value, secret: bodySecret } satisfies Credentials
  }
  const parsed = parseBasic(basic.trim())
  if (Option.isNone(parsed)) return yield* badBasic
  const [clientId, secret] = parsed.value
  if (Option.isSome(bodySecret)) return yield* badRequest("Send the client_secret in the Authorization header or in the body, not in both.")
  if (Option.exists(bodyId, (id) => id !== clientId)) {
    return yield* badRequest("\"client_id\" in the body differs from the one in the Authorization header.")
  }
  return { clientId, secret: secret === "" ? Option.none() : Option.some(Redacted.make(secret)) } satisfies Credentials
})
