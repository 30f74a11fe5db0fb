import type { JsonObject } from "./JsonRpc.ts"
import { isObject } from "./JsonRpc.ts"

/** The requests that a client of 2026-07-28 can make, and the server's capability that each needs. */
const capabilityOf: ReadonlyMap<string, string | undefined> = new Map([
  ["server/discover", undefined],
  ["subscriptions/listen", undefined],
  ["tools/list", "tools"],
  ["tools/call", "tools"],
  ["prompts/list", "prompts"],
  ["prompts/get", "prompts"],
  ["resources/list", "resources"],
  ["resources/templates/list", "resources"],
  ["resources/read", "resources"],
  ["completion/complete", "completions"]
])

export const modernMethods: ReadonlyArray<string> = [...capabilityOf.keys()]

/**
 * Whether a server with these capabilities answers a method. What it does not answer is 404 with -32601: methods that
 * are unknown, that went with the sessions (`initialize`, `ping`, `logging/setLevel`, ...), or that it does not advertise.
 */
export const isAdvertised = (method: string, capabilities: JsonObject): boolean => {
  const capability = capabilityOf.get(method)
  return capability === undefined ? capabilityOf.has(method) : isObject(capabilities[capability])
}

/** Whether the answer may ask for input first: `input_required` exists for these requests only (basic/patterns/mrtr). */
export const mayAsk = (method: string): boolean => method === "tools/call" || method === "prompts/get" || method === "resources/read"
