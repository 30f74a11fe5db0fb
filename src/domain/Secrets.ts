import { Redacted } from "effect"
import { createHash, hash, randomBytes, timingSafeEqual } from "node:crypto"

/** `bytes` random bytes from the system's CSPRNG, as lower-case hex. */
export const randomHex = (bytes: number): string => randomBytes(bytes).toString("hex")

/** A new bearer secret of 256 bits, base64url, behind `prefix` (which lets secret scanners recognise it). */
export const newSecret = (prefix = ""): Redacted.Redacted => Redacted.make(prefix + randomBytes(32).toString("base64url"))

/** SHA-256 as hex. Enough for secrets of 128 random bits and more, which need no slow hash. */
export const sha256 = (text: string): string => hash("sha256", text)

/** The form in which a secret is stored and looked up. */
export const hashOf = (secret: Redacted.Redacted): string => sha256(Redacted.value(secret))

/** Whether two texts are equal, in a time that does not tell where they differ. */
export const equalSecrets = (a: string, b: string): boolean =>
  timingSafeEqual(createHash("sha256").update(a).digest(), createHash("sha256").update(b).digest())
