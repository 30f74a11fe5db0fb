import { createHash } from "node:crypto"
import { equalSecrets } from "./Secrets.ts"

/** RFC 7636 section 4.1: 43 to 128 unreserved characters. */
const verifierSyntax = /^[A-Za-z0-9._~-]{43,128}$/
/** The base64url form of 32 bytes, without padding. */
const challengeSyntax = /^[A-Za-z0-9_-]{43}$/

export const isVerifier = (text: string): boolean => verifierSyntax.test(text)

/** Whether `text` can be an S256 challenge at all. */
export const isS256Challenge = (text: string): boolean => challengeSyntax.test(text)

/** RFC 7636 section 4.2. */
export const s256Challenge = (verifier: string): string => createHash("sha256").update(verifier, "ascii").digest("base64url")

/** RFC 7636 section 4.6. A verifier of the wrong syntax never fits. */
export const fitsChallenge = (verifier: string, challenge: string): boolean =>
  isVerifier(verifier) && equalSecrets(s256Challenge(verifier), challenge)
