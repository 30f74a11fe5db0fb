import { Data, Either, Option } from "effect"
import { displayText } from "./DisplayText.ts"
import type { Parameters } from "./Parameters.ts"
import { isS256Challenge } from "./Pkce.ts"
import { matchesRedirectUri } from "./RedirectRule.ts"
import { canonicalResource } from "./ResourceRule.ts"
import { grantedScope } from "./Scopes.ts"

/** Something is wrong before the redirect URI is proven: a page, never a redirect (RFC 6749 section 4.1.2.1). */
export class AuthorizePageError extends Data.TaggedError("AuthorizePageError")<{
  readonly title: string
  readonly detail: string
}> {}

/** Something is wrong after it: the client is told, with `state`, at its own redirect URI. */
export class AuthorizeRedirectError extends Data.TaggedError("AuthorizeRedirectError")<{
  readonly redirectUri: string
  readonly state: Option.Option<string>
  readonly error: "invalid_request" | "unsupported_response_type" | "invalid_scope" | "invalid_target"
  readonly description: string
}> {}

/** An authorization request whose every part is checked. */
export interface AuthorizeRequest {
  readonly redirectUri: string
  readonly state: Option.Option<string>
  readonly codeChallenge: string
  readonly scope: string
  readonly resource: string
}

/** Longer ones do not fit into a redirect that every proxy passes. */
export const maxStateLength = 2048

const startAgain = "Go back to your client and connect again. If it happens again, the client sends a wrong request; "
  + "tell its authors what stands here."

const pageError = (title: string, detail: string) => new AuthorizePageError({ title, detail: `${detail} ${startAgain}` })

/** Check 1: exactly one `client_id`. Whether it is known is for the caller to find out. */
export const clientIdOf = (parameters: Parameters): Either.Either<string, AuthorizePageError> => {
  if (parameters.isRepeated("client_id")) {
    return Either.left(pageError("The request names its client twice", "\"client_id\" may be given only once."))
  }
  return Either.fromOption(parameters.get("client_id"), () =>
    pageError("The request does not name its client", "The parameter \"client_id\" is missing."))
}

export const unknownClient = new AuthorizePageError({
  title: "This client is not known here",
  detail: "Its client id was not made by this broker, or was made before the broker's key changed. "
    + "Remove the connection in your client and add it again, so that it registers anew."
})

/** Check 2: a redirect URI that the client registered. Where it registered one only, that is the default. */
export const redirectUriOf = (parameters: Parameters, registered: ReadonlyArray<string>): Either.Either<string, AuthorizePageError> => {
  if (parameters.isRepeated("redirect_uri")) {
    return Either.left(pageError("The request names two places to return to", "\"redirect_uri\" may be given only once."))
  }
  const asked = parameters.get("redirect_uri")
  const only = registered.length === 1 ? registered[0] : undefined
  if (Option.isNone(asked)) {
    return only !== undefined ? Either.right(only) : Either.left(
      pageError(
        "The request does not say where to return to",
        "The parameter \"redirect_uri\" is missing, and the client registered more than one."
      )
    )
  }
  return matchesRedirectUri(asked.value, registered) ? Either.right(asked.value) : Either.left(new AuthorizePageError({
    title: "The client did not register this address",
    detail: `"${displayText(asked.value, 200)}" is not one of the redirect URIs that this client registered. You are not sent there, `
      + "because somebody else could be waiting. Remove the connection in your client and add it again."
  }))
}

/** Checks 3 to 9, in this order; the redirect URI is proven, so that the client hears of what is wrong. */
export const checkRequest = (
  parameters: Parameters,
  redirectUri: string,
  publicUrl: string
): Either.Either<AuthorizeRequest, AuthorizeRedirectError> => {
  const asked = parameters.isRepeated("state") ? Option.none<string>() : parameters.get("state")
  const state = Option.filter(asked, (text) => text.length <= maxStateLength)
  const no = (error: AuthorizeRedirectError["error"], description: string) =>
    Either.left(new AuthorizeRedirectError({ redirectUri, state, error, description }))

  if (Option.isSome(parameters.repeated)) {
    return no("invalid_request", `The parameter "${displayText(parameters.repeated.value, 40)}" is given more than once.`)
  }
  if (Option.isSome(asked) && Option.isNone(state)) {
    return no("invalid_request", `"state" may have at most ${maxStateLength} characters.`)
  }
  const responseType = parameters.get("response_type")
  if (Option.isNone(responseType)) return no("invalid_request", "\"response_type\" is missing; it must be \"code\".")
  if (responseType.value !== "code") return no("unsupported_response_type", "\"response_type\" must be \"code\".")
  if (Option.exists(parameters.get("response_mode"), (mode) => mode !== "query")) {
    return no("invalid_request", "\"response_mode\" must be \"query\" or absent.")
  }
  const challenge = parameters.get("code_challenge")
  if (Option.isNone(challenge)) return no("invalid_request", "\"code_challenge\" is missing: PKCE with S256 is required.")
  if (Option.getOrElse(parameters.get("code_challenge_method"), () => "plain") !== "S256") {
    return no("invalid_request", "\"code_challenge_method\" must be \"S256\".")
  }
  if (!isS256Challenge(challenge.value)) {
    return no("invalid_request", "\"code_challenge\" must be the base64url form of a SHA-256 hash: 43 characters, no padding.")
  }
  const scope = grantedScope(parameters.get("scope"))
  if (Option.isNone(scope)) return no("invalid_scope", "The only scope here is \"mcp\".")
  const targets = parameters.getAll("resource")
  const resources = targets.length === 0
    ? [canonicalResource(Option.none(), publicUrl)]
    : targets.map((target) => canonicalResource(Option.some(target), publicUrl))
  const resource = resources.every(Option.isSome) ? resources[0] : undefined
  if (resource === undefined || Option.isNone(resource)) return no("invalid_target", `"resource" must be "${publicUrl}/mcp".`)
  return Either.right({ redirectUri, state, codeChallenge: challenge.value, scope: scope.value, resource: resource.value })
}
