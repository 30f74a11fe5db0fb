import { SqlClient } from "@effect/sql"
import { Clock, Effect, Layer, Redacted } from "effect"
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto"
import { equalSecrets } from "../domain/Secrets.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { SealBroken, Sealing, type SealingPurpose } from "../services/Sealing.ts"
import type { KeyUnusable } from "../services/StartupErrors.ts"
import { KeyMissing, KeyWrong } from "../services/StartupErrors.ts"
import { makeKey, readKey } from "./SealingKeyFile.ts"

/** First byte of everything sealed: the layout below. */
const formatVersion = 1
const keyIdBytes = 8
const nonceBytes = 12
const tagBytes = 16
const headerBytes = 1 + keyIdBytes

const derive = (master: Buffer, info: string, length: number): Buffer =>
  Buffer.from(hkdfSync("sha256", master, Buffer.alloc(0), `fjmcp-broker/${info}`, length))

/** Parts framed by their length in bytes, so that no two lists of parts give the same bytes. */
const framed = (parts: ReadonlyArray<string>): Buffer =>
  Buffer.concat(parts.flatMap((part) => {
    const bytes = Buffer.from(part, "utf8")
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    return [length, bytes]
  }))

/** Everything that one master key does. Its id is derived from it and says nothing about it. */
const makeSealer = (master: Buffer) => {
  const keyId = derive(master, "key-id", keyIdBytes)
  const keyName = keyId.toString("hex")
  const subkeys = new Map<string, Buffer>()
  const subkey = (use: "seal" | "mac" | "check", purpose: string): Buffer => {
    const info = `${use}/${purpose}/${keyName}`
    const known = subkeys.get(info)
    if (known !== undefined) return known
    const made = derive(master, info, 32)
    subkeys.set(info, made)
    return made
  }

  const seal = (purpose: SealingPurpose, identity: string, plain: string): string => {
    const header = Buffer.concat([Buffer.of(formatVersion), keyId])
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv("aes-256-gcm", subkey("seal", purpose), nonce, { authTagLength: tagBytes })
    cipher.setAAD(Buffer.concat([header, framed([purpose, identity])]))
    return Buffer.concat([header, nonce, cipher.update(plain, "utf8"), cipher.final(), cipher.getAuthTag()]).toString("base64url")
  }

  /** Throws where the text is not ours. */
  const open = (purpose: SealingPurpose, identity: string, sealed: string): string => {
    const bytes = Buffer.from(sealed, "base64url")
    // Node decodes leniently: only the one canonical spelling of a sealed text is accepted.
    if (bytes.toString("base64url") !== sealed || bytes.length < headerBytes + nonceBytes + tagBytes) throw new Error("malformed")
    const header = bytes.subarray(0, headerBytes)
    if (header[0] !== formatVersion || !header.subarray(1).equals(keyId)) throw new Error("other version or key")
    const nonce = bytes.subarray(headerBytes, headerBytes + nonceBytes)
    const decipher = createDecipheriv("aes-256-gcm", subkey("seal", purpose), nonce, { authTagLength: tagBytes })
    decipher.setAAD(Buffer.concat([header, framed([purpose, identity])]))
    decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes))
    const plain = decipher.update(bytes.subarray(headerBytes + nonceBytes, bytes.length - tagBytes))
    return Buffer.concat([plain, decipher.final()]).toString("utf8")
  }

  const mac = (purpose: SealingPurpose, parts: ReadonlyArray<string>): string =>
    createHmac("sha256", subkey("mac", purpose)).update(framed(parts)).digest("base64url")

  const checkValue = createHmac("sha256", subkey("check", "")).update("fjmcp-broker sealing key").digest("base64url")

  return { keyName, checkValue, seal, open, mac }
}

/** Whether a lost key would lose something: the only case in which a new one may be made is that it would not. */
const holdsSealed = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ found: number }>`
    select exists (select 1 from upstream_tokens) or exists (select 1 from clients) as found`
  return row?.found === 1
}).pipe(Effect.orDie) // A store that does not answer at start: nobody above can do anything about it.

/** Refuses a key that the store was not sealed with; writes down the id and check value of a first one. */
const checkKey = Effect.fnUntraced(function*(path: string, sealer: ReturnType<typeof makeSealer>, sealedAlready: boolean) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ keyId: string; checkValue: string }>`
    select key_id as "keyId", check_value as "checkValue" from sealing_keys order by created_at`.pipe(Effect.orDie)
  const row = rows.find((candidate) => candidate.keyId === sealer.keyName)
  if (row !== undefined && equalSecrets(row.checkValue, sealer.checkValue)) return
  if (row !== undefined || sealedAlready) {
    return yield* new KeyWrong({ path, found: sealer.keyName, expected: rows.map((candidate) => candidate.keyId) })
  }
  const now = yield* Clock.currentTimeMillis
  yield* sql`delete from sealing_keys`.pipe(
    Effect.zipRight(sql`insert into sealing_keys ${
      sql.insert({ key_id: sealer.keyName, check_value: sealer.checkValue, created_at: now })
    }`),
    sql.withTransaction,
    Effect.orDie
  )
})

const make = Effect.gen(function*() {
  const { sealingKeyFile: path, sealingKeyIsCredential: isCredential } = yield* AppConfig
  const sealedAlready = yield* holdsSealed
  const master = yield* readKey(path, isCredential).pipe(
    Effect.catchTag("NoKeyFile", (): Effect.Effect<Buffer, KeyMissing | KeyUnusable> =>
      isCredential || sealedAlready ? Effect.fail(new KeyMissing({ path, isCredential })) : makeKey(path))
  )
  const sealer = makeSealer(master)
  yield* checkKey(path, sealer, sealedAlready)

  return Sealing.of({
    seal: (purpose, identity, plain) => Effect.sync(() => sealer.seal(purpose, identity, Redacted.value(plain))),
    open: (purpose, identity, sealed) =>
      Effect.try({
        try: () => Redacted.make(sealer.open(purpose, identity, sealed)),
        catch: () => new SealBroken({ purpose })
      }),
    mac: (purpose, ...parts) => Redacted.make(sealer.mac(purpose, parts))
  })
})

/** Sealing with the key of `sealingKeyFile`; docs/storage.md, "The sealing key". */
export const SealingLive: Layer.Layer<Sealing, KeyMissing | KeyWrong | KeyUnusable, AppConfig | SqlClient.SqlClient> = Layer.effect(
  Sealing,
  make
)
