import type { Scope } from "effect"
import { Effect } from "effect"
import type { SessionKey } from "../domain/Ids.ts"
import type { ListenStreams } from "./ListenStreams.ts"
import type { SessionStreams } from "./SessionStreams.ts"
import type { SessionEntry } from "./SessionTable.ts"

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

/** Of a session that its client knows: its standing stream. */
export const sessionOutlet = (streams: SessionStreams, key: SessionKey): Outlet => ({
  open: (version) => streams.open(key, version),
  isOpen: () => streams.isOpen(key),
  publish: (line) => streams.publish(key, line),
  tell: (line) => streams.tell(key, line),
  takesRequests: true,
  subscriptions: () => [],
  watch: (opened) => streams.watch(key, opened),
  park: () => streams.park(key),
  close: () => streams.close(key)
})

/** Of a child for clients of 2026-07-28: the listen streams of its grant, which outlive it. */
export const grantOutlet = (listens: ListenStreams, { grantId, openedBy }: SessionEntry): Outlet => ({
  open: () => {},
  // Any other child serves a call as well as one that had a call to itself.
  isOpen: () => openedBy === "modern" && listens.isOpen(grantId),
  publish: (line) => {
    listens.publish(grantId, line)
    return true
  },
  // Another run of the child's program tells by its own notifications.
  tell: () => false,
  takesRequests: false,
  subscriptions: () => openedBy === "modern" ? listens.subscriptions(grantId) : [],
  watch: () => Effect.void,
  park: () => {},
  close: () => {}
})
