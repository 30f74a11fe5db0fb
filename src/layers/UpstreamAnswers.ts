import { Either, Option, Redacted, Schema } from "effect"
import { UserId } from "../domain/Ids.ts"
import { decodeClaims, integerClaim, textClaim } from "../domain/Jwt.ts"
import { type TokenPair, UpstreamRefused, UpstreamUnavailable, type UserInfo } from "../services/Upstream.ts"
import type { Answer } from "./UpstreamHttp.ts"

/** Parse errors are never passed on: they print the values that they reject, and these are tokens. */

const TokenJson = Schema.parseJson(Schema.Struct({
  access_token: Schema.NonEmptyString,
  token_type: Schema.optional(Schema.String),
  expires_in: Schema.optional(Schema.Unknown),
  refresh_token: Schema.optional(Schema.NullOr(Schema.String)),
  id_token: Schema.optional(Schema.NullOr(Schema.String))
}))
const ErrorJson = Schema.parseJson(Schema.Struct({
  error: Schema.NonEmptyString,
  error_description: Schema.optional(Schema.NullOr(Schema.String))
}))
const UserInfoJson = Schema.parseJson(Schema.Struct({
  sub: Schema.Union(Schema.NonEmptyString, Schema.Int),
  preferred_username: Schema.optional(Schema.NullOr(Schema.String)),
  name: Schema.optional(Schema.NullOr(Schema.String))
}))
const IntrospectionJson = Schema.parseJson(Schema.Struct({
  active: Schema.Boolean,
  scope: Schema.optional(Schema.NullOr(Schema.String))
}))
const VersionJson = Schema.parseJson(Schema.Struct({ version: Schema.NonEmptyString }))

const decodeToken = Schema.decodeEither(TokenJson)
const decodeError = Schema.decodeEither(ErrorJson)
const decodeUserInfo = Schema.decodeEither(UserInfoJson)
const decodeIntrospection = Schema.decodeEither(IntrospectionJson)
const decodeVersion = Schema.decodeEither(VersionJson)
const decodeAdmin = Schema.decodeEither(Schema.parseJson(Schema.Struct({ is_admin: Schema.Boolean })))
const decodeUserId = Schema.decodeOption(UserId)

/** An answer that is of no use, and may be another one next time. */
const unusable = (endpoint: string, { status }: Answer) =>
  new UpstreamUnavailable({
    endpoint,
    reason: status >= 300 && status < 400
      ? `it answered with a redirect (${status}); FORGEJO_INTERNAL_URL must be the address that answers itself`
      : status === 200
      ? "it answered something that is not what this endpoint gives"
      : `it answered ${status}`
  })

/** Somebody else's text for our log and pages: one line, bounded, and without anything that we sent. */
const tidy = (text: string, secrets: ReadonlyArray<string>): string =>
  secrets.filter((secret) => secret.length >= 8)
    .reduce((clean, secret) => clean.replaceAll(secret, "[removed]"), text)
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ")
    .slice(0, 200)

/** These mean that the app is not set up as we think, and are nothing that the user can change. Lower case. */
const operatorTexts = ["client secret", "cannot load client", "unexpected redirect uri"]

/**
 * Forgejo's token errors are all HTTP 400, and the code alone does not tell: a wrong secret is `unauthorized_client` at
 * the code exchange, where it also means a used code, and at the refresh, where it means a spent token.
 */
const refusalKind = (error: string, description: string): "grant" | "client" | undefined => {
  if (error === "invalid_client") return "client"
  if (error !== "unauthorized_client" && error !== "invalid_grant") return undefined
  return operatorTexts.some((text) => description.toLowerCase().includes(text)) ? "client" : "grant"
}

const failure = (endpoint: string, answer: Answer, secrets: ReadonlyArray<string>): UpstreamRefused | UpstreamUnavailable => {
  // 429, 5xx and redirects may come from a proxy, whatever their body says.
  const parsed = answer.status >= 400 && answer.status < 500 && answer.status !== 429 ? decodeError(answer.text) : undefined
  if (parsed === undefined || Either.isLeft(parsed)) return unusable(endpoint, answer)
  const error = tidy(parsed.right.error, secrets)
  const description = tidy(parsed.right.error_description ?? "", secrets)
  const kind = refusalKind(parsed.right.error, description)
  return kind === undefined
    ? new UpstreamUnavailable({ endpoint, reason: `it answered ${answer.status} ${error}: ${description}` })
    : new UpstreamRefused({ endpoint, kind, error, description })
}

/** Where neither `expires_in` nor the token says how long it lives: Forgejo's default, in seconds. */
const usualLife = 3600

/** `askedAt`: epoch milliseconds before the request was sent, so that the pair is never taken for longer-lived than it is. */
export const readTokens = (
  endpoint: string,
  answer: Answer,
  askedAt: number,
  secrets: ReadonlyArray<string>
): Either.Either<TokenPair, UpstreamRefused | UpstreamUnavailable> => {
  if (answer.status !== 200) return Either.left(failure(endpoint, answer, secrets))
  const parsed = decodeToken(answer.text)
  if (Either.isLeft(parsed)) return Either.left(failure(endpoint, answer, secrets))
  const body = parsed.right
  if (body.token_type !== undefined && body.token_type.toLowerCase() !== "bearer") return Either.left(unusable(endpoint, answer))
  const refreshToken = Option.filter(Option.fromNullable(body.refresh_token), (token) => token !== "")
  const accessClaims = decodeClaims(body.access_token)
  const refreshClaims = Option.flatMap(refreshToken, decodeClaims)
  const idClaims = Option.flatMap(Option.fromNullable(body.id_token), decodeClaims)
  const claimedLife = Option.zipWith(integerClaim(accessClaims, "exp"), integerClaim(accessClaims, "iat"), (exp, iat) => exp - iat)
  const life = Option.liftPredicate(Number(body.expires_in), (seconds) => Number.isFinite(seconds) && seconds > 0).pipe(
    Option.orElse(() => Option.filter(claimedLife, (seconds) => seconds > 0)),
    Option.getOrElse(() => usualLife)
  )
  return Either.right({
    accessToken: Redacted.make(body.access_token),
    refreshToken: Option.map(refreshToken, (token) => Redacted.make(token)),
    expiresAt: askedAt + Math.floor(life * 1000),
    upstreamGrant: Option.orElse(integerClaim(accessClaims, "gnt"), () => integerClaim(refreshClaims, "gnt")),
    counter: integerClaim(refreshClaims, "cnt"),
    subject: Option.flatMap(textClaim(idClaims, "sub"), decodeUserId)
  })
}

export const readUserInfo = (
  endpoint: string,
  answer: Answer
): Either.Either<UserInfo, UpstreamRefused | UpstreamUnavailable> => {
  // The body of a 401 is plain text, localised, and in some versions repeats the token.
  if (answer.status === 401) {
    return Either.left(new UpstreamRefused({ endpoint, kind: "token", error: "invalid_token", description: "the token is not accepted" }))
  }
  const parsed = answer.status === 200 ? decodeUserInfo(answer.text) : Either.left(undefined)
  if (Either.isLeft(parsed)) return Either.left(unusable(endpoint, answer))
  const { name, preferred_username, sub } = parsed.right
  const userId = UserId.make(String(sub))
  return Either.right({ userId, userName: preferred_username || name || userId })
}

export const readIntrospection = (
  endpoint: string,
  answer: Answer
): Either.Either<{ readonly active: boolean; readonly scope: Option.Option<string> }, UpstreamRefused | UpstreamUnavailable> => {
  if (answer.status === 401) {
    return Either.left(
      new UpstreamRefused({ endpoint, kind: "client", error: "invalid_client", description: "the client id or secret is not accepted" })
    )
  }
  const parsed = answer.status === 200 ? decodeIntrospection(answer.text) : Either.left(undefined)
  if (Either.isLeft(parsed)) return Either.left(unusable(endpoint, answer))
  return Either.right({
    active: parsed.right.active,
    scope: Option.filter(Option.fromNullable(parsed.right.scope), (scope) => scope.trim() !== "")
  })
}

export const readVersion = (endpoint: string, answer: Answer): Either.Either<string, UpstreamUnavailable> => {
  const parsed = answer.status === 200 ? decodeVersion(answer.text) : Either.left(undefined)
  return Either.mapBoth(parsed, { onLeft: () => unusable(endpoint, answer), onRight: ({ version }) => tidy(version, []) })
}

/** Without a scope for users Forgejo answers 403, and nobody is told who administers. */
export const readIsAdmin = (endpoint: string, answer: Answer): Either.Either<boolean, UpstreamUnavailable> => {
  if (answer.status === 403) return Either.right(false)
  const parsed = answer.status === 200 ? decodeAdmin(answer.text) : Either.left(undefined)
  return Either.mapBoth(parsed, { onLeft: () => unusable(endpoint, answer), onRight: (user) => user.is_admin })
}
