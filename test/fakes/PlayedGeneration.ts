import { Duration, Effect, Exit, Mailbox } from "effect"
import { GrantId } from "../../src/domain/Ids.ts"
import type { JsonObject, Request } from "../../src/domain/JsonRpc.ts"
import { CallChannel } from "../../src/layers/CallChannel.ts"
import { makeGeneration } from "../../src/layers/Generation.ts"
import { ChildGone } from "../../src/services/Children.ts"

export type Line = JsonObject & { readonly id?: string | number; readonly method?: string; readonly params?: JsonObject }

/** A deadline that a test watches and fires. */
export interface Fuse {
  readonly fire: Effect.Effect<void>
  extended: number
  stopped: number
}

const parse = (line: string) => JSON.parse(line) as Line
const grant = GrantId.make("grant")

/** Lets everybody do what they can do without anything happening. */
export const quiet = Effect.repeatN(Effect.yieldNow(), 50)

/** What has come on a call's stream until now, parsed. */
export const eventsOf = (channel: CallChannel): Effect.Effect<ReadonlyArray<Line>> =>
  Effect.map(Effect.timeoutTo(channel.take, { duration: 0, onTimeout: () => [], onSuccess: (events) => events }), (events) => events.map(({ line }) => parse(line)))

/** A generation whose child, session and clock a test plays. It serves at once, unless it is told to wait. */
export const playedGeneration = ({ isServing = true, mayAsk = () => true }: { readonly isServing?: boolean; readonly mayAsk?: (method: string) => boolean } = {}) =>
  Effect.gen(function*() {
    const lines = yield* Mailbox.make<string, ChildGone>()
    const session = {
      /** What the child was sent, and what went to the session's own stream. */
      sent: new Array<Line>(),
      published: new Array<Line>(),
      hasStream: false,
      /** Whether what goes to that stream is taken. */
      isRead: true,
      /** Requests of the child that the session counts as open. */
      open: 0,
      fuses: new Array<Fuse>(),
      /** What its child's pipe waits for before it takes a line. */
      pipe: Effect.void
    }
    const generation = yield* makeGeneration({
      child: {
        pid: 0,
        send: (line) => Effect.zipRight(Effect.suspend(() => session.pipe), Effect.sync(() => void session.sent.push(parse(line)))),
        takeLines: Effect.map(lines.takeAll, ([taken]) => taken),
        kill: Effect.void,
        exited: Effect.never
      },
      deadlines: {
        start: (expired) => {
          const fuse: Fuse = { fire: Effect.suspend(expired), extended: 0, stopped: 0 }
          session.fuses.push(fuse)
          return { extend: () => void fuse.extended++, stop: () => void fuse.stopped++ }
        }
      },
      callTimeout: Duration.minutes(1),
      onUnrelated: () => {},
      mayAsk,
      mayWait: true,
      hasStream: () => session.hasStream,
      publish: (line) => session.isRead && session.published.push(parse(line)) > 0,
      opened: Effect.sync(() => void session.open++),
      closed: Effect.sync(() => void session.open--)
    })
    if (isServing) yield* generation.asks.serve
    return {
      generation,
      session,
      /** A call that a client makes: its stream. */
      call: (id: string | number, { isStreamed = true, ...changes }: Partial<Request> & { readonly isStreamed?: boolean } = {}) => {
        const channel = new CallChannel(isStreamed)
        const request: Request = { _tag: "Request", id, method: "tools/call", params: undefined, ...changes }
        return Effect.as(generation.begin(request, () => Effect.void, channel, grant), channel)
      },
      /** The child writes; afterwards everything is as it stays. */
      say: (...messages: ReadonlyArray<unknown>) =>
        Effect.zipRight(Effect.sync(() => lines.unsafeOfferAll(messages.map((message) => typeof message === "string" ? message : JSON.stringify(message)))), quiet),
      /** The session's own stream opens. */
      openStream: Effect.sync(() => {
        session.hasStream = true
        generation.asks.onStream()
      }),
      die: Effect.zipRight(Effect.sync(() => lines.unsafeDone(Exit.fail(new ChildGone({ code: 1, signal: null })))), generation.gone)
    }
  })

export type Played = Effect.Effect.Success<ReturnType<typeof playedGeneration>>

/** A request of the child. */
export const asking = (id: string | number, method = "sampling/createMessage", params: unknown = { n: id }) => ({ jsonrpc: "2.0", id, method, params })

/** What the child was answered. */
export const answersTo = ({ session }: Pick<Played, "session">) => session.sent.filter(({ method }) => method === undefined)

/** One question on the stream of the only call. */
export const askedInCall = (id: string | number = 7, method?: string, params?: unknown) =>
  Effect.gen(function*() {
    const played = yield* playedGeneration()
    const call = yield* played.call("c")
    yield* played.say(asking(id, method, params))
    const [question] = yield* eventsOf(call)
    return { ...played, call, question, id: String(question?.id) }
  })
