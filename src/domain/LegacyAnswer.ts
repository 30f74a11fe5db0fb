import type { RequestId, Response } from "./JsonRpc.ts"
import { encodeResponse } from "./JsonRpc.ts"
import { replaceId } from "./ResponseId.ts"
import { visibleTools } from "./ToolPolicy.ts"

/** What a client of a legacy session gets: the child's line under the client's id, serialised anew only where something in it must change. */
export const legacyAnswer = (line: string, body: Response["body"], clientId: RequestId, method: string): string => {
  if ("result" in body) {
    const result = method === "tools/list" ? visibleTools(body.result) : method === "initialize" ? withoutTasks(body.result) : body.result
    if (result !== body.result) return encodeResponse(clientId, { result })
  }
  return replaceId(line, clientId) ?? encodeResponse(clientId, body)
}

/** Tasks of 2025-11-25 outlive their session, which a child cannot. */
const withoutTasks = (result: unknown): unknown => {
  if (typeof result !== "object" || result === null || !("capabilities" in result)) return result
  const { capabilities } = result
  if (typeof capabilities !== "object" || capabilities === null || !("tasks" in capabilities)) return result
  const { tasks: _, ...rest } = capabilities
  return { ...result, capabilities: rest }
}
