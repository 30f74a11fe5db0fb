import { encodeError, ErrorCode } from "./JsonRpc.ts"

/** Objects and lists in one message of a child. Parsed, an empty one takes twenty times the memory of its text. */
export const maxContainers = 1_000_000

/** What may stand before the outcome of a response. */
const responseHead = /^\s*\{(?:\s*"jsonrpc"\s*:\s*"2\.0"\s*,|\s*"id"\s*:\s*\d+\s*,)*\s*"(?:result|error)"\s*:/
const idIn = /"id"\s*:\s*(\d+)/
/** What may stand behind it. */
const responseTail = /"id"\s*:\s*(\d+)\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$/

/**
 * What stands in the place of an answer that is dropped, so that its call need not wait for its deadline: an error, where
 * the two ends of the line show a response and its id, which JSON-RPC libraries write before or behind the result.
 */
export const insteadOf = (head: string, tail: string, reason: string): string | undefined => {
  const before = responseHead.exec(head)
  if (before === null) return undefined
  const id = (idIn.exec(before[0]) ?? responseTail.exec(tail))?.[1]
  return id === undefined ? undefined : encodeError(Number(id), ErrorCode.internal, reason)
}
