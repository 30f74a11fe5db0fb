import { Effect } from "effect"
import type { JsonObject, Notification, Request, RequestId, Response } from "../domain/JsonRpc.ts"
import { encodeError, encodeNotification, encodeRequest, encodeResponse, ErrorCode } from "../domain/JsonRpc.ts"
import { replaceId } from "../domain/ResponseId.ts"
import { randomHex } from "../domain/Secrets.ts"
import type { Deadline, Deadlines } from "../services/Deadlines.ts"
import type { Ask } from "./CallSink.ts"
import type { InFlightCall, InFlightCalls } from "./InFlightCalls.ts"
import { progressToken, withProgressToken } from "./InFlightCalls.ts"

/** How the requests of one child reach its client. */
export interface AskingOptions {
  /** Whether the client has declared that it can be asked this. */
  readonly mayAsk: (method: string) => boolean
  /** Whether the session's own stream is open. */
  readonly hasStream: () => boolean
  /** To the session's own stream. */
  readonly publish: (line: string) => void
  /** A request of the child has come, or has been answered or given up. */
  readonly opened: Effect.Effect<void>
  readonly closed: Effect.Effect<void>
}

interface OpenAsk extends Ask {
  readonly childId: RequestId
  readonly childToken: RequestId | undefined
  /** The call on whose stream it went. */
  call: InFlightCall | undefined
  deadline: Deadline | undefined
}

/** Requests of one child that may wait for its client; more are refused. */
const maxOpen = 64

const keyOf = (id: RequestId): string => JSON.stringify(id)

/**
 * The requests of one child towards its client. They get ids of ours, which no client can guess and no other child has; so
 * do their progress tokens. Each goes to exactly one stream. One that finds none waits for the next that opens, and like
 * every other for its deadline at most.
 */
export const makeChildAsks = (options: AskingOptions & {
  readonly deadlines: Deadlines["Type"]
  readonly calls: InFlightCalls
  /** Hands a line to the child. */
  readonly send: (line: string) => Effect.Effect<void>
  /** The same for a child that may flood: what it does not read may be lost. */
  readonly reply: (line: string) => Effect.Effect<void>
}) => {
  const { calls, closed, deadlines, hasStream, mayAsk, opened, publish, reply, send } = options
  const prefix = randomHex(4)
  let lastId = 0
  const open = new Map<string, OpenAsk>()
  const byChildId = new Map<string, OpenAsk>()
  /** Those that no stream could take yet, oldest first. */
  let waiting: ReadonlyArray<OpenAsk> = []

  const remove = (ask: OpenAsk): boolean => {
    if (!open.delete(ask.id)) return false
    byChildId.delete(keyOf(ask.childId))
    return true
  }
  const close = (ask: OpenAsk) => Effect.zipRight(ask.deadline?.stop ?? Effect.void, closed)
  const answer = (ask: OpenAsk, body: Response["body"]): Effect.Effect<boolean> =>
    Effect.suspend(() => {
      if (!remove(ask)) return Effect.succeed(false)
      // The call goes on where it had to wait for a person.
      return (ask.call?.deadline?.extend ?? Effect.void).pipe(
        Effect.zipRight(send(encodeResponse(ask.childId, body))),
        Effect.zipRight(close(ask)),
        Effect.as(true)
      )
    })
  const tellWithdrawn = (ask: OpenAsk, reason: string) => {
    const wasWaiting = waiting.includes(ask)
    waiting = waiting.filter((other) => other !== ask)
    if (wasWaiting) return
    const line = encodeNotification("notifications/cancelled", { requestId: ask.id, reason })
    if (ask.call === undefined || calls.get(ask.call.id) === undefined) publish(line)
    else ask.call.sink.withdrawn(ask.id, line)
  }
  const withdraw = (ask: OpenAsk, reason: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (!remove(ask)) return Effect.void
      tellWithdrawn(ask, reason)
      return close(ask)
    })
  const refuse = (ask: OpenAsk, reason: string): Effect.Effect<void> =>
    Effect.zipRight(withdraw(ask, reason), send(encodeError(ask.childId, ErrorCode.internal, reason)))

  const refused = ({ id, method }: Request): Effect.Effect<void> | undefined => {
    if (!mayAsk(method)) return reply(encodeError(id, ErrorCode.methodNotFound, `The client has not declared that it can be asked for "${method}".`))
    if (byChildId.has(keyOf(id))) return reply(encodeError(id, ErrorCode.invalidRequest, "A request with this id is still open."))
    if (open.size >= maxOpen) return reply(encodeError(id, ErrorCode.internal, `${maxOpen} requests wait for the client already.`))
    return undefined
  }
  const begin = (line: string, request: Request): OpenAsk => {
    const id = `${prefix}-${++lastId}`
    const childToken = progressToken(request.params)
    const params: JsonObject | undefined = childToken === undefined ? request.params : withProgressToken(request.params, id)
    const ask: OpenAsk = {
      id,
      childId: request.id,
      childToken,
      method: request.method,
      params,
      line: (childToken === undefined ? replaceId(line, id) : undefined) ?? encodeRequest(id, request.method, params),
      call: calls.likeliest(hasStream()),
      deadline: undefined,
      answer: (body) => answer(ask, body)
    }
    open.set(id, ask)
    byChildId.set(keyOf(request.id), ask)
    return ask
  }
  const deliver = (ask: OpenAsk) => {
    if (ask.call !== undefined) ask.call.sink.asked(ask)
    else if (hasStream()) publish(ask.line)
    else waiting = [...waiting, ask]
  }

  return {
    /** The child asks. */
    onRequest: (line: string, request: Request): Effect.Effect<void> =>
      Effect.suspend(() => {
        const no = refused(request)
        if (no !== undefined) return no
        const ask = begin(line, request)
        return deadlines.start(refuse(ask, "The client did not answer in time.")).pipe(
          Effect.tap((deadline) => {
            ask.deadline = deadline
            return ask.call?.deadline?.extend ?? Effect.void
          }),
          Effect.zipRight(opened),
          Effect.zipRight(Effect.sync(() => deliver(ask)))
        )
      }),
    /** The child takes a request back, by its own id. */
    onCancelled: ({ params }: Notification): Effect.Effect<void> =>
      Effect.suspend(() => {
        const id = params?.requestId
        const ask = typeof id === "string" || typeof id === "number" ? byChildId.get(keyOf(id)) : undefined
        return ask === undefined ? Effect.void : withdraw(ask, typeof params?.reason === "string" ? params.reason : "The server asks no longer.")
      }),
    /** The client has answered. False where nothing with this id is open. */
    answer: (id: RequestId, body: Response["body"]): Effect.Effect<boolean> =>
      Effect.suspend(() => {
        const ask = typeof id === "string" ? open.get(id) : undefined
        return ask === undefined ? Effect.succeed(false) : answer(ask, body)
      }),
    /** The client makes progress with a request. False where it is none of this child. */
    onProgress: ({ method, params }: Notification): Effect.Effect<boolean> =>
      Effect.suspend(() => {
        const ask = typeof params?.progressToken === "string" ? open.get(params.progressToken) : undefined
        if (ask?.childToken === undefined) return Effect.succeed(false)
        return (ask.deadline?.extend ?? Effect.void).pipe(
          Effect.zipRight(ask.call?.deadline?.extend ?? Effect.void),
          Effect.zipRight(send(encodeNotification(method, { ...params, progressToken: ask.childToken }))),
          Effect.as(true)
        )
      }),
    /** The session's own stream has opened: what waited for one goes there. */
    onStream: (): void => {
      const all = waiting
      waiting = []
      for (const { line } of all) publish(line)
    },
    /** A call has begun whose stream can take what waited for one. */
    onCall: (call: InFlightCall): void => {
      if (!call.sink.isStreamed || waiting.length === 0) return
      const all = waiting
      waiting = []
      for (const ask of all) {
        ask.call = call
        call.sink.asked(ask)
      }
    },
    /** Another child takes over: what belongs to no call is asked no longer. */
    refuseUnrelated: (reason: string): Effect.Effect<void> =>
      Effect.suspend(() => Effect.forEach([...open.values()].filter(({ call }) => call === undefined), (ask) => refuse(ask, reason), { discard: true })),
    /** The child is gone. */
    withdrawAll: (reason: string): Effect.Effect<void> =>
      Effect.suspend(() => Effect.forEach([...open.values()], (ask) => withdraw(ask, reason), { discard: true }))
  }
}

export type ChildAsks = ReturnType<typeof makeChildAsks>
