import type { JsonObject } from "./JsonRpc.ts"

/** The requests of a server, and what a client must have declared for each (2025-11-25, lifecycle: only negotiated capabilities are used). */
const needed: Readonly<Record<string, string>> = {
  "sampling/createMessage": "sampling",
  "elicitation/create": "elicitation",
  "roots/list": "roots"
}

/** Whether a client that sent these parameters of `initialize` may be asked; what the specification does not name is passed on. */
export const mayAsk = (initializeParams: JsonObject | undefined, method: string): boolean => {
  const capability = Object.hasOwn(needed, method) ? needed[method] : undefined
  if (capability === undefined) return true
  const capabilities = initializeParams?.capabilities
  return isObject(capabilities) && Object.hasOwn(capabilities, capability) && isObject(capabilities[capability])
}

const isObject = (value: unknown): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value)
