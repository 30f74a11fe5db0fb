import type { Option } from "effect"
import { Data, Either, Schema } from "effect"
import { displayText } from "./DisplayText.ts"
import { checkRedirectUri, destinationOf } from "./RedirectRule.ts"

export const authMethods = ["none", "client_secret_basic", "client_secret_post"] as const
export type AuthMethod = (typeof authMethods)[number]

/** What a `client_id` holds. Short keys: the sealed text travels in URLs. */
export const Registration = Schema.Struct({
  v: Schema.Literal(1),
  /** Name. */
  n: Schema.String,
  /** Redirect URIs. */
  r: Schema.NonEmptyArray(Schema.String),
  /** How the client authenticates at the token endpoint. */
  m: Schema.Literal(...authMethods),
  /** Registered at, epoch seconds. */
  t: Schema.Number
})
export type Registration = typeof Registration.Type

export const RegistrationJson = Schema.parseJson(Registration)

/** RFC 7591 section 3.2.2. */
export class RegistrationRefused extends Data.TaggedError("RegistrationRefused")<{
  readonly error: "invalid_redirect_uri" | "invalid_client_metadata"
  readonly description: string
}> {}

export const maxRedirectUris = 10
/** Bytes of JSON: sealed and in base64url it becomes a client id of a little over 4 KiB, which fits into every URL limit in use. */
export const maxRegistrationBytes = 3072

const refuse = (error: RegistrationRefused["error"], description: string) => Either.left(new RegistrationRefused({ error, description }))
const metadata = (description: string) => refuse("invalid_client_metadata", description)
const isTextArray = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.every((item) => typeof item === "string")

const redirectUrisOf = (
  value: unknown,
  schemes: ReadonlyArray<string>
): Either.Either<readonly [string, ...Array<string>], RegistrationRefused> => {
  if (!isTextArray(value)) {
    return refuse("invalid_redirect_uri", "\"redirect_uris\" must be an array of text, for example [\"http://127.0.0.1/callback\"].")
  }
  const [first, ...rest] = [...new Set(value)]
  if (first === undefined) return refuse("invalid_redirect_uri", "\"redirect_uris\" must name at least one URI.")
  if (rest.length >= maxRedirectUris) return refuse("invalid_redirect_uri", `"redirect_uris" may name at most ${maxRedirectUris} URIs.`)
  for (const uri of [first, ...rest]) {
    const checked = checkRedirectUri(uri, schemes)
    if (Either.isLeft(checked)) return refuse("invalid_redirect_uri", checked.left)
  }
  return Either.right([first, ...rest])
}

/** VS Code lists a device grant too: what we do not have is left out of the answer, as RFC 7591 section 2 allows. */
const holds = (value: unknown, word: string): boolean => value === undefined || (isTextArray(value) && value.includes(word))

/**
 * Reads the metadata of RFC 7591 section 2. Fields that we do not use (`application_type`, `scope`, `logo_uri`, ...) are
 * ignored, whatever they hold. `now` in epoch seconds; `schemes` are the allowed private-use URI schemes.
 */
export const parseRegistration = (
  body: unknown,
  schemes: ReadonlyArray<string>,
  now: number
): Either.Either<Registration, RegistrationRefused> => {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    return metadata("The body must be a JSON object with client metadata (RFC 7591), at least \"redirect_uris\".")
  }
  const fields: Readonly<Record<string, unknown>> = { ...body }
  const uris = redirectUrisOf(fields["redirect_uris"], schemes)
  if (Either.isLeft(uris)) return Either.left(uris.left)
  const name = fields["client_name"] ?? ""
  if (typeof name !== "string") return metadata("\"client_name\" must be text.")
  const method = authMethods.find((known) => known === (fields["token_endpoint_auth_method"] ?? "client_secret_basic"))
  if (method === undefined) {
    return metadata("\"token_endpoint_auth_method\" must be \"none\", \"client_secret_basic\" or \"client_secret_post\".")
  }
  if (!holds(fields["grant_types"], "authorization_code")) {
    return metadata(
      "\"grant_types\" must be an array of text that contains \"authorization_code\" (\"refresh_token\" may stand beside it)."
    )
  }
  if (!holds(fields["response_types"], "code")) return metadata("\"response_types\" must be an array of text that contains \"code\".")
  const shown = displayText(name)
  const registration: Registration = {
    v: 1,
    n: shown === "" ? `Client at ${destinationOf(uris.right[0]).host}` : shown,
    r: uris.right,
    m: method,
    t: now
  }
  return Buffer.byteLength(JSON.stringify(registration)) <= maxRegistrationBytes
    ? Either.right(registration)
    : metadata(`Name and redirect URIs together may have at most ${maxRegistrationBytes} bytes. Register fewer or shorter redirect URIs.`)
}

/** The registration in a sealed client id that has been opened; nothing where it is of a form that this version does not know. */
export const readRegistration = (json: string): Option.Option<Registration> => Schema.decodeUnknownOption(RegistrationJson)(json)
