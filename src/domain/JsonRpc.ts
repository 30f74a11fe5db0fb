import { Either } from "effect"

/** What MCP allows as the id of a request: never null, and a number only where it survives a round trip. */
export type RequestId = string | number

export type JsonObject = { readonly [key: string]: unknown }

export interface Request {
  readonly _tag: "Request"
  readonly id: RequestId
  readonly method: string
  readonly params: JsonObject | undefined
}
export interface Notification {
  readonly _tag: "Notification"
  readonly method: string
  readonly params: JsonObject | undefined
}
export interface Response {
  readonly _tag: "Response"
  readonly id: RequestId
  readonly body: { readonly result: unknown } | { readonly error: unknown }
}
export type Message = Request | Notification | Response

/** Why a message is not JSON-RPC; `id` where it could be read. */
export interface Malformed {
  readonly code: number
  readonly message: string
  readonly id?: RequestId
}

/** Error codes of JSON-RPC 2.0. New codes of our own are not minted (2026-07-28, basic, error codes). */
export const ErrorCode = { parse: -32700, invalidRequest: -32600, methodNotFound: -32601, invalidParams: -32602, internal: -32603 } as const

/** A JSON object: no list, not null. */
export const isObject = (value: unknown): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value)

const isId = (value: unknown): value is RequestId => typeof value === "string" || Number.isSafeInteger(value)

/** Objects and lists in one message of a client. Parsed, an empty one takes twenty times the memory of its text. */
const maxContainers = 100_000

/**
 * Whether the text nests deeper than `maxDepth`, or holds more than `maxSize` objects and lists, without building anything:
 * a parser could be made to overflow its stack, or to fill the memory.
 */
export const isTooComplex = (text: string, maxDepth: number, maxSize: number = maxContainers): "depth" | "size" | undefined => {
  let depth = 0
  let containers = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (inString) {
      if (char === 0x5c) at++
      else if (char === 0x22) inString = false
    } else if (char === 0x22) inString = true
    else if (char === 0x7b || char === 0x5b) {
      if (++depth > maxDepth) return "depth"
      if (++containers > maxSize) return "size"
    } else if (char === 0x7d || char === 0x5d) depth--
  }
  return undefined
}

/** Parses one JSON text, which may nest `maxDepth` levels. */
export const parse = (text: string, maxDepth: number): Either.Either<unknown, Malformed> => {
  const problem = isTooComplex(text, maxDepth)
  if (problem === "depth") {
    return Either.left({ code: ErrorCode.invalidRequest, message: `The JSON nests deeper than ${maxDepth} levels; send a flatter message.` })
  }
  if (problem === "size") {
    return Either.left({ code: ErrorCode.invalidRequest, message: `The JSON has more than ${maxContainers} objects and lists; send a smaller message.` })
  }
  try {
    return Either.right(JSON.parse(text) as unknown)
  } catch {
    return Either.left({ code: ErrorCode.parse, message: "The body is not JSON; send one JSON-RPC 2.0 message as UTF-8 text." })
  }
}

/**
 * Classifies a parsed message by its shape: what has a method is a request or a notification, whatever its id; only what
 * has none can be a response. So a child's request can never be taken for the answer to a client's.
 */
export const classify = (value: unknown): Either.Either<Message, Malformed> => {
  const refuse = (message: string, id?: unknown) =>
    Either.left<Malformed>({ code: ErrorCode.invalidRequest, message, ...(isId(id) ? { id } : {}) })
  if (!isObject(value)) return refuse("A JSON-RPC message is one object with \"jsonrpc\": \"2.0\".")
  if (value.jsonrpc !== "2.0") return refuse("The member \"jsonrpc\" must be \"2.0\".", value.id)
  if (value.method !== undefined) {
    if (typeof value.method !== "string") return refuse("The member \"method\" must be a string.", value.id)
    if (value.params !== undefined && !isObject(value.params)) return refuse("The member \"params\" must be an object.", value.id)
    const message = { method: value.method, params: value.params }
    if (!("id" in value)) return Either.right({ _tag: "Notification", ...message })
    return isId(value.id)
      ? Either.right({ _tag: "Request", id: value.id, ...message })
      : refuse("The member \"id\" must be a string or an integer of at most 53 bits.")
  }
  const outcomes = Number("result" in value) + Number("error" in value)
  if (outcomes !== 1) return refuse("A message without \"method\" is a response: it must have either \"result\" or \"error\".", value.id)
  if (!isId(value.id)) return refuse("A response must have the id of its request: a string or an integer of at most 53 bits.")
  return Either.right({
    _tag: "Response",
    id: value.id,
    body: "result" in value ? { result: value.result } : { error: value.error }
  })
}

/** One line for the child: everything towards it is serialised anew, so that no line break can be smuggled in. */
export const encodeRequest = (id: RequestId, method: string, params: JsonObject | undefined): string =>
  JSON.stringify(params === undefined ? { jsonrpc: "2.0", id, method } : { jsonrpc: "2.0", id, method, params })

export const encodeNotification = (method: string, params: JsonObject | undefined): string =>
  JSON.stringify(params === undefined ? { jsonrpc: "2.0", method } : { jsonrpc: "2.0", method, params })

export const encodeResponse = (id: RequestId, body: Response["body"]): string => JSON.stringify({ jsonrpc: "2.0", id, ...body })

/** An error response. The id is left out, never null, where the request's could not be read. */
export const encodeError = (id: RequestId | undefined, code: number, message: string, data?: unknown): string =>
  JSON.stringify({ jsonrpc: "2.0", ...(id === undefined ? {} : { id }), error: { code, message, ...(data === undefined ? {} : { data }) } })
