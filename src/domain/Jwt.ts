import { Either, Option, Schema } from "effect"

/** The claims of a JSON Web Token. */
export type Claims = Readonly<Record<string, unknown>>

const ClaimsJson = Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
const decodeJson = Schema.decodeEither(ClaimsJson)

/**
 * The claims of a compact JWT (RFC 7519), *without* checking its signature: good only for tokens that come straight
 * from their issuer. Nothing where the text is no JWT; opaque tokens are legal.
 */
export const decodeClaims = (token: string): Option.Option<Claims> => {
  const [header, payload, signature, ...rest] = token.split(".")
  if (!header || !payload || signature === undefined || rest.length > 0 || !/^[A-Za-z0-9_-]+=*$/.test(payload)) return Option.none()
  return Either.getRight(decodeJson(Buffer.from(payload, "base64url").toString("utf8")))
}

/** A claim that is an integer; a number that is not exact is as good as none. */
export const integerClaim = (claims: Option.Option<Claims>, name: string): Option.Option<number> =>
  Option.filter(
    Option.map(claims, (all) => all[name]),
    (value): value is number => Number.isSafeInteger(value)
  )

/** A claim that is a text with something in it. */
export const textClaim = (claims: Option.Option<Claims>, name: string): Option.Option<string> =>
  Option.filter(
    Option.map(claims, (all) => all[name]),
    (value): value is string => typeof value === "string" && value !== ""
  )
