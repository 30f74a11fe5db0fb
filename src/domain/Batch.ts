import { Either } from "effect"
import { claimsModern, modernVersion } from "./Era.ts"
import type { JsonObject, Malformed, Message } from "./JsonRpc.ts"
import { classify, ErrorCode } from "./JsonRpc.ts"

/** The only revision with batches (2025-03-26, basic, batching): 2024-11-05 had no HTTP of this kind, 2025-06-18 removed them. */
export const batchVersion = "2025-03-26"

/** Several messages in one body. What is no message is answered among the others. */
export interface Batch {
  readonly _tag: "Batch"
  readonly elements: ReadonlyArray<Either.Either<Message, Malformed>>
}

const isObject = (value: unknown): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value)
const refuse = (message: string) => Either.left<Malformed>({ code: ErrorCode.invalidRequest, message })

/**
 * Classifies a parsed list. `max` bounds what is to be answered, and likewise what is not: a small body must not become
 * a large answer. Whether the session may be sent batches at all is not known here.
 */
export const classifyBatch = (values: ReadonlyArray<unknown>, max: number): Either.Either<Batch, Malformed> => {
  if (values.length === 0) return refuse("The batch is empty; send at least one JSON-RPC message.")
  for (const value of values) {
    if (!isObject(value)) continue
    if (value.method === "initialize") return refuse("initialize cannot be part of a batch; send it alone.")
    if (isObject(value.params) && claimsModern(value.params)) {
      return refuse(`A message of revision ${modernVersion} cannot be part of a batch; send it alone.`)
    }
  }
  const elements = values.map(classify)
  const answered = elements.filter((element) => Either.isLeft(element) || element.right._tag === "Request").length
  return answered > max || elements.length - answered > max
    ? refuse(`A batch may have at most ${max} requests, and as many notifications and responses; send several.`)
    : Either.right({ _tag: "Batch", elements })
}
