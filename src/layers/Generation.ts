import type { Scope } from "effect"
import { Cause, Chunk, Deferred, Duration, Effect, Either, Option } from "effect"
import type { GrantId } from "../domain/Ids.ts"
import type { Message, Notification, Request, Response } from "../domain/JsonRpc.ts"
import { classify, encodeError, encodeNotification, encodeRequest, encodeResponse, ErrorCode } from "../domain/JsonRpc.ts"
import type { Child } from "../services/Children.ts"
import { ChildGone } from "../services/Children.ts"
import type { Deadlines } from "../services/Deadlines.ts"
import type { CallSink } from "./CallSink.ts"
import type { AskingOptions, ChildAsks } from "./ChildAsks.ts"
import { makeChildAsks } from "./ChildAsks.ts"
import type { InFlightCall, Outcome, Settled } from "./InFlightCalls.ts"
import { InFlightCalls } from "./InFlightCalls.ts"

/** One child of a session, with its pump and its calls. Rotation replaces it; the session stays. */
export interface Generation {
  /**
   * Registers a request at once, in the same step in which the caller chose this generation; the effect hands it to the
   * child. It is answered exactly once: by the child, by its deadline (`initialize` has none), or because the child is gone.
   * False where the child had gone before and never got it: another one may, with another sink.
   */
  readonly begin: (request: Request, settled: Settled, sink: CallSink, grantId?: GrantId) => Effect.Effect<boolean>
  /** Gives up the call that has this sink, if it is open; the child is told. */
  readonly cancel: (sink: CallSink, reason: string) => Effect.Effect<void>
  /** Answers the calls that are made with a grant, or all, with this sentence; the child is told. */
  readonly giveUp: (sentence: string, grantId?: GrantId) => Effect.Effect<void>
  readonly notify: (notification: Notification) => Effect.Effect<void>
  /** Whether a call with this id of the client's is open. */
  readonly holds: (clientId: unknown) => boolean
  /** What it asks its client. */
  readonly asks: Pick<ChildAsks, "answer" | "onProgress" | "onStream" | "refuseUnrelated" | "serve">
  /** Completes when the child is gone, all its output has been routed and every call is answered. */
  readonly gone: Effect.Effect<ChildGone>
  /** Completes once no call is open. To be asked of a generation that gets no new ones. */
  readonly drained: Effect.Effect<void>
  /** Ends the child without its stop ladder. */
  readonly kill: Effect.Effect<void>
  /** Nothing while the child lives. Known before its calls are told. */
  readonly ended: () => Option.Option<ChildGone>
}

export interface GenerationOptions extends AskingOptions {
  readonly child: Child
  readonly deadlines: Deadlines["Type"]
  readonly callTimeout: Duration.Duration
  /** Hears what the child says that belongs to no call. Must not wait. */
  readonly onUnrelated: (line: string) => void
}

/** Lines that are routed before everybody else has a turn: a child can write tens of thousands of tiny ones at once. */
const linesPerTurn = 1000

/** Lets the event loop go round once. A yield among fibers does not: it is a microtask, and sockets and timers would wait on. */
const turn = Effect.async<void>((resume) => {
  const handle = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(handle))
})

/** Its fiber, the pump, belongs to the scope that it is made in. */
export const makeGeneration = ({ callTimeout, child, deadlines, onUnrelated, ...asking }: GenerationOptions): Effect.Effect<Generation, never, Scope.Scope> =>
  Effect.gen(function*() {
    const calls = new InFlightCalls()
    const gone = yield* Deferred.make<ChildGone>()
    const tell = (line: string) => Effect.ignore(child.send(line))
    // Dropped replies cost only the child that floods.
    const reply = (line: string) => Effect.ignore(child.send(line, "reply"))
    const asks = makeChildAsks({ ...asking, calls, deadlines, send: tell, reply })

    const drained = yield* Deferred.make<void>()
    let isRetired = false
    const lookIfDrained = Effect.suspend(() => isRetired && calls.size === 0 ? Deferred.succeed(drained, undefined) : Effect.void)

    const settle = (call: InFlightCall, line: string, outcome: Outcome): Effect.Effect<unknown> =>
      Effect.suspend(() => {
        if (!calls.remove(call)) return Effect.void
        call.deadline?.stop()
        const answered = Effect.suspend(() => {
          call.sink.complete(line)
          return isRetired ? lookIfDrained : Effect.void
        })
        const whatFollows = call.sink.ownsAsks ? Effect.zipRight(asks.refuseOf(call), answered) : answered
        // What an answer brings about is settled before anybody sees it; and whatever comes of that, it is seen.
        return Effect.uninterruptible(Effect.matchCauseEffect(call.settled(outcome), {
          onSuccess: () => whatFollows,
          onFailure: (cause) => Effect.zipRight(whatFollows, Effect.failCause(cause))
        }))
      })
    const fail = (call: InFlightCall, message: string, outcome: Outcome = "given up") => settle(call, encodeError(call.clientId, ErrorCode.internal, message), outcome)

    const onResponse = (line: string, response: Response): Effect.Effect<unknown> => {
      const call = calls.get(response.id)
      if (call === undefined) return Effect.logDebug("child.unknown_response")
      let answer: string
      try {
        answer = call.sink.render({ line, body: response.body, clientId: call.clientId, method: call.method })
      } catch {
        return fail(call, "The Forgejo tool's answer nests too deep to be passed on. The call has run.")
      }
      return settle(call, answer, isRefusal(response) ? "refused" : "granted")
    }
    const onNotification = (line: string, notification: Notification): Effect.Effect<void> => {
      switch (notification.method) {
        case "notifications/progress": {
          const call = calls.get(notification.params?.progressToken)
          if (call?.clientProgressToken === undefined) return Effect.void
          const told = { ...notification, params: { ...notification.params, progressToken: call.clientProgressToken } }
          call.sink.interim(encodeNotification(told.method, told.params), told)
          call.deadline?.extend()
          return Effect.void
        }
        case "notifications/cancelled":
          return asks.onCancelled(notification)
        case "notifications/message": {
          const call = calls.likeliest(asking.hasStream())
          if (call === undefined) onUnrelated(line)
          else call.sink.interim(line, notification)
          return Effect.void
        }
        default:
          return Effect.sync(() => onUnrelated(line))
      }
    }
    const onMessage = (line: string, message: Message): Effect.Effect<unknown> => {
      switch (message._tag) {
        case "Response":
          return onResponse(line, message)
        case "Request":
          return message.method === "ping" ? reply(encodeResponse(message.id, { result: {} })) : asks.onRequest(line, message)
        case "Notification":
          return onNotification(line, message)
      }
    }
    const onLine = (line: string): Effect.Effect<unknown> => {
      try {
        const message = classify(JSON.parse(line))
        return Either.isRight(message) ? onMessage(line, message.right) : garbage
      } catch {
        // JSON.parse takes any depth, JSON.stringify overflows the stack: what cannot be written anew is no message.
        return garbage
      }
    }
    const onLines = (lines: Chunk.Chunk<string>): Effect.Effect<unknown> =>
      lines.length === 1
        ? onLine(Chunk.unsafeHead(lines))
        : lines.length <= linesPerTurn
        ? Effect.forEach(lines, onLine, { discard: true })
        : Effect.forEach(Chunk.chunksOf(lines, linesPerTurn), (some) => Effect.zipRight(Effect.forEach(some, onLine, { discard: true }), turn), {
          discard: true
        })

    const lost = "The Forgejo tool process ended before it answered. The call may have run; look before you repeat it."
    let ended = Option.none<ChildGone>()
    const end = (cause: Cause.Cause<ChildGone>) =>
      Effect.suspend(() => {
        const how = Option.getOrElse(Cause.failureOption(cause), () => new ChildGone({ code: null, signal: null }))
        ended = Option.some(how)
        // What was asked on a call's stream is taken back there: nothing follows the call's own answer.
        return asks.withdrawAll("The Forgejo tool process ended.").pipe(
          Effect.zipRight(Effect.forEach(calls.all(), (call) => fail(call, lost), { discard: true })),
          Effect.zipRight(Deferred.succeed(gone, how))
        )
      })
    // Without the turn that `forever` gives others each time: what is taken comes from a pipe, and each read is a turn of its own.
    const pump: Effect.Effect<never, ChildGone> = Effect.flatMap(child.takeLines, (lines) => Effect.zipRight(onLines(lines), pump))
    yield* pump.pipe(
      Effect.tapErrorCause((cause) => Cause.isDie(cause) ? Effect.logError("child.pump_died", cause) : Effect.void),
      Effect.onError((cause) => Cause.isInterruptedOnly(cause) ? Effect.void : end(cause)),
      Effect.interruptible,
      Effect.forkScoped
    )
    // When the generation closes, whoever still waits gets an answer.
    yield* Effect.addFinalizer(() =>
      Effect.zipRight(asks.withdrawAll(sessionOver), Effect.suspend(() => Effect.forEach(calls.all(), (call) => fail(call, sessionEnded), { discard: true }))))

    const minutes = Duration.format(callTimeout)
    const cancel = (call: InFlightCall, sentence: string, reason: string) =>
      Effect.zipRight(fail(call, sentence, "abandoned"), tell(encodeNotification("notifications/cancelled", { requestId: call.id, reason })))
    const expire = (call: InFlightCall) =>
      cancel(call, `No answer within ${minutes}. The call was given up; it may still have run. The limit is the broker's CALL_TIMEOUT.`, "timeout")
    // Apart from `begin`: the deadline lasts as long as the call, and what is made there would hold the whole request.
    const watch = (call: InFlightCall) => {
      call.deadline = deadlines.start(() => expire(call))
    }
    const stalled = "The Forgejo tool process does not read its input; the call did not reach it. Try again later."

    return {
      gone: Deferred.await(gone),
      kill: child.kill,
      ended: () => ended,
      drained: Effect.suspend(() => {
        isRetired = true
        return Effect.zipRight(lookIfDrained, Deferred.await(drained))
      }),
      holds: (clientId) => calls.all().some((call) => call.clientId === clientId),
      giveUp: (sentence, grantId) =>
        Effect.zipRight(
          grantId === undefined ? asks.withdrawAll(sessionOver) : Effect.void,
          Effect.suspend(() => Effect.forEach(calls.all().filter((call) => grantId === undefined || call.grantId === grantId), (call) =>
            cancel(call, sentence, "given up"), { discard: true }))
        ),
      asks,
      cancel: (sink, reason) =>
        Effect.suspend(() => {
          const call = calls.bySink(sink)
          return call === undefined ? Effect.void : Effect.asVoid(cancel(call, "Cancelled by the client.", reason))
        }),
      begin: (request, settled, sink, grantId) => {
        const { call, params } = calls.begin(request, settled, sink, grantId)
        const line = encodeRequest(call.id, request.method, params)
        // A start has a limit of its own, which also stops the child.
        const hasDeadline = request.method !== "initialize"
        // One step as far as interruption goes.
        return Effect.uninterruptible(Effect.suspend(() => {
          if (hasDeadline) watch(call)
          if (Option.isSome(ended)) return Effect.as(fail(call, lost), false)
          return Effect.matchEffect(child.send(line), {
            onFailure: ({ _tag }) => _tag === "ChildGone" ? Effect.as(fail(call, lost), false) : Effect.as(fail(call, stalled), true),
            // A pipe may take a line although its reader has just gone.
            onSuccess: () => {
              const follows = Option.isSome(ended) ? fail(call, lost) : asks.onCall(call)
              return follows === undefined ? Effect.succeed(true) : Effect.as(follows, true)
            }
          })
        }))
      },
      notify: (notification) =>
        Effect.suspend(() => {
          if (notification.method !== "notifications/cancelled") {
            return child.send(encodeNotification(notification.method, notification.params))
          }
          const call = calls.byClientId(notification.params?.requestId)
          // The specification forbids to cancel initialize.
          if (call === undefined || call.method === "initialize") return Effect.void
          return Effect.zipRight(
            child.send(encodeNotification(notification.method, { ...notification.params, requestId: call.id })),
            fail(call, "Cancelled by the client.", "abandoned")
          )
        }).pipe(Effect.ignore)
    }
  })

/** What is told to whoever waits for an answer of a session that ends or is parked meanwhile. */
export const sessionEnded = "The session ended before the call was answered."

const sessionOver = "The session ended."

const garbage = Effect.logDebug("child.garbage")

/** Whether the child refused: by an error, or by a tool's result that says so (gitea-mcp). */
const isRefusal = ({ body }: Response): boolean =>
  "error" in body || (typeof body.result === "object" && body.result !== null && "isError" in body.result && body.result.isError === true)
