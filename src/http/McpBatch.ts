import { Chunk, Effect, Either, Option, type Redacted, Stream } from "effect"
import type { Batch } from "../domain/Batch.ts"
import type { Notification, Request, RequestId, Response } from "../domain/JsonRpc.ts"
import { encodeError } from "../domain/JsonRpc.ts"
import { signsOfLife } from "../services/Schedules.ts"
import type { Call, CallEvent, EventStream } from "../services/Sessions.ts"
import type { Failure } from "./McpFailures.ts"
import type { McpAnswer } from "./McpAnswer.ts"
import { eventsAnswer, jsonAnswer } from "./McpAnswer.ts"
import type { McpRefusal } from "./McpRefusal.ts"
import type { Accepted } from "./McpRequest.ts"
import { plainStream } from "./Sse.ts"

/** All that a batch needs of a call. */
type Answering = Pick<Call, "take">

/** The ways that the messages of one POST go, be they one or several. */
export interface Ways<C extends Answering = Answering> {
  readonly call: (request: Request) => Effect.Effect<{ readonly call: C; readonly opened: Redacted.Redacted | undefined }, Failure>
  readonly notify: (notification: Notification) => Effect.Effect<void, Failure>
  readonly respond: (response: Response) => Effect.Effect<unknown, Failure | McpRefusal>
  /** What a failure looks like over the wire. */
  readonly refuse: (failure: Failure | McpRefusal, id: RequestId | undefined) => McpRefusal
}

/** What became of a batch: one call for each element that is to be answered. */
export interface Dispatched {
  readonly calls: ReadonlyArray<Answering>
  /** The id of the session that was opened for it. */
  readonly opened: Redacted.Redacted | undefined
}

const answered = (line: string): Answering => ({ take: Effect.succeed([{ line, final: true }]) })

/**
 * Sends the elements on their ways, in their order. A failure with an HTTP status of its own (session, sign-in, caps) is
 * the answer to the whole batch as long as no request has got through, so that a client sees it as it would for a single
 * message; later it is the answer to its element. What is not to be answered fails the batch only where nothing is.
 */
export const dispatchBatch = ({ elements }: Batch, ways: Ways): Effect.Effect<Dispatched, McpRefusal> =>
  Effect.gen(function*() {
    const calls: Array<Answering> = []
    let opened: Redacted.Redacted | undefined
    let hasGotThrough = false
    let unanswered: McpRefusal | undefined
    for (const element of elements) {
      if (Either.isLeft(element)) {
        calls.push(answered(encodeError(element.left.id, element.left.code, element.left.message)))
        continue
      }
      const message = element.right
      if (message._tag === "Request") {
        const made = yield* Effect.either(ways.call(message))
        if (Either.isRight(made)) {
          hasGotThrough = true
          opened ??= made.right.opened
          calls.push(made.right.call)
          continue
        }
        const refusal = ways.refuse(made.left, undefined)
        if (refusal.status !== 200 && !hasGotThrough) return yield* refusal
        calls.push(answered(encodeError(message.id, refusal.code, refusal.message)))
      } else {
        const sent = yield* Effect.either<unknown, Failure | McpRefusal, never>(message._tag === "Notification" ? ways.notify(message) : ways.respond(message))
        if (Either.isLeft(sent)) unanswered ??= ways.refuse(sent.left, undefined)
      }
    }
    if (calls.length === 0 && unanswered !== undefined) return yield* unanswered
    return { calls, opened }
  })

const eventsOf = (call: Answering): Stream.Stream<CallEvent> =>
  Stream.paginateChunkEffect(undefined, () =>
    Effect.map(call.take, (events) => [Chunk.unsafeFromArray(events), events.some(({ final }) => final) ? Option.none() : Option.some(undefined)]))

/**
 * One answer for calls that are in flight at the same time: a JSON array of their responses, or a stream where something
 * precedes one of them or nothing comes for long, and the client reads streams. Responses come as they are made. The fibers
 * that listen to the calls belong to the request's scope. Such a stream cannot be resumed, for it is many.
 */
export const answerCalls = Effect.fnUntraced(function*(calls: Dispatched["calls"], accept: Accepted, headers: McpAnswer["headers"] | undefined) {
  const silence = Stream.as(Stream.fromSchedule(signsOfLife), undefined)
  const pull = yield* Stream.toPull(Stream.merge(Stream.mergeAll(calls.map(eventsOf), { concurrency: "unbounded" }), silence, { haltStrategy: "left" }))
  let responses = 0
  const take: EventStream["take"] = pull.pipe(
    // Nobody takes behind the last response.
    Effect.orDie,
    Effect.map((events) => Chunk.toReadonlyArray(events).flatMap((event) => {
      if (event === undefined || !(event.final || accept.sse)) return []
      if (event.final) responses++
      return [{ line: event.line, final: event.final && responses === calls.length }]
    }))
  )
  const taken: Array<CallEvent> = []
  let isSilent: boolean
  do {
    const events = yield* take
    isSilent = events.length === 0
    taken.push(...events)
  } while (responses < calls.length && (!accept.sse || (accept.json && !isSilent && taken.length === responses)))
  return accept.json && taken.length === responses && responses === calls.length
    ? jsonAnswer(`[${taken.map(({ line }) => line).join(",")}]`, 200, headers)
    : eventsAnswer(plainStream(taken, take), headers)
})
