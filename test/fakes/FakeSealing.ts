import { Effect, Layer, Redacted } from "effect"
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto"
import { SealBroken, Sealing } from "../../src/services/Sealing.ts"

const keyOf = (master: string, purpose: string) => Buffer.from(hkdfSync("sha256", master, "", purpose, 32))

/** Real AES-GCM and HMAC under a key that is given, without a file: two layers with one key are one broker before and after a restart. */
export const fakeSealing = (master = "test") =>
  Layer.succeed(Sealing, {
    seal: (purpose, identity, plain) =>
      Effect.sync(() => {
        const nonce = randomBytes(12)
        const cipher = createCipheriv("aes-256-gcm", keyOf(master, purpose), nonce).setAAD(Buffer.from(identity))
        const text = Buffer.concat([cipher.update(Redacted.value(plain), "utf8"), cipher.final()])
        return Buffer.concat([nonce, text, cipher.getAuthTag()]).toString("base64url")
      }),
    open: (purpose, identity, sealed) =>
      Effect.try({
        try: () => {
          const bytes = Buffer.from(sealed, "base64url")
          const decipher = createDecipheriv("aes-256-gcm", keyOf(master, purpose), bytes.subarray(0, 12)).setAAD(Buffer.from(identity))
          decipher.setAuthTag(bytes.subarray(-16))
          return Redacted.make(Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString("utf8"))
        },
        catch: () => new SealBroken({ purpose })
      }),
    mac: (purpose, ...parts) => {
      const hmac = createHmac("sha256", keyOf(master, purpose))
      for (const part of parts) hmac.update(`${Buffer.byteLength(part)}:`).update(part)
      return Redacted.make(hmac.digest("base64url"))
    }
  })
