import { Data, Duration, Effect, ExecutionStrategy, Exit, Option, Redacted, Scope } from "effect"
import { mayAsk } from "../domain/ClientCapabilities.ts"
import type { Handshake } from "../domain/Handshake.ts"
import { initialized, initializeRequest, isCompatible, replayOf } from "../domain/Handshake.ts"
import type { UserId } from "../domain/Ids.ts"
import { FlowId } from "../domain/Ids.ts"
import type { JsonObject, Request } from "../domain/JsonRpc.ts"
import { randomHex } from "../domain/Secrets.ts"
import { AppConfig } from "../services/AppConfig.ts"
import type { Child, ChildGone } from "../services/Children.ts"
import { Children } from "../services/Children.ts"
import { Deadlines } from "../services/Deadlines.ts"
import { InitializeRefused, StartFailed } from "../services/Sessions.ts"
import type { UpstreamUnavailable } from "../services/Upstream.ts"
import type { AccessToken, UpstreamGone } from "../services/UpstreamTokens.ts"
import { UpstreamTokens } from "../services/UpstreamTokens.ts"
import { CallChannel } from "./CallChannel.ts"
import type { AskingOptions } from "./ChildAsks.ts"
import type { Generation } from "./Generation.ts"
import { makeGeneration } from "./Generation.ts"

/** A child that has answered, in a scope of its own below that of its session. */
export interface Started {
  readonly child: Child
  readonly generation: Generation
  /** What its child holds; it has no other. */
  readonly token: AccessToken
  /** The child's `InitializeResult`, and its whole answer under the id of the request. */
  readonly result: JsonObject
  readonly line: string
  readonly scope: Scope.CloseableScope
}

/** Which child to start. */
export interface StartRequest {
  readonly userId: UserId
  /** Stands in log lines about the child. */
  readonly label: string
  /** A client's own `initialize`, or what a child before has heard and its client was told. */
  readonly opening: { readonly _tag: "New"; readonly initialize: Request } | { readonly _tag: "Again"; readonly handshake: Handshake }
  /** Hears of the process as soon as there is one; the scope is the process's own. */
  readonly onSpawn: (child: Child) => Effect.Effect<void, never, Scope.Scope>
  /** Hears what a child says that belongs to no call. Must not wait. */
  readonly onUnrelated: (line: string, from: Child) => void
  readonly asking: Omit<AskingOptions, "mayAsk">
}

/** The new child is not what the client was told: another protocol version, server, or less capabilities. */
export class Incompatible extends Data.TaggedError("Incompatible")<{ readonly found: JsonObject }> {}

export type StartError = StartFailed | InitializeRefused | Incompatible | UpstreamGone | UpstreamUnavailable

/** The child exited before it answered. Its stderr is no evidence of the reason. */
class ExitedEarly extends Data.TaggedError("ExitedEarly")<{ readonly gone: ChildGone }> {}

/** Of what may start at one time, one user's and what replaces other children take half each, so that others who wait always find room. */
const half = (maxStarts: number): number => Math.max(1, Math.floor(maxStarts / 2))

/** One semaphore for each user who is starting something. */
const makeShares = (permits: number) => {
  const shares = new Map<UserId, { readonly semaphore: Effect.Semaphore; users: number }>()
  return (userId: UserId) => <A, E>(run: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const share = shares.get(userId) ?? { semaphore: Effect.unsafeMakeSemaphore(permits), users: 0 }
        share.users++
        shares.set(userId, share)
        return share
      }),
      ({ semaphore }) => semaphore.withPermits(1)(run),
      (share) =>
        Effect.sync(() => {
          if (--share.users === 0) shares.delete(userId)
        })
    )
}

/**
 * Starts children and has them answer `initialize`. forgejo-mcp asks Forgejo with the user's token before it reads
 * anything, hangs when Forgejo hangs, and exits when Forgejo is down or refuses the token: the two are told apart by
 * asking Forgejo ourselves, and a refused token is refreshed once.
 */
export const makeSessionStart = Effect.gen(function*() {
  const config = yield* AppConfig
  const children = yield* Children
  const deadlines = yield* Deadlines
  const tokens = yield* UpstreamTokens
  const slots = yield* Effect.makeSemaphore(config.maxStarts)
  const replacing = yield* Effect.makeSemaphore(half(config.maxStarts))
  const ofUser = makeShares(half(config.maxStarts))

  const answerOf = Effect.fnUntraced(function*(generation: Generation, request: Request) {
    const call = new CallChannel(false)
    const isSent = yield* Effect.suspend(() => generation.begin(request, () => Effect.void, call))
    const events = yield* Effect.repeat(call.take, { until: (taken) => taken.some((event) => event.final) })
    // A child that goes answers the call too, with an error of ours: what must be seen is the exit.
    if (!isSent || Option.isSome(generation.ended())) return yield* new ExitedEarly({ gone: yield* generation.gone })
    const line = events.find((event) => event.final)?.line ?? ""
    return { line, ...JSON.parse(line) as { readonly error?: unknown; readonly result?: JsonObject } }
  })

  const handshake = Effect.fnUntraced(function*(token: AccessToken, request: StartRequest, scope: Scope.CloseableScope) {
    const child = yield* children.spawn({ token: token.token, label: request.label })
    yield* request.onSpawn(child)
    const { opening } = request
    const initializeParams = opening._tag === "New" ? opening.initialize.params : opening.handshake.initializeParams
    const generation = yield* makeGeneration({
      child,
      deadlines,
      callTimeout: config.callTimeout,
      onUnrelated: (line) => request.onUnrelated(line, child),
      mayAsk: (method) => mayAsk(initializeParams, method),
      ...request.asking
    })
    const { error, line, result = {} } = yield* answerOf(
      generation,
      opening._tag === "New" ? opening.initialize : initializeRequest(opening.handshake)
    )
    if (error !== undefined) return yield* new InitializeRefused({ line })
    if (opening._tag === "Again") {
      if (!isCompatible(opening.handshake.told, result)) return yield* new Incompatible({ found: result })
      yield* generation.notify(initialized)
      // Side by side: a child that takes its time for each does not take it for all.
      yield* Effect.forEach(replayOf(opening.handshake), (again) =>
        Effect.flatMap(answerOf(generation, again), ({ error: refused }) => refused === undefined
          ? Effect.void
          : Effect.annotateLogs(Effect.logWarning("session.replay_refused"), { child: request.label, method: again.method })), {
        concurrency: "unbounded",
        discard: true
      })
    }
    return { child, generation, token, result, line, scope } satisfies Started
  })

  /** In a scope of its own below the session's, so that a child that failed is gone before another is tried. */
  const attempt = (token: AccessToken, request: StartRequest, parent: Scope.Scope) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const scope = yield* Scope.fork(parent, ExecutionStrategy.sequential)
        return yield* restore(Scope.extend(handshake(token, request, scope), scope)).pipe(
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
        )
      })
    )

  /** With a limit of time, and with what went wrong in the log and in a sentence. `mayRenew`: a token that Forgejo refuses is refreshed once. */
  const start = (request: StartRequest, token: AccessToken, parent: Scope.Scope, mayRenew: boolean): Effect.Effect<Started, StartError> => {
    const flowId = FlowId.make(randomHex(8))
    const failed = (category: StartFailed["category"], detail: string): Effect.Effect<never, StartFailed> =>
      Effect.zipRight(
        Effect.annotateLogs(Effect.logWarning("session.start_failed"), { flow: flowId, user: request.userId, category, detail }),
        new StartFailed({ category, flowId })
      )
    const exitedEarly = ({ gone }: ExitedEarly) => failed("child exited", `exit code ${gone.code ?? "none"}, signal ${gone.signal ?? "none"}`)

    // What the start waits for: the reason, where the time runs out.
    let waitsFor: StartFailed["category"] = "too many starts at once"
    const attemptInSlot = (held: AccessToken) =>
      ofUser(request.userId)(slots.withPermits(1)(Effect.suspend(() => {
        waitsFor = "child did not answer"
        return attempt(held, request, parent)
      })))
    const withFreshToken = (early: ExitedEarly) =>
      Effect.gen(function*() {
        waitsFor = "Forgejo unreachable"
        const fresh = yield* tokens.recheck(request.userId, token.token).pipe(
          Effect.catchTag("UpstreamUnavailable", ({ reason }) => failed("Forgejo unreachable", reason))
        )
        if (Redacted.value(fresh.token) === Redacted.value(token.token)) return yield* exitedEarly(early)
        return yield* attemptInSlot(fresh)
      })
    return attemptInSlot(token).pipe(
      Effect.catchTag("ExitedEarly", (early) => mayRenew ? withFreshToken(early) : exitedEarly(early)),
      Effect.catchTags({
        ExitedEarly: exitedEarly,
        SpawnFailed: ({ category, detail }) => failed(category, detail)
      }),
      Effect.timeoutOption(config.startTimeout),
      Effect.flatMap(Option.match({
        onSome: Effect.succeed,
        onNone: () => failed(waitsFor, `${waitsFor === "child did not answer" ? "no answer to initialize" : "not started"} within ${Duration.format(config.startTimeout)}`)
      }))
    )
  }

  return {
    /** With the user's token of now. */
    first: (request: StartRequest, parent: Scope.Scope): Effect.Effect<Started, StartError> =>
      Effect.flatMap(tokens.current(request.userId), (token) => start(request, token, parent, true)),
    /** In the place of another child, with this token. A few at a time. */
    next: (request: StartRequest, token: AccessToken, parent: Scope.Scope): Effect.Effect<Started, StartError> =>
      replacing.withPermits(1)(start(request, token, parent, false))
  }
})

export type SessionStart = Effect.Effect.Success<typeof makeSessionStart>
