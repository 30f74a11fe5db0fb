import type { KeyObject } from "node:crypto"
import { createHash, createPublicKey, generateKeyPair, generateKeyPairSync, sign, verify } from "node:crypto"
import { promisify } from "node:util"

/** The signing key of the instance. Forgejo makes one of 4096 bits; 2048 are enough here and quicker to make. */
export interface Keys {
  privateKey: KeyObject
}

const rsa = { modulusLength: 2048 } as const

export const makeKeys = async (): Promise<Keys> => ({ privateKey: (await promisify(generateKeyPair)("rsa", rsa)).privateKey })

/** Puts a new key in place of the old one, as losing `jwt/private.pem` does: all tokens end. */
export const rotateKey = (keys: Keys): void => {
  keys.privateKey = generateKeyPairSync("rsa", rsa).privateKey
}

/** The claims of Forgejo's access (`tt` 0) and refresh (`tt` 1) tokens. Nothing in them names a user, a client or a scope. */
export interface TokenClaims {
  readonly gnt: number
  readonly tt: number
  readonly cnt?: number
  readonly exp: number
  readonly iat: number
}

const kidOf = (keys: Keys): string =>
  createHash("sha256").update(createPublicKey(keys.privateKey).export({ type: "spki", format: "der" })).digest("base64url")

/** The public key as `GET /login/oauth/keys` shows it. */
export const jwkOf = (keys: Keys): Record<string, unknown> => {
  const { kty, n, e } = createPublicKey(keys.privateKey).export({ format: "jwk" })
  return { kty, alg: "RS256", kid: kidOf(keys), e, n, use: "sig" }
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url")

/** A JWT by RS256. The same claims give the same bytes. */
export const signJwt = (keys: Keys, claims: object): string => {
  const body = `${encode({ alg: "RS256", kid: kidOf(keys), typ: "JWT" })}.${encode(claims)}`
  return `${body}.${sign("RSA-SHA256", Buffer.from(body), keys.privateKey).toString("base64url")}`
}

/** The claims of an access or refresh token whose signature and expiry hold; undefined for anything else. `now` in milliseconds. */
export const readToken = (keys: Keys, token: string, now: number): TokenClaims | undefined => {
  const [header, payload, signature, ...more] = token.split(".")
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) return undefined
  if (!verify("RSA-SHA256", Buffer.from(`${header}.${payload}`), createPublicKey(keys.privateKey), Buffer.from(signature, "base64url"))) {
    return undefined
  }
  try {
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as Partial<TokenClaims>
    const whole = typeof claims.gnt === "number" && typeof claims.tt === "number" && typeof claims.exp === "number"
    return whole && (claims.exp ?? 0) * 1000 > now ? claims as TokenClaims : undefined
  } catch {
    return undefined
  }
}
