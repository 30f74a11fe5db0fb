import type { Scope as Scopes } from "effect"
import { Data, Deferred, Effect, ExecutionStrategy, Exit, Fiber, Option, Redacted, Scope } from "effect"
import type { Notification, Request, RequestId, Response } from "../domain/JsonRpc.ts"
import type { Child, ChildGone } from "../services/Children.ts"
import type { AccessToken } from "../services/UpstreamTokens.ts"
import { CallChannel } from "./CallChannel.ts"
import type { Generation } from "./Generation.ts"
import type { Started, StartError } from "./SessionStart.ts"

/**
 * The children of one session, one after the other. New calls go to the newest; an older one finishes what it has and
 * goes. Each lives in a scope of its own below the session's.
 */
export interface Generations {
  /** See `Generation.begin`. */
  readonly begin: Generation["begin"]
  /** See `Generation.cancel`. */
  readonly cancel: Generation["cancel"]
  /** The client answers a request of a child. False where none with this id is open. */
  readonly answer: (id: RequestId, body: Response["body"]) => Effect.Effect<boolean>
  /** The session's own stream has opened. */
  readonly onStream: () => void
  /** See `Generation.giveUp`; of all that are there. */
  readonly giveUp: Generation["giveUp"]
  /** To the child that gets the calls; `cancelled` and `progress` to the one that they are about. */
  readonly notify: (notification: Notification) => Effect.Effect<void>
  /** A child has granted something that its successors must know; it may have been replaced while it was asked. */
  readonly passOn: (request: Request) => Effect.Effect<void>
  /** The token of the child that gets the calls. */
  readonly token: () => AccessToken
  /** Whether it is the one that gets the calls: what others say of lists and resources no longer counts. */
  readonly isCurrent: (child: Child) => boolean
  /**
   * Make before break: the next child is started and has shaken hands before it takes over. Where it does not come up,
   * the present one goes on. Nothing happens where that holds the token already. Waits until the one that was replaced
   * last is gone, and asks for the token then.
   */
  readonly replace: <E>(token: Effect.Effect<AccessToken, E>) => Effect.Effect<Option.Option<Started>, E | StartError | NextGone>
  /** Completes once no call is open. To be asked when there are no new ones. */
  readonly drained: Effect.Effect<void>
  /** Completes when the child that gets the calls is gone. The end of an older one means nothing. */
  readonly crashed: Effect.Effect<ChildGone>
}

/** The next child was gone before it could take over. */
export class NextGone extends Data.TaggedError("NextGone") {}

/** The processes of one session, those that are still starting included. */
export class Processes {
  private readonly running = new Set<Child>()

  readonly register = (child: Child): Effect.Effect<void, never, Scopes.Scope> =>
    Effect.acquireRelease(Effect.sync(() => void this.running.add(child)), () => Effect.sync(() => void this.running.delete(child)))

  /** Ends them without their stop ladder. */
  readonly kill: Effect.Effect<void> = Effect.suspend(() => Effect.forEach([...this.running], (child) => child.kill, { discard: true }))
}

/** Where the generations of a session live: their children are stopped side by side when it closes. */
export const generationsScope: Effect.Effect<Scope.Scope, never, Scope.Scope> = Effect.flatMap(Effect.scope, (parent) =>
  Scope.fork(parent, ExecutionStrategy.parallel))

/** `first` has been started in `scope`, and `startNext` starts its successors there. */
export const makeGenerations = (
  first: Started,
  scope: Scope.Scope,
  startNext: (token: AccessToken) => Effect.Effect<Started, StartError>
): Effect.Effect<Generations> =>
  Effect.gen(function*() {
    let current = first
    const crashed = yield* Deferred.make<ChildGone>()
    const oneAtATime = yield* Effect.makeSemaphore(1)
    /** Completes when the child that was replaced last is gone: a session never has more than two. */
    let replacedIsGone: Effect.Effect<unknown> = Effect.void
    /** It gets no new calls, but may still be told to give one up. */
    let replaced: ReadonlyArray<Started> = []
    const all = () => [...replaced, current]

    // A watcher looks at its own generation, and asks at the end whether that is still the one that counts.
    const watch = (watched: Started) =>
      watched.generation.gone.pipe(
        Effect.flatMap((gone) => current === watched ? Deferred.succeed(crashed, gone) : Effect.void),
        Effect.interruptible,
        Effect.forkIn(watched.scope)
      )
    // What is in flight has deadlines of its own, so an old child does not stay for ever. Owned by the session: the
    // old one's scope cannot own what closes it.
    const retire = (old: Started) =>
      old.generation.drained.pipe(
        Effect.zipRight(Effect.uninterruptible(Scope.close(old.scope, Exit.void))),
        Effect.ensuring(Effect.sync(() => {
          replaced = []
        })),
        Effect.interruptible,
        Effect.forkIn(scope),
        Effect.map((fiber) => {
          replaced = [old]
          replacedIsGone = Fiber.await(fiber)
        })
      )
    const takeOver = (next: Started) =>
      Effect.gen(function*() {
        if (Option.isSome(next.generation.ended())) {
          yield* Scope.close(next.scope, Exit.void)
          return yield* new NextGone()
        }
        const old = current
        current = next
        yield* watch(next)
        yield* old.generation.asks.refuseUnrelated("The server was replaced by a new process, which may ask again.")
        yield* next.generation.asks.serve
        yield* retire(old)
        return Option.some(next)
      })

    yield* watch(first)
    yield* first.generation.asks.serve
    return {
      begin: (request, settled, sink, grantId) => current.generation.begin(request, settled, sink, grantId),
      cancel: (sink, reason) => Effect.suspend(() => Effect.forEach(all(), ({ generation }) => generation.cancel(sink, reason), { discard: true })),
      answer: (id, body) => Effect.suspend(() => Effect.exists(all(), ({ generation }) => generation.asks.answer(id, body))),
      onStream: () => all().forEach(({ generation }) => generation.asks.onStream()),
      giveUp: (sentence, grantId) => Effect.suspend(() => Effect.forEach(all(), ({ generation }) => generation.giveUp(sentence, grantId), { discard: true })),
      notify: (notification) =>
        Effect.suspend(() => {
          if (notification.method === "notifications/progress") {
            return Effect.asVoid(Effect.exists(all(), ({ generation }) => generation.asks.onProgress(notification)))
          }
          if (notification.method !== "notifications/cancelled") return current.generation.notify(notification)
          const holders = all().filter(({ generation }) => generation.holds(notification.params?.requestId))
          // Where two calls have the same id the wrong one must not be cancelled.
          return holders.length === 1 ? Effect.forEach(holders, ({ generation }) => generation.notify(notification), { discard: true }) : Effect.void
        }),
      passOn: (request) => Effect.suspend(() => replaced.length === 0 ? Effect.void : Effect.asVoid(current.generation.begin(request, () => Effect.void, new CallChannel(false)))),
      token: () => current.token,
      isCurrent: (child) => current.child === child,
      crashed: Deferred.await(crashed),
      drained: Effect.suspend(() => Effect.forEach(all(), ({ generation }) => generation.drained, { concurrency: "unbounded", discard: true })),
      replace: (token) =>
        oneAtATime.withPermits(1)(Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(restore(Effect.zipRight(Effect.suspend(() => replacedIsGone), token)), (next) =>
            Redacted.value(next.token) === Redacted.value(current.token.token)
              ? Effect.succeedNone
              : Effect.flatMap(restore(startNext(next)), takeOver))))
    }
  })
