import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const script = join(dirname(fileURLToPath(import.meta.url)), "light-child.pl")

/**
 * Settings with which a daemon runs `light-child.pl`, hundreds of times if it must. The child keeps nothing between calls;
 * without being told so the broker would take it for stateful, and end its sessions where it parks those of others.
 * `journal` is a file that gets the `n` of each call that reaches a child.
 */
export const lightChild = (journal?: string): Readonly<Record<string, string>> => ({
  FJMCP_CHILD_COMMAND: ["perl", script, ...(journal === undefined ? [] : [journal])].map((word) => `"${word}"`).join(" "),
  FJMCP_CHILD_PRESET: "custom",
  FJMCP_CHILD_STATEFUL: "false",
  FJMCP_CHILD_TOKEN_VARIABLE: "FORGEJO_ACCESS_TOKEN",
  // In a process namespace of its own the child would not know its pid.
  FJMCP_SANDBOX: "basic",
  FJMCP_MAX_SESSIONS: "2000",
  FJMCP_MAX_SESSIONS_PER_USER: "1000",
  FJMCP_MAX_PARKED: "1000",
  FJMCP_MAX_STARTS_PER_MINUTE: "100000"
})

/** What its tools `echo` (at once) and `slow` (after `ms`) answer. `crash` ends it with code 3, `error` is a JSON-RPC error. */
export interface Echo {
  readonly pid: number
  /** `tokenHash` of the child's token. */
  readonly token: string
  readonly n: number
}

/** 32-bit FNV-1a in hex, which perl can do without modules. For telling tokens apart, not for hiding them. */
export const tokenHash = (token: string): string => {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(token)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return hash.toString(16).padStart(8, "0")
}
