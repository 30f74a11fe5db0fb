/** Why a session has no child any more, and gets one at its next request. */
export type ParkReason = "idle" | "evicted" | "superseded" | "crashed" | "rotated" | "token_expired" | "start_failed" | "shutdown"
/** Why a session is over. A child that keeps something between calls cannot be replaced: its session ends where others are parked. */
export type EndReason = "closed" | "grant_ended" | "crashed_again" | "incompatible" | "kept_too_long" | "too_many_parked" | "call_abandoned" | ParkReason

/** How a session leaves its child: `Parked` comes back at its next request, `Ended` never does. */
export type Departure =
  | { readonly _tag: "Parked"; readonly reason: ParkReason }
  | { readonly _tag: "Ended"; readonly reason: EndReason }

/**
 * Where a session is that holds a child, or is about to. A parked or ended one is a row and nothing else.
 * Times are epoch milliseconds. `inFlight`: calls that are not answered; they count from the moment they come, so
 * that a session which is revived for a call is never taken away before it has made it. `asked`: requests of the child
 * that its client has not answered.
 */
export type SessionState =
  | { readonly _tag: "Starting"; readonly since: number; readonly inFlight: number; readonly asked: number; readonly used: boolean }
  | { readonly _tag: "Live"; readonly inFlight: number; readonly asked: number; readonly lastActivity: number; readonly used: boolean }
  | { readonly _tag: "Leaving"; readonly to: Departure; readonly inFlight: number; readonly asked: number; readonly lastActivity: number }

export const starting = (now: number): SessionState => ({ _tag: "Starting", since: now, inFlight: 0, asked: 0, used: false })

/** The child has answered the handshake. What is leaving meanwhile stays so. */
export const started = (state: SessionState, now: number): SessionState =>
  state._tag === "Starting" ? { _tag: "Live", inFlight: state.inFlight, asked: state.asked, lastActivity: now, used: state.used } : state

/** `leaving`: it will be parked, and can be revived then. `over`: it is ending. */
export type Begun = "begun" | "full" | "leaving" | "over"

/** A call begins; one that finds the session leaving for a while counts as it waits. `isActivity` is false for `ping`, which keeps no session alive. */
export const begin = (state: SessionState, now: number, maxInFlight: number, isActivity: boolean): readonly [Begun, SessionState] => {
  if (state._tag === "Leaving" && state.to._tag === "Ended") return ["over", state]
  if (state.inFlight >= maxInFlight) return ["full", state]
  const inFlight = state.inFlight + 1
  if (state._tag === "Leaving") return ["leaving", { ...state, inFlight }]
  if (!isActivity) return ["begun", { ...state, inFlight }]
  return ["begun", state._tag === "Live" ? { ...state, inFlight, lastActivity: now, used: true } : { ...state, inFlight, used: true }]
}

/** A call has been answered, or given up. */
export const finish = (state: SessionState, now: number, isActivity: boolean): SessionState => {
  const inFlight = state.inFlight - 1
  return state._tag === "Live" && isActivity ? { ...state, inFlight, lastActivity: now } : { ...state, inFlight }
}

/** A call that the child did not get, for it had just gone: it waits for the next one, and counts on. */
export const countOn = (state: SessionState): SessionState => ({ ...state, inFlight: state.inFlight + 1 })

/** The child asks its client something. */
export const ask = (state: SessionState): SessionState => ({ ...state, asked: state.asked + 1 })

/** The client has answered, which is activity of its own (`touch`), or is no longer asked, which is none. */
export const closeAsk = (state: SessionState): SessionState => ({ ...state, asked: state.asked - 1 })

/** The client said something that is no call. */
export const touch = (state: SessionState, now: number): SessionState => state._tag === "Live" ? { ...state, lastActivity: now } : state

export const lastActivityOf = (state: SessionState): number => state._tag === "Starting" ? state.since : state.lastActivity

/** The session gives its child up. An end outweighs parking; apart from that the first word stays. */
export const leave = (state: SessionState, to: Departure): SessionState =>
  state._tag === "Leaving" && (state.to._tag === "Ended" || to._tag === "Parked")
    ? state
    : { _tag: "Leaving", to, inFlight: state.inFlight, asked: state.asked, lastActivity: lastActivityOf(state) }

/** Whether nobody would notice if the session were parked now. */
export const isIdle = (state: SessionState): state is SessionState & { readonly _tag: "Live" } => state._tag === "Live" && state.inFlight === 0 && state.asked === 0

/** Whether something is in flight, or was within `window` milliseconds: such a session gets a new child, others are parked. */
export const isInUse = (state: SessionState, now: number, window: number): boolean =>
  state._tag !== "Leaving" && (state.inFlight > 0 || state.asked > 0 || (state.used && now - lastActivityOf(state) < window))

/** How long a session may be without activity, in milliseconds. */
export interface IdleWindows {
  readonly used: number
  /** For one that got only its handshake: clients open such ones to look whether the server is there. */
  readonly handshakeOnly: number
}

/** Milliseconds until the session may be called idle: the whole window while something is in flight, or the child is not up. */
export const untilIdle = (state: SessionState, now: number, windows: IdleWindows): number => {
  if (state._tag === "Leaving") return 0
  const window = state.used ? windows.used : windows.handshakeOnly
  return isIdle(state) ? Math.min(window, Math.max(0, state.lastActivity + window - now)) : window
}

/** Three crashes within a minute end a session: a child that dies of each call must not be started for ever. */
const crashLimit = 3
const crashWindow = 60_000

/** What a crash means. `earlier`: when the session's children crashed before; gives also the times to remember. */
export const crash = (earlier: ReadonlyArray<number>, now: number): readonly [Departure, ReadonlyArray<number>] => {
  const times = [...earlier.filter((at) => Math.abs(now - at) < crashWindow), now]
  return [times.length >= crashLimit ? { _tag: "Ended", reason: "crashed_again" } : { _tag: "Parked", reason: "crashed" }, times]
}

export const park = (reason: ParkReason): Departure => ({ _tag: "Parked", reason })
export const end = (reason: EndReason): Departure => ({ _tag: "Ended", reason })

/** A stateful child is never replaced silently: where others are parked, its session ends, and its client is told so. */
export const forChild = (departure: Departure, isStateful: boolean): Departure =>
  isStateful && departure._tag === "Parked" ? { _tag: "Ended", reason: departure.reason } : departure
