import { Effect } from "effect"
import type { JsonObject, Notification, Request, RequestId, Response } from "../domain/JsonRpc.ts"
import { encodeError, encodeNotification, encodeRequest, encodeResponse, ErrorCode } from "../domain/JsonRpc.ts"
import { replaceId } from "../domain/ResponseId.ts"
import { randomHex } from "../domain/Secrets.ts"
import type { Deadline, Deadlines } from "../services/Deadlines.ts"
import { maxWaiting } from "./CallChannel.ts"
import type { Ask } from "./CallSink.ts"
import type { InFlightCall, InFlightCalls } from "./InFlightCalls.ts"
import { progressToken, withProgressToken } from "./InFlightCalls.ts"

/** How the requests of one child reach its client. */
export interface AskingOptions {
  /** Whether the client has declared that it can be asked this. */
  readonly mayAsk: (method: string) => boolean
  /** Whether a request that belongs to no call may wait for a stream; else it is refused. */
  readonly mayWait: boolean
  /** Whether the session's own stream is open. */
  readonly hasStream: () => boolean
  /** To the session's own stream. */
  readonly publish: (line: string) => boolean
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
/** Bytes of an id: as many as a session's has bits to guess. */
const idBytes = 24

const unheard = "The client reads no stream: it can be asked where its POST accepts text/event-stream, or where it has a GET stream open."

const unread = "The client does not read what it is sent."
const homeless = "Nobody can be asked outside of a call."

const keyOf = (id: RequestId): string => JSON.stringify(id)

/**
 * The requests of one child towards its client. They get ids of ours, which no client can guess and no other child has; so
 * do their progress tokens. Each goes to exactly one stream. One that finds none waits for the next that opens, and like
 * every other for its deadline at most. What changes here and what the session counts change in one step as far as
 * interruption goes: whoever answers may hang up.
 */
export const makeChildAsks = (options: AskingOptions & {
  readonly deadlines: Deadlines["Type"]
  readonly calls: InFlightCalls
  /** Hands a line to the child. */
  readonly send: (line: string) => Effect.Effect<void>
  /** The same for a child that may flood: what it does not read may be lost. */
  readonly reply: (line: string) => Effect.Effect<void>
}) => {
  const { calls, closed, deadlines, hasStream, mayAsk, mayWait, opened, publish, reply, send } = options
  const open = new Map<string, OpenAsk>()
  const byChildId = new Map<string, OpenAsk>()
  /** Those that no stream could take yet, oldest first. */
  let waiting: ReadonlyArray<OpenAsk> = []
  /** `starting`: the client's answers would not come here yet. */
  let phase: "starting" | "serving" | "over" = "starting"

  const remove = (ask: OpenAsk): boolean => {
    if (!open.delete(ask.id)) return false
    byChildId.delete(keyOf(ask.childId))
    return true
  }
  const close = (ask: OpenAsk) => {
    ask.deadline?.stop()
    return closed
  }
  // A call goes on where it had to wait for a person. Which one that is, is not known of what went to the session's own stream.
  const extendCalls = ({ call }: OpenAsk): Effect.Effect<void> =>
    Effect.sync(() => {
      for (const { deadline } of call === undefined ? calls.all() : [call]) deadline?.extend()
    })
  const answer = (ask: OpenAsk, body: Response["body"]): Effect.Effect<boolean> =>
    Effect.uninterruptible(Effect.suspend(() =>
      remove(ask)
        ? extendCalls(ask).pipe(Effect.zipRight(send(encodeResponse(ask.childId, body))), Effect.zipRight(close(ask)), Effect.as(true))
        : Effect.succeed(false)
    ))
  const tellWithdrawn = (ask: OpenAsk, reason: string) => {
    const wasWaiting = waiting.includes(ask)
    waiting = waiting.filter((other) => other !== ask)
    if (wasWaiting) return
    const line = encodeNotification("notifications/cancelled", { requestId: ask.id, reason })
    if (ask.call === undefined || calls.get(ask.call.id) === undefined) publish(line)
    else ask.call.sink.withdrawn(ask, line)
  }
  /** False where it has been answered or taken back before. */
  const withdraw = (ask: OpenAsk, reason: string): Effect.Effect<boolean> =>
    Effect.uninterruptible(Effect.suspend(() => {
      if (!remove(ask)) return Effect.succeed(false)
      tellWithdrawn(ask, reason)
      return Effect.as(close(ask), true)
    }))
  const refuse = (ask: OpenAsk, reason: string): Effect.Effect<void> =>
    Effect.asVoid(Effect.uninterruptible(Effect.whenEffect(
      // The call gets the time to say what it makes of that.
      Effect.zipRight(extendCalls(ask), send(encodeError(ask.childId, ErrorCode.internal, reason))),
      withdraw(ask, reason)
    )))

  const refused = (line: string, { id, method }: Request): Effect.Effect<void> | undefined => {
    if (!mayAsk(method)) return reply(encodeError(id, ErrorCode.methodNotFound, `The client has not declared that it can be asked for "${method}".`))
    if (byChildId.has(keyOf(id))) return reply(encodeError(id, ErrorCode.invalidRequest, "A request with this id is still open."))
    if (open.size >= maxOpen) return reply(encodeError(id, ErrorCode.internal, `${maxOpen} requests wait for the client already.`))
    // With the longer id that it gets. It would be left out of any stream, and be waited for in vain.
    if (line.length + 2 * idBytes > maxWaiting) return reply(encodeError(id, ErrorCode.internal, `The request is longer than the ${maxWaiting} characters that may wait for the client.`))
    return undefined
  }
  const begin = (line: string, request: Request): OpenAsk => {
    const id = randomHex(idBytes)
    const childToken = progressToken(request.params)
    const params: JsonObject | undefined = childToken === undefined ? request.params : withProgressToken(request.params, id)
    const ask: OpenAsk = {
      id,
      childId: request.id,
      childToken,
      method: request.method,
      params,
      line: (childToken === undefined ? replaceId(line, id) : undefined) ?? encodeRequest(id, request.method, params),
      call: undefined,
      deadline: undefined,
      answer: (body) => answer(ask, body)
    }
    open.set(id, ask)
    byChildId.set(keyOf(request.id), ask)
    return ask
  }
  /** JSON.parse takes any depth, JSON.stringify overflows the stack. */
  const attempt = (line: string, request: Request): OpenAsk | undefined => {
    try {
      return begin(line, request)
    } catch {
      return undefined
    }
  }
  /** It never went out, as those that wait: nobody is told that it is taken back. */
  const refuseUnread = (ask: OpenAsk): Effect.Effect<void> => {
    waiting = [...waiting, ask]
    return refuse(ask, unread)
  }
  const toCall = (ask: OpenAsk, call: InFlightCall): Effect.Effect<void> => {
    ask.call = call
    return Effect.flatMap(call.sink.asked(ask), (isTaken) => isTaken ? extendCalls(ask) : refuseUnread(ask))
  }
  const toStream = (ask: OpenAsk): Effect.Effect<void> => publish(ask.line) ? extendCalls(ask) : refuseUnread(ask)
  /** Whether the client waits for answers, and reads nothing but those. */
  const readsNoStream = (): boolean => {
    const itsCalls = calls.all().filter(({ grantId }) => grantId !== undefined)
    return itsCalls.length > 0 && itsCalls.every(({ sink }) => !sink.isStreamed)
  }
  const deliver = (ask: OpenAsk): Effect.Effect<void> =>
    Effect.suspend(() => {
      const call = phase === "serving" ? calls.likeliest(hasStream()) : undefined
      if (call !== undefined) return toCall(ask, call)
      if (phase === "serving" && hasStream()) return toStream(ask)
      waiting = [...waiting, ask]
      if (phase === "serving" && !mayWait) return refuse(ask, homeless)
      if (phase === "serving" && readsNoStream()) return refuse(ask, unheard)
      return extendCalls(ask)
    })
  const takeWaiting = (): ReadonlyArray<OpenAsk> => {
    const all = waiting
    waiting = []
    return all
  }

  return {
    /** From here on its client's answers come here; what has been asked until now goes out. */
    serve: Effect.suspend(() => {
      if (phase === "starting") phase = "serving"
      return Effect.forEach(takeWaiting(), deliver, { discard: true })
    }),
    /** The child asks. */
    onRequest: (line: string, request: Request): Effect.Effect<void> =>
      Effect.uninterruptible(Effect.suspend(() => {
        if (phase === "over") return Effect.void
        const no = refused(line, request)
        if (no !== undefined) return no
        const ask = attempt(line, request)
        if (ask === undefined) return reply(encodeError(request.id, ErrorCode.internal, "The request nests too deep to be passed on."))
        ask.deadline = deadlines.start(() => refuse(ask, "The client did not answer in time."))
        return Effect.zipRight(opened, Effect.suspend(() => open.has(ask.id) ? deliver(ask) : Effect.void))
      })),
    /** The child takes a request back, by its own id. */
    onCancelled: ({ params }: Notification): Effect.Effect<void> =>
      Effect.suspend(() => {
        const id = params?.requestId
        const ask = typeof id === "string" || typeof id === "number" ? byChildId.get(keyOf(id)) : undefined
        return ask === undefined ? Effect.void : Effect.asVoid(withdraw(ask, typeof params?.reason === "string" ? params.reason : "The server asks no longer."))
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
        ask.deadline?.extend()
        return extendCalls(ask).pipe(
          Effect.zipRight(send(encodeNotification(method, { ...params, progressToken: ask.childToken }))),
          Effect.as(true)
        )
      }),
    /** The session's own stream has opened: what waited for one goes there, as much as may wait for its reader. */
    onStream: (): void => void (waiting = waiting.filter(({ line }) => !publish(line))),
    /** A call has begun whose stream can take what waited for one; nothing where nothing does. */
    onCall: (call: InFlightCall): Effect.Effect<void> | undefined => {
      if (phase !== "serving" || !call.sink.isStreamed || waiting.length === 0 || calls.get(call.id) !== call) return undefined
      return Effect.forEach(takeWaiting(), (ask) => toCall(ask, call), { discard: true })
    },
    /** Another child takes over: what belongs to no call is asked no longer. */
    refuseUnrelated: (reason: string): Effect.Effect<void> =>
      Effect.suspend(() => Effect.forEach([...open.values()].filter(({ call }) => call === undefined), (ask) => refuse(ask, reason), { discard: true })),
    /** A call is over that the requests of the child belonged to: nobody could answer them any more. */
    refuseOf: (call: InFlightCall): Effect.Effect<void> =>
      Effect.suspend(() => Effect.forEach([...open.values()].filter((ask) => ask.call === call), (ask) => refuse(ask, "The call is over."), { discard: true })),
    /** The child is gone: nothing is asked any more. */
    withdrawAll: (reason: string): Effect.Effect<void> =>
      Effect.suspend(() => {
        phase = "over"
        return Effect.forEach([...open.values()], (ask) => withdraw(ask, reason), { discard: true })
      })
  }
}

export type ChildAsks = ReturnType<typeof makeChildAsks>
