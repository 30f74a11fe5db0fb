import { createHash } from "node:crypto"
import { Either, Option } from "effect"
import { serverMeta } from "./Discovery.ts"
import type { JsonObject, Request } from "./JsonRpc.ts"
import { ErrorCode, isObject } from "./JsonRpc.ts"

/** A question of a child's, as 2026-07-28 puts it to the client: a method and its parameters, without an id. */
export interface Ask {
  /** The name that the child would like it to have among the `inputRequests`. */
  readonly key: string | undefined
  readonly method: AskMethod
  readonly params: JsonObject
}

export type AskMethod = "elicitation/create" | "sampling/createMessage" | "roots/list"

/** Why a question cannot be put to the client: a JSON-RPC error for the child. */
export interface AskRefused {
  readonly code: number
  readonly message: string
}

const keyHint = "bridge/inputKey"
/** `__proto__` would get lost in a client that assigns the keys of what it has parsed. */
const isKey = (value: unknown): value is string => typeof value === "string" && value.length >= 1 && value.length <= 64 && value !== "__proto__"

const isAskMethod = (method: string): method is AskMethod =>
  method === "elicitation/create" || method === "sampling/createMessage" || method === "roots/list"

/**
 * Reads a child's request as a question. What 2026-07-28 does not know is left out: the id of an elicitation, tasks, the
 * progress token. One that lacks what its kind must have is refused, for a client would refuse the whole round.
 */
export const askOf = ({ method, params = {} }: Pick<Request, "method" | "params">): Either.Either<Ask, AskRefused> => {
  if (!isAskMethod(method)) {
    return Either.left({ code: ErrorCode.methodNotFound, message: `The client cannot be asked "${method.slice(0, 100)}".` })
  }
  const missing = lacks(method, params)
  if (missing !== undefined) return Either.left({ code: ErrorCode.invalidParams, message: `"${method}" needs ${missing}.` })
  const { _meta, elicitationId: _elicitationId, task: _task, ...rest } = params
  const { [keyHint]: key, progressToken: _token, "io.modelcontextprotocol/related-task": _related, ...meta } = isObject(_meta) ? _meta : {}
  return Either.right({
    key: isKey(key) ? key : undefined,
    method,
    params: Object.keys(meta).length === 0 ? rest : { ...rest, _meta: meta }
  })
}

const lacks = (method: AskMethod, params: JsonObject): string | undefined => {
  if (method === "roots/list") return undefined
  if (method === "sampling/createMessage") {
    if (!Array.isArray(params.messages)) return "a list \"messages\""
    return Number.isSafeInteger(params.maxTokens) ? undefined : "an integer \"maxTokens\""
  }
  if (typeof params.message !== "string") return "a string \"message\""
  if (params.mode === "url") return typeof params.url === "string" ? undefined : "a string \"url\""
  if (params.mode !== undefined && params.mode !== "form") return "the \"mode\" form or url"
  return isObject(params.requestedSchema) ? undefined : "an object \"requestedSchema\""
}

/** The client's capabilities that a question needs, as `requiredCapabilities` of -32021 names them. */
export const needs = ({ method, params }: Pick<Ask, "method" | "params">): JsonObject => {
  if (method === "roots/list") return { roots: {} }
  if (method === "sampling/createMessage") return { sampling: params.tools === undefined && params.toolChoice === undefined ? {} : { tools: {} } }
  return { elicitation: params.mode === "url" ? { url: {} } : {} }
}

/** Whether a client with these capabilities may be asked what needs those. `elicitation: {}` means forms alone. */
export const declares = (capabilities: JsonObject, needed: JsonObject): boolean =>
  Object.entries(needed).every(([name, parts]) => {
    const declared = capabilities[name]
    if (!isObject(declared) || !isObject(parts)) return false
    const wanted = Object.keys(parts)
    if (name === "elicitation" && wanted.length === 0) return isObject(declared.form) || !("url" in declared)
    return wanted.every((part) => isObject(declared[part]))
  })

const nameOf = { "elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots" } as const

/**
 * A key for each question, in the same order: the child's hint, else one by its kind, such as `elicitation_1`. All differ
 * from each other and from those that are taken.
 */
export const keysFor = (asks: ReadonlyArray<Pick<Ask, "key" | "method">>, taken: ReadonlySet<string> = new Set()): ReadonlyArray<string> => {
  const used = new Set(taken)
  return asks.map(({ key, method }) => {
    let count = 1
    let name = key ?? `${nameOf[method]}_1`
    while (used.has(name)) name = `${key ?? nameOf[method]}_${++count}`
    used.add(name)
    return name
  })
}

/** The result that asks the client for input (basic/patterns/mrtr). It carries no cache fields. */
export const inputRequiredResult = (
  inputRequests: ReadonlyMap<string, Pick<Ask, "method" | "params">>,
  requestState: string | undefined,
  told: JsonObject
): JsonObject => ({
  resultType: "input_required",
  // fromEntries, so that no key means more than itself.
  inputRequests: Object.fromEntries([...inputRequests].map(([key, { method, params }]) => [key, { method, params }])),
  ...(requestState === undefined ? {} : { requestState }),
  _meta: serverMeta(told)
})

/** The client's answers by their keys, or the sentence for what is no object (-32602). */
export const readResponses = (inputResponses: unknown): Either.Either<ReadonlyMap<string, unknown>, string> =>
  isObject(inputResponses)
    ? Either.right(new Map(Object.entries(inputResponses)))
    : Either.left("params.inputResponses must be an object with an answer for each key of the inputRequests; leave it out where there are none.")

/** Whether an answer has the shape that its question asks for. What has not is asked again. */
export const isWellFormed = (method: AskMethod, response: unknown): response is JsonObject => {
  if (!isObject(response)) return false
  if (method === "roots/list") return Array.isArray(response.roots) && response.roots.every((root) => isObject(root) && typeof root.uri === "string")
  if (method === "elicitation/create") {
    const { action, content } = response
    return (action === "accept" || action === "decline" || action === "cancel") && (content === undefined || isObject(content))
  }
  const { content, model, role } = response
  const blocks: ReadonlyArray<unknown> = Array.isArray(content) ? content : [content]
  return (role === "user" || role === "assistant") && typeof model === "string" && blocks.every((block) => isObject(block) && typeof block.type === "string")
}

const urlElicitationRequired = -32042

/**
 * The questions in a child's error -32042 (2025-11-25: the user must visit these URLs first, then the call can be made
 * again), or nothing where it is another error, or asks nothing that could be passed on.
 */
export const urlElicitations = (error: unknown): ReadonlyArray<Ask> | undefined => {
  if (!isObject(error) || error.code !== urlElicitationRequired || !isObject(error.data)) return undefined
  const { elicitations } = error.data
  if (!Array.isArray(elicitations) || elicitations.length === 0) return undefined
  const asks = elicitations.map((elicitation: unknown): Either.Either<Ask, unknown> =>
    isObject(elicitation) && elicitation.mode === "url" ? askOf({ method: "elicitation/create", params: elicitation }) : Either.left("no URL"))
  return Option.getOrUndefined(Either.getRight(Either.all(asks)))
}

/**
 * What two requests have in common that are the same call: SHA-256 in hex over method and parameters, whatever the order
 * of members, without `_meta` and what only a retry has.
 */
export const digestOf = (method: string, params: JsonObject | undefined): string => {
  const { _meta, inputResponses: _responses, requestState: _state, ...rest } = params ?? {}
  return createHash("sha256").update(canonical([method, rest])).digest("hex")
}

/** JSON with the members of every object in the same order. Parameters nest no deeper than a request may. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0)) : inner)
