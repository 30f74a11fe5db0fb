import type { JsonObject } from "./JsonRpc.ts"

/** The revisions that begin with `initialize`, oldest first. Revisions are dates: they compare as text. */
export const legacyVersions = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] as const

/** The first stateless revision; what carries it is answered as modern. */
export const modernVersion = "2026-07-28"

/**
 * The parameters of an `initialize` with a revision that has one: what is unknown here becomes the newest (2025-11-25,
 * lifecycle, version negotiation). The child may know less, and then says so.
 */
export const negotiable = (params: JsonObject | undefined): JsonObject | undefined =>
  typeof params?.protocolVersion !== "string" || legacyVersions.some((known) => known === params.protocolVersion)
    ? params
    : { ...params, protocolVersion: "2025-11-25" }

/** What a request without `MCP-Protocol-Version` is taken to speak (2025-11-25, transports). */
export const assumedVersion = "2025-03-26"

/** What a revision knows of streams that are resumed (2025-11-25, transports, and SEP-1699). */
export interface Resumability {
  /** `Last-Event-ID`: from the first revision with this transport on. */
  readonly hasIds: boolean
  /** An event without data, with the time after which to come back. Older clients read the empty text as JSON, and break. */
  readonly takesPriming: boolean
}

export const resumabilityOf = (version: string): Resumability => ({ hasIds: version >= "2025-03-26", takesPriming: version >= "2025-11-25" })

const claimKey = "io.modelcontextprotocol/protocolVersion"

export const isKnownVersion = (version: string): boolean =>
  version === modernVersion || legacyVersions.some((known) => known === version)

/** Whether a message says in its `_meta` that it is of the stateless era. */
export const claimsModern = (params: JsonObject | undefined): boolean => {
  const meta = params?._meta
  return typeof meta === "object" && meta !== null && claimKey in meta
}

/**
 * Whether a message is of the stateless era: it says so itself in `_meta`, whatever its header, method or session id; or
 * its header names such a revision.
 */
export const isModern = (params: JsonObject | undefined, versionHeader: string | undefined): boolean =>
  claimsModern(params) || (versionHeader !== undefined && /^\d{4}-\d\d-\d\d$/.test(versionHeader) && versionHeader >= modernVersion)
