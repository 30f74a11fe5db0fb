import type { Effect, Scope } from "effect"

/** Where a session's child is heard when what it says belongs to no call. */
export interface Outlet {
  /** The session has a child; its client was told this revision. */
  readonly open: (version: string) => void
  readonly isOpen: () => boolean
  /** False where nobody gets it. */
  readonly publish: (line: string) => boolean
  /** The same, but only where somebody listens; false where nobody does. */
  readonly tell: (line: string) => boolean
  /** Whether requests of the child can go there. */
  readonly takesRequests: boolean
  /** Resources that a first child must be subscribed to. */
  readonly subscriptions: () => ReadonlyArray<string>
  /** `opened` hears of each stream that opens there, until the scope closes. */
  readonly watch: (opened: () => void) => Effect.Effect<void, never, Scope.Scope>
  /** The session has given its child up, and may come back. */
  readonly park: () => void
  /** The session is over. */
  readonly close: () => void
}
