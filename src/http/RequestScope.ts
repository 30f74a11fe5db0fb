import { Effect, ExecutionStrategy, Exit, Pipeable, Scope } from "effect"

/**
 * The scope of one request. Most need none: it costs nothing until the first finalizer comes. Whoever makes it closes it
 * when the connection is done with the answer.
 */
export class RequestScope extends Pipeable.Class() implements Scope.Scope {
  readonly [Scope.ScopeTypeId]: typeof Scope.ScopeTypeId = Scope.ScopeTypeId
  readonly strategy = ExecutionStrategy.sequential
  private scope: Scope.CloseableScope | undefined

  private get made(): Scope.CloseableScope {
    return this.scope ??= Effect.runSync(Scope.make(this.strategy))
  }

  addFinalizer(finalizer: Scope.Scope.Finalizer): Effect.Effect<void> {
    return Effect.suspend(() => Scope.addFinalizerExit(this.made, finalizer))
  }

  fork(strategy: ExecutionStrategy.ExecutionStrategy): Effect.Effect<Scope.CloseableScope> {
    return Effect.suspend(() => Scope.fork(this.made, strategy))
  }

  /** Runs the finalizers; nothing where there are none. */
  get close(): Effect.Effect<void> | undefined {
    return this.scope === undefined ? undefined : Scope.close(this.scope, Exit.void)
  }
}
