import { Deferred, Effect } from "effect"

/** The sign-ins that are between their redirect and their stored pair, of whatever user: that is known only at the end. */
export const makeSignInsInFlight = () => {
  const running = new Set<Deferred.Deferred<void>>()

  const during = <A, E, R>(signIn: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Effect.tap(Deferred.make<void>(), (done) => Effect.sync(() => running.add(done))),
      () => signIn,
      (done) => Effect.zipRight(Effect.sync(() => running.delete(done)), Deferred.succeed(done, undefined))
    )

  /** Waits for those that are running now, ten seconds at most; later ones have seen what came before them. */
  const settled: Effect.Effect<void> = Effect.suspend(() => Effect.forEach([...running], Deferred.await, { discard: true })).pipe(
    Effect.interruptible,
    Effect.timeoutOption("10 seconds"),
    Effect.asVoid
  )

  return { during, settled }
}
