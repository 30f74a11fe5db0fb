import type { Scope as Scopes } from "effect"
import { Deferred, Effect, ExecutionStrategy, Exit, Option, Redacted, Scope } from "effect"
import type { Notification, Request } from "../domain/JsonRpc.ts"
import type { Child, ChildGone } from "../services/Children.ts"
import type { Call } from "../services/Sessions.ts"
import type { AccessToken } from "../services/UpstreamTokens.ts"
import type { Settled } from "./InFlightCalls.ts"
import type { Started, StartError } from "./SessionStart.ts"

/**
 * The children of one session, one after the other. New calls go to the newest; an older one finishes what it has and
 * goes. Each lives in a scope of its own below the session's.
 */
export interface Generations {
  /** See `Generation.begin`. */
  readonly begin: (request: Request, settled: Settled) => Effect.Effect<Option.Option<Call>>
  readonly notify: (notification: Notification) => Effect.Effect<void>
  /** The token of the child that gets the calls. */
  readonly token: () => AccessToken
  /** Whether it is the one that gets the calls: what others say of lists and resources no longer counts. */
  readonly isCurrent: (child: Child) => boolean
  /**
   * Make before break: the next child is started and has shaken hands before it takes over. Where it does not come up,
   * the present one goes on. Nothing happens where that holds the token already.
   */
  readonly replace: (token: AccessToken) => Effect.Effect<Option.Option<Started>, StartError | NextGone>
  /** Completes once no call is open. To be asked when there are no new ones. */
  readonly drained: Effect.Effect<void>
  /** Completes when the child that gets the calls is gone. The end of an older one means nothing. */
  readonly crashed: Effect.Effect<ChildGone>
}

/** The next child was gone before it could take over. */
export class NextGone {
  readonly _tag = "NextGone"
}

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
        Effect.interruptible,
        Effect.forkIn(scope)
      )
    const takeOver = (next: Started) =>
      Effect.gen(function*() {
        if (Option.isSome(next.generation.ended())) {
          yield* Scope.close(next.scope, Exit.void)
          return yield* Effect.fail(new NextGone())
        }
        const old = current
        current = next
        yield* watch(next)
        yield* retire(old)
        return Option.some(next)
      })

    yield* watch(first)
    return {
      begin: (request, settled) => Effect.suspend(() => current.generation.begin(request, settled)),
      notify: (notification) => Effect.suspend(() => current.generation.notify(notification)),
      token: () => current.token,
      isCurrent: (child) => current.child === child,
      crashed: Deferred.await(crashed),
      drained: Effect.suspend(() => current.generation.drained),
      replace: (token) =>
        oneAtATime.withPermits(1)(Effect.uninterruptibleMask((restore) =>
          Redacted.value(token.token) === Redacted.value(current.token.token)
            ? Effect.succeedNone
            : Effect.flatMap(restore(startNext(token)), takeOver)))
    }
  })
