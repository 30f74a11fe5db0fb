import type { Effect } from "effect"
import type { GrantId } from "../domain/Ids.ts"
import type { JsonObject, Request, RequestId } from "../domain/JsonRpc.ts"
import type { Deadline } from "../services/Deadlines.ts"
import type { CallSink } from "./CallSink.ts"

/** How a call came to its end: by what the child said, or without the child, which was told (`abandoned`) and may be at it still. */
export type Outcome = "granted" | "refused" | "abandoned" | "given up"
export type Settled = (outcome: Outcome) => Effect.Effect<void>

/** A request that the child has and has not answered. */
export interface InFlightCall {
  /** Its id towards the child. */
  readonly id: number
  /** Its id towards the client. Two clients of one session may use the same one. */
  readonly clientId: RequestId
  readonly method: string
  /** Whose access it is made with; the broker's own calls have none. */
  readonly grantId: GrantId | undefined
  readonly clientProgressToken: RequestId | undefined
  readonly sink: CallSink
  /** Runs once, when the call has been answered or given up. */
  readonly settled: Settled
  deadline: Deadline | undefined
}

/**
 * The calls of one child. Ids and progress tokens are numbered anew, so that equal ones of two clients cannot collide
 * and nobody can guess another's.
 */
export class InFlightCalls {
  private readonly calls = new Map<number, InFlightCall>()
  private lastId = 0

  /** Registers a request, and gives it with the parameters that the child gets. */
  begin(request: Request, settled: Settled, sink: CallSink, grantId?: GrantId): { readonly call: InFlightCall; readonly params: JsonObject | undefined } {
    const id = ++this.lastId
    const token = progressToken(request.params)
    const call: InFlightCall = {
      id,
      clientId: request.id,
      method: request.method,
      grantId,
      clientProgressToken: token,
      sink,
      settled,
      deadline: undefined
    }
    this.calls.set(id, call)
    return { call, params: token === undefined ? request.params : withProgressToken(request.params, id) }
  }

  get(id: unknown): InFlightCall | undefined {
    return typeof id === "number" ? this.calls.get(id) : undefined
  }

  remove(call: InFlightCall): boolean {
    return this.calls.delete(call.id)
  }

  get size(): number {
    return this.calls.size
  }

  all(): ReadonlyArray<InFlightCall> {
    return [...this.calls.values()]
  }

  /** The one call with this client id; nothing where two have it, for the wrong one must not be cancelled. */
  byClientId(clientId: unknown): InFlightCall | undefined {
    const found = this.all().filter((call) => call.clientId === clientId)
    return found.length === 1 ? found[0] : undefined
  }

  bySink(sink: CallSink): InFlightCall | undefined {
    return this.all().find((call) => call.sink === sink)
  }

  /**
   * Whose stream a message goes to that names no request: stdio does not say which one it belongs to. That of the only call;
   * of several, none where the session's own stream is open, else that of the newest tool call.
   */
  likeliest(hasStream: boolean): InFlightCall | undefined {
    // The broker's own ask for nothing.
    const calls = this.all().filter(({ grantId }) => grantId !== undefined)
    const call = calls.length === 1 ? calls[0] : hasStream ? undefined : calls.findLast(({ method, sink }) => method === "tools/call" && sink.isStreamed)
    return call?.sink.isStreamed === true ? call : undefined
  }
}

export const metaOf = (params: JsonObject | undefined): JsonObject | undefined =>
  typeof params?._meta === "object" && params._meta !== null ? params._meta as JsonObject : undefined

export const progressToken = (params: JsonObject | undefined): RequestId | undefined => {
  const token = metaOf(params)?.progressToken
  return typeof token === "string" || typeof token === "number" ? token : undefined
}

export const withProgressToken = (params: JsonObject | undefined, token: RequestId): JsonObject => ({
  ...params,
  _meta: { ...metaOf(params), progressToken: token }
})
