import type { Effect, Redacted } from "effect"
import { Context, Schema } from "effect"

/** What a subkey is for; each purpose has a key of its own (HKDF, RFC 5869), so that no value made for one is good for another. */
export type SealingPurpose = "client-registration" | "client-secret" | "upstream-token" | "refresh-successor" | "login" | "request-state"

/** A sealed text was made with another key, for another row, or was changed. */
export class SealBroken extends Schema.TaggedError<SealBroken>()("SealBroken", { purpose: Schema.String }) {}

/** Sealing (AES-256-GCM) and keyed hashing under the master key. */
export class Sealing extends Context.Tag("fjmcp/Sealing")<Sealing, {
  /**
   * Seals `plain`. `identity` (the row it belongs to) is authenticated with it: a sealed value that is copied to
   * another row does not open there. Gives base64url text that starts with a version byte and the key's id.
   */
  readonly seal: (purpose: SealingPurpose, identity: string, plain: Redacted.Redacted) => Effect.Effect<string>
  readonly open: (purpose: SealingPurpose, identity: string, sealed: string) => Effect.Effect<Redacted.Redacted, SealBroken>
  /** HMAC-SHA-256 over the parts, each framed by its length, as base64url. */
  readonly mac: (purpose: SealingPurpose, ...parts: ReadonlyArray<string>) => Redacted.Redacted
}>() {}
