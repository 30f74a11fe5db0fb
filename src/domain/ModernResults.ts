import { Either } from "effect"
import { listTtlMs, serverMeta } from "./Discovery.ts"
import type { JsonObject, Request, RequestId, Response } from "./JsonRpc.ts"
import { encodeError, encodeResponse, ErrorCode, isObject } from "./JsonRpc.ts"
import type { Refused } from "./ModernEnvelope.ts"
import { ModernErrorCode } from "./ModernEnvelope.ts"

/** How long a client may keep a complete result, in milliseconds; other results must not say so (server/utilities/caching). */
const ttlOf: ReadonlyMap<string, number> = new Map([
  ["tools/list", listTtlMs],
  ["prompts/list", listTtlMs],
  ["resources/list", listTtlMs],
  ["resources/templates/list", listTtlMs],
  ["resources/read", 0]
])

export interface CompleteOptions {
  /** Whether the request was made with answers to questions of the child: nobody else would get the same result. */
  readonly retried: boolean
}

const broken = (message: string): Refused => ({ status: 200, code: ErrorCode.internal, message })

/**
 * A child's result as 2026-07-28 wants it. Everything was read with one user's token, so caches are always private.
 * An error where the child's result is no object.
 *
 * @param told the child's `InitializeResult`
 */
export const completeResult = (method: string, result: unknown, told: JsonObject, { retried }: CompleteOptions): Either.Either<JsonObject, Refused> => {
  if (!isObject(result)) return Either.left(broken(`The MCP server answered "${method}" with a result that is no object. This is a fault of that server.`))
  const { "io.modelcontextprotocol/related-task": _task, ...meta } = isObject(result._meta) ? result._meta : {}
  // What a child thinks of caching it does not think of this user alone.
  const { cacheScope: _cacheScope, ttlMs: _ttlMs, ...said } = result
  const ttlMs = ttlOf.get(method)
  return Either.right({
    ...said,
    ...(method === "tools/list" && Array.isArray(result.tools) ? { tools: result.tools.flatMap(modernTool) } : {}),
    resultType: "complete",
    ...(ttlMs === undefined ? {} : { ttlMs: retried ? 0 : ttlMs, cacheScope: "private" }),
    _meta: { ...meta, ...serverMeta(told) }
  })
}

/** Tasks of 2025-11-25 do not exist here: a tool that can only be called as one cannot be called. */
const modernTool = (tool: unknown): ReadonlyArray<unknown> => {
  if (!isObject(tool) || !("execution" in tool)) return [tool]
  const { execution, ...rest } = tool
  return isObject(execution) && execution.taskSupport === "required" ? [] : [rest]
}

const resourceNotFound = -32002

/**
 * A child's error as 2026-07-28 wants it (basic, error codes): -32002 is invalid parameters there, an unknown method is
 * 404, a missing capability 400, and codes that the revision reserves are not passed on.
 */
export const modernError = ({ method, params }: Pick<Request, "method" | "params">, error: unknown): Refused => {
  if (!isObject(error) || typeof error.code !== "number" || !Number.isSafeInteger(error.code) || typeof error.message !== "string") {
    return broken(`The MCP server answered "${method}" with an error that is not JSON-RPC: "code" must be an integer and "message" a string. This is a fault of that server.`)
  }
  const { code, data, message } = error
  const withData = (given: unknown) => given === undefined ? {} : { data: given }
  if (code === resourceNotFound) {
    const uri = params?.uri
    const known = typeof uri === "string" ? { ...(isObject(data) ? data : {}), uri } : data
    return { status: 200, code: ErrorCode.invalidParams, message, ...withData(known) }
  }
  if (code === ErrorCode.methodNotFound) return { status: 404, code, message, ...withData(data) }
  if (code === ModernErrorCode.missingCapability && isObject(data) && isObject(data.requiredCapabilities)) return { status: 400, code, message, data }
  const isReserved = code <= -32020 && code >= -32099
  return { status: 200, code: isReserved ? ErrorCode.internal : code, message, ...withData(data) }
}

/** The whole answer to a request, from the child's: the HTTP status where nothing has been sent yet, and the JSON-RPC line. */
export const modernAnswer = (
  id: RequestId,
  request: Pick<Request, "method" | "params">,
  body: Response["body"],
  told: JsonObject,
  options: CompleteOptions
): { readonly status: number; readonly line: string } => {
  const answered = "error" in body
    ? Either.left(modernError(request, body.error))
    : completeResult(request.method, body.result, told, options)
  try {
    return Either.match(answered, { onLeft: (refused) => encodeRefused(id, refused), onRight: (result) => ({ status: 200, line: encodeResponse(id, { result }) }) })
  } catch {
    // A child can nest deeper than the stack reaches; a parser needs less of it than what writes the text again.
    return encodeRefused(id, broken(`The MCP server's answer to "${request.method}" nests too deep to be passed on. This is a fault of that server.`))
  }
}

export const encodeRefused = (id: RequestId, { code, data, message, status }: Refused): { readonly status: number; readonly line: string } => ({
  status,
  line: encodeError(id, code, message, data)
})
