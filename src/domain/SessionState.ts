/** Why a session is over. */
export type SessionEnd = "closed" | "idle" | "child_gone" | "token_expired" | "start_failed" | "grant_ended" | "shutdown"

/**
 * Where a session is in its life. Times are epoch milliseconds.
 * `Parked` is laid out for revival: nothing makes it yet, a session without a child ends.
 */
export type SessionState =
  | { readonly _tag: "Starting" }
  | { readonly _tag: "Live"; readonly inFlight: number; readonly lastActivity: number; readonly handshakeOnly: boolean }
  | { readonly _tag: "Parked"; readonly since: number }
  | { readonly _tag: "Ended"; readonly reason: SessionEnd }

export const starting: SessionState = { _tag: "Starting" }

/** The child has answered `initialize`. What has ended meanwhile stays ended. */
export const started = (state: SessionState, now: number): SessionState =>
  state._tag === "Starting" ? { _tag: "Live", inFlight: 0, lastActivity: now, handshakeOnly: true } : state

/**
 * A call begins: `begun` only for a live session, and then nobody can find the session idle before the call has finished.
 * `isActivity` is false for `ping`, which keeps no session alive.
 */
export const begin = (
  state: SessionState,
  now: number,
  maxInFlight: number,
  isActivity: boolean
): readonly ["begun" | "full" | "over", SessionState] => {
  if (state._tag !== "Live") return ["over", state]
  if (state.inFlight >= maxInFlight) return ["full", state]
  const inFlight = state.inFlight + 1
  return ["begun", isActivity ? { _tag: "Live", inFlight, lastActivity: now, handshakeOnly: false } : { ...state, inFlight }]
}

/** A call has been answered, or given up. */
export const finish = (state: SessionState, now: number, isActivity: boolean): SessionState =>
  state._tag === "Live"
    ? { ...state, inFlight: state.inFlight - 1, lastActivity: isActivity ? now : state.lastActivity }
    : state

/** The client said something that is no call. */
export const touch = (state: SessionState, now: number): SessionState =>
  state._tag === "Live" ? { ...state, lastActivity: now } : state

/** How long a session may be without activity, in milliseconds. */
export interface IdleWindows {
  readonly used: number
  /** For one that got only its handshake: clients open such ones to look whether the server is there. */
  readonly handshakeOnly: number
}

/** Milliseconds until the session may be called idle: the whole window while a call is in flight. */
export const untilIdle = (state: SessionState, now: number, windows: IdleWindows): number => {
  if (state._tag !== "Live") return state._tag === "Starting" ? windows.handshakeOnly : 0
  const window = state.handshakeOnly ? windows.handshakeOnly : windows.used
  return state.inFlight > 0 ? window : Math.max(0, state.lastActivity + window - now)
}

/** Ends a session that is idle, in the same step in which it is found to be. */
export const endIfIdle = (state: SessionState, now: number, windows: IdleWindows): SessionState =>
  state._tag === "Live" && untilIdle(state, now, windows) === 0 ? { _tag: "Ended", reason: "idle" } : state

/** Ends a session; the first reason stays. */
export const end = (state: SessionState, reason: SessionEnd): SessionState => state._tag === "Ended" ? state : { _tag: "Ended", reason }
