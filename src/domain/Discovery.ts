import { modernVersion } from "./Era.ts"
import type { JsonObject } from "./JsonRpc.ts"
import { isObject } from "./JsonRpc.ts"

/** How long a client may keep what is the same for every run of the child's program, in milliseconds. */
export const listTtlMs = 300_000

const serverInfoKey = "io.modelcontextprotocol/serverInfo"

/** For the `_meta` of every result: who answers. Empty where the child has not said its name and version. */
export const serverMeta = (told: JsonObject): JsonObject => {
  const { serverInfo } = told
  return isObject(serverInfo) && typeof serverInfo.name === "string" && typeof serverInfo.version === "string" ? { [serverInfoKey]: serverInfo } : {}
}

/**
 * The server capabilities of 2026-07-28 that the broker can keep for a child that was initialised the old way, with
 * only those flags that are true. Tasks are another protocol there, and `experimental` and `extensions` would promise
 * methods that are not bridged. Log messages name no request, so they need a child with one call at a time.
 */
export const bridgedCapabilities = (told: JsonObject, interactive: boolean): JsonObject => {
  const capabilities = isObject(told.capabilities) ? told.capabilities : {}
  const kept: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
    ["tools", ["listChanged"]],
    ["prompts", ["listChanged"]],
    ["resources", ["subscribe", "listChanged"]],
    ["completions", []],
    ...(interactive ? [["logging", []] as const] : [])
  ]
  return Object.fromEntries(kept.flatMap(([name, flags]) => {
    const capability = capabilities[name]
    return isObject(capability) ? [[name, Object.fromEntries(flags.filter((flag) => capability[flag] === true).map((flag) => [flag, true]))]] : []
  }))
}

/**
 * The result of `server/discover`, made from the child's `InitializeResult`.
 *
 * @param ttlMs how long the client may keep it: 0 where `told` is only a guess
 */
export const discoverResult = (told: JsonObject, interactive: boolean, ttlMs: number): JsonObject => ({
  resultType: "complete",
  // A revision before this one cannot be spoken with `_meta`; who wants it begins with `initialize`.
  supportedVersions: [modernVersion],
  capabilities: bridgedCapabilities(told, interactive),
  ...(typeof told.instructions === "string" ? { instructions: told.instructions } : {}),
  ttlMs,
  cacheScope: "private",
  _meta: serverMeta(told)
})

/**
 * What a child of a preset most probably answers to `initialize`, for clients that come before the first child has. It
 * is a guess: it names no server, for its version is not known.
 */
export const presetTold = (preset: "forgejo-mcp" | "gitea-mcp" | "custom"): JsonObject => ({
  protocolVersion: "2025-11-25",
  capabilities: preset === "forgejo-mcp" ? { logging: {}, resources: {}, tools: { listChanged: true } } : { tools: {} }
})
