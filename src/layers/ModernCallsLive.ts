import type { Scope } from "effect"
import { Effect, Either, Layer, Option, PubSub, Queue } from "effect"
import { bridgedCapabilities, discoverResult, listTtlMs } from "../domain/Discovery.ts"
import { requestOf } from "../domain/Handshake.ts"
import { readResponses } from "../domain/InputRequired.ts"
import { ErrorCode } from "../domain/JsonRpc.ts"
import type { GrantId, SessionKey } from "../domain/Ids.ts"
import { honoured } from "../domain/ListenFilter.ts"
import { callerOf } from "../domain/ModernCaller.ts"
import type { Envelope } from "../domain/ModernEnvelope.ts"
import { ModernErrorCode } from "../domain/ModernEnvelope.ts"
import { isAdvertised, mayAsk, modernMethods } from "../domain/ModernMethods.ts"
import { refusal } from "../domain/ToolPolicy.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { Deadlines } from "../services/Deadlines.ts"
import type { Grant } from "../services/Grants.ts"
import { Grants } from "../services/Grants.ts"
import type { ModernCall } from "../services/ModernCalls.ts"
import { ModernCalls, ModernRefusal, TooManyListens } from "../services/ModernCalls.ts"
import { discoveryPatience } from "../services/Schedules.ts"
import { Sealing } from "../services/Sealing.ts"
import { ServerSnapshot } from "../services/ServerSnapshot.ts"
import type { CallError } from "../services/Sessions.ts"
import type { ModernCallOptions } from "./ModernCallSink.ts"
import { ModernCallSink } from "./ModernCallSink.ts"
import { makeModernChildren } from "./ModernChildren.ts"
import { identityOf, makeRounds } from "./ModernRounds.ts"
import { SessionCore } from "./SessionCore.ts"
import { makeToolHeaders } from "./ToolHeaders.ts"

const invalid = (message: string) => new ModernRefusal({ refused: { status: 200, code: ErrorCode.invalidParams, message } })

const uselessState = invalid("params.requestState is not one that this request can be continued with: it was used, has expired, was changed, or belongs to another call. The call may have run; make it anew without requestState.")

/** A request waits for the call of this sink; `cancel` tells its child that nobody does. */
type Made = (sink: ModernCallSink, cancel: Effect.Effect<void>) => ModernCall

/** Characters of answers that come with a call, before anybody has asked. */
const maxGiven = 64 * 1024

const responsesOf = ({ inputResponses }: Envelope): Either.Either<ReadonlyMap<string, unknown>, ModernRefusal> =>
  inputResponses === undefined ? Either.right(new Map()) : Either.mapLeft(readResponses(inputResponses), invalid)

const make = Effect.gen(function*() {
  const config = yield* AppConfig
  const core = yield* SessionCore
  const grants = yield* Grants
  const snapshot = yield* ServerSnapshot
  const told = () => snapshot.current().told
  const children = makeModernChildren(core, config.maxCallsPerSession)
  const rounds = yield* makeRounds(yield* Sealing, yield* Deadlines, told)
  const checkHeaders = makeToolHeaders(children.ask, yield* Effect.scope)
  const { listens } = core

  // Of a program that nobody has named a child must say what it can do. One that cannot be started must not turn clients away.
  const known = (grant: Grant) =>
    Effect.unless(children.start(grant).pipe(Effect.ignore, Effect.timeoutOption(discoveryPatience)), () => config.childPreset !== "custom" || !snapshot.current().isGuess)

  const handleOf: Made = (sink, cancel) => {
    const { channel } = sink
    return {
      take: channel.take,
      takeSoon: channel.takeSoon,
      stream: (taken) => channel.stream(taken),
      status: () => sink.status,
      cancel: Effect.suspend(() => sink.isWaiting(channel) ? cancel : Effect.void)
    }
  }

  const checked = Effect.fnUntraced(function*(grant: Grant, { request }: Envelope, params: ReadonlyMap<string, string>) {
    if (request.method !== "tools/call") return
    const wrong = yield* checkHeaders(grant, request, params)
    if (wrong !== undefined) return yield* new ModernRefusal({ refused: { status: 400, code: ModernErrorCode.headerMismatch, message: wrong } })
  })

  /** Apart from the request: what closures hold here stays until the call is over, and parameters may be large. */
  const sinkOf = (grantId: GrantId, key: SessionKey, of: Pick<ModernCallOptions, "caller" | "identity" | "isExclusive" | "given">) => {
    const sink: ModernCallSink = new ModernCallSink({ ...of, told, makeChannel: (id) => core.streams.modernCall(id), onQuestions: () => gather() })
    const cancel = children.cancel(key, sink)
    const gather = rounds.begin({ grantId, sink, cancel })
    return { sink, cancel }
  }

  const begin = Effect.fnUntraced(function*(grant: Grant, envelope: Envelope, made: Made) {
    const { request } = envelope
    const isExclusive = config.childInteractive && mayAsk(request.method)
    const given = yield* responsesOf(envelope)
    if (isExclusive && given.size > 0 && JSON.stringify(envelope.inputResponses).length > maxGiven) {
      return yield* invalid(`params.inputResponses without requestState may have ${maxGiven} characters.`)
    }
    const caller = callerOf(envelope)
    // Only what may be asked needs one: it takes time over large parameters.
    const identity = isExclusive ? identityOf(grant.id, envelope) : ""
    let cancel = Effect.void
    const sink = yield* children.call(grant, isExclusive ? "exclusive" : "modern", request, (key) => {
      const tried = sinkOf(grant.id, key, { caller, identity, isExclusive, given: isExclusive ? given : new Map() })
      cancel = tried.cancel
      made(tried.sink, cancel)
      return tried.sink
    })
    return made(sink, cancel)
  })

  const resume = Effect.fnUntraced(function*(grant: Grant, envelope: Envelope, made: Made) {
    const found = yield* rounds.find(grant.id, envelope)
    if (Option.isNone(found)) return yield* uselessState
    const { cancel, sink, use } = found.value
    const refused = refusal(envelope.request.method, envelope.request.params)
    if (refused !== undefined) return yield* invalid(refused)
    const responses = yield* responsesOf(envelope)
    // All or nothing: a call whose state is used up and that nobody has taken up would wait for its deadline.
    return yield* Effect.uninterruptible(Effect.flatMap(use, (isFirst) =>
      isFirst ? Effect.map(sink.resume(callerOf(envelope), identityOf(grant.id, envelope), responses), () => made(sink, cancel)) : uselessState))
  })

  /** Whether the grant's shared child tells of the resource, as long as the scope is open. */
  const subscribe = (grant: Grant, uri: string): Effect.Effect<boolean, never, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.sync(() => listens.want(grant.id, uri)),
      (wanted) => Effect.suspend(() => wanted !== undefined && listens.unwant(grant.id, uri) ? children.tell(grant, requestOf({ unsubscribe: uri })) : Effect.void)
    ).pipe(Effect.flatMap((wanted) =>
      wanted === undefined || wanted.isSubscribed ? Effect.succeed(wanted !== undefined) : children.ask(grant, requestOf({ subscribe: uri })).pipe(
        Effect.map((response) => wanted.isSubscribed ||= "result" in response),
        Effect.orElseSucceed(() => false)
      )
    ))

  const ended = yield* PubSub.subscribe(grants.ended)
  yield* Queue.take(ended).pipe(
    Effect.map((grantId) => {
      listens.closeOf(grantId)
      children.forget(grantId)
    }),
    Effect.forever,
    Effect.interruptible,
    Effect.forkScoped
  )

  return ModernCalls.of({
    discover: (grant) =>
      Effect.map(known(grant), () => {
        const { isGuess, told } = snapshot.current()
        return discoverResult(told, config.childInteractive, isGuess ? 0 : listTtlMs)
      }),
    isAdvertised: (method) => {
      const { isGuess, told } = snapshot.current()
      return isGuess ? modernMethods.includes(method) : isAdvertised(method, bridgedCapabilities(told, config.childInteractive))
    },
    call: (grant, envelope, params) =>
      Effect.suspend(() => {
        let last: ModernCall | undefined
        const made: Made = (sink, cancel) => last = handleOf(sink, cancel)
        const called: Effect.Effect<ModernCall, CallError | ModernRefusal> = Effect.zipRight(
          checked(grant, envelope, params),
          Effect.suspend(() => envelope.requestState === undefined ? begin(grant, envelope, made) : resume(grant, envelope, made))
        )
        // Who goes while the child is being told has no call yet that it could cancel.
        return Effect.onInterrupt(called, () => last?.cancel ?? Effect.void)
      }),
    listen: (grant, id, filter) =>
      Effect.gen(function*() {
        if (listens.isFull(grant.id)) return yield* new TooManyListens()
        yield* known(grant)
        const kept = honoured(filter, bridgedCapabilities(told(), config.childInteractive))
        const resourceSubscriptions = yield* Effect.filter(kept.resourceSubscriptions, (uri) => subscribe(grant, uri), { concurrency: 8 })
        const channel = yield* listens.attach(grant.id, id, { ...kept, resourceSubscriptions })
        // One that has ended since has closed the streams that it had.
        if (!(yield* grants.isLive(grant.id))) listens.closeOf(grant.id)
        return yield* channel.stream([])
      })
  })
})

/** What clients of 2026-07-28 ask, over the sessions of the one table. */
export const ModernCallsLive = Layer.scoped(ModernCalls, make)
