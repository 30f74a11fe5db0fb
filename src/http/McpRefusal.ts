import { Data } from "effect"
import type { RequestId } from "../domain/JsonRpc.ts"
import { encodeError } from "../domain/JsonRpc.ts"
import type { McpAnswer } from "./McpAnswer.ts"
import { jsonAnswer } from "./McpAnswer.ts"

/**
 * An answer of the MCP endpoint other than the child's: a status, and a JSON-RPC error whose sentence tells a person
 * what to do. The request's id is echoed where it could be read.
 */
export class McpRefusal extends Data.TaggedError("McpRefusal")<{
  readonly status: number
  readonly code: number
  readonly message: string
  readonly data?: unknown
  readonly id?: RequestId | undefined
  readonly headers?: Readonly<Record<string, string>>
}> {
  get answer(): McpAnswer {
    return jsonAnswer(encodeError(this.id, this.code, this.message, this.data), this.status, this.headers)
  }
}
