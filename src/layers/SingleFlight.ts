import { Deferred, Effect, Exit, FiberId, type Scope } from "effect"

interface Flight<A, E> {
  readonly what: string
  readonly done: Deferred.Deferred<A, E>
}

/**
 * At most one run at a time per key, in a fiber of `owner`: a caller that goes away ends its own wait only. Who asks for
 * the same thing (`what`) meanwhile shares its outcome, a failure too, so that a hanging server is not asked once per
 * caller; who asks for something else waits for its turn. An entry lives as long as its run.
 */
export const makeSingleFlight = <A, E>(owner: Scope.Scope) => {
  const flights = new Map<string, Flight<A, E>>()

  const start = (key: string, flight: Flight<A, E>, run: Effect.Effect<A, E>) =>
    Effect.interruptible(run).pipe(
      Effect.onExit((exit) =>
        Effect.suspend(() => {
          flights.delete(key)
          return Deferred.done(flight.done, exit)
        })
      ),
      Effect.forkIn(owner)
    )

  const join = (key: string, what: string, run: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    // Uninterruptible from the entry to the fork, and so is the fork up to its `interruptible`: no entry without a run.
    Effect.uninterruptibleMask((restore) => {
      const running = flights.get(key)
      if (running === undefined) {
        const flight: Flight<A, E> = { what, done: Deferred.unsafeMake(FiberId.none) }
        flights.set(key, flight)
        return Effect.zipRight(start(key, flight, run), restore(Deferred.await(flight.done)))
      }
      const outcome = restore(Deferred.await(running.done))
      return running.what === what ? outcome : Effect.flatMap(Effect.exit(outcome), (exit) =>
        // Its failure is not ours, but our own interruption is.
        Exit.isInterrupted(exit) ? outcome : restore(join(key, what, run)))
    })

  return { join, size: () => flights.size }
}
