import type { JsonObject, RequestId } from "./JsonRpc.ts"
import { isObject } from "./JsonRpc.ts"
import type { Envelope } from "./ModernEnvelope.ts"

/** What of a request of 2026-07-28 is needed until it is answered. The rest goes when the child has got it: it may be large. */
export interface ModernCaller {
  readonly id: RequestId
  readonly method: string
  /** Of a resource that is read. */
  readonly uri: string | undefined
  /** Of the client's, those by which it can be asked something. */
  readonly capabilities: JsonObject
  readonly logLevel: string | undefined
  readonly progressToken: RequestId | undefined
}

const askable: Readonly<Record<string, ReadonlyArray<string>>> = { elicitation: ["form", "url"], sampling: ["tools"], roots: [] }

export const callerOf = ({ capabilities, logLevel, request: { id, method, params } }: Envelope): ModernCaller => {
  const meta = isObject(params?._meta) ? params._meta : {}
  const { progressToken } = meta
  return {
    id,
    method,
    uri: typeof params?.uri === "string" ? params.uri : undefined,
    capabilities: Object.fromEntries(Object.entries(askable).flatMap(([name, parts]) => {
      const capability = Object.hasOwn(capabilities, name) ? capabilities[name] : undefined
      return isObject(capability) ? [[name, Object.fromEntries(parts.filter((part) => isObject(capability[part])).map((part) => [part, {}]))]] : []
    })),
    logLevel,
    progressToken: typeof progressToken === "string" || typeof progressToken === "number" ? progressToken : undefined
  }
}
