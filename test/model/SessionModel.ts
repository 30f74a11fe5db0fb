import type { Asked } from "./Asked.ts"

/** What the model reckons with: the settings of its broker, and lifetimes that are none. Milliseconds. */
export const minute = 60_000
export const limits = { perUser: 3, total: 5, calls: 3, missed: 16 }
export const lasts = { start: 3000, stop: 2000, drain: 20_000, call: 5 * minute, idle: 15 * minute, handshakeOnly: minute, inUse: minute, crashes: minute }

/**
 * When a token that is made at `now` becomes stale, and when it is over. Clients act on the minute, and whatever waits
 * for a random time has waited by the next one: the margins leave no other order open.
 */
export const renewal = (now: number) => {
  const staleAt = startOfMinute(now) + 20 * minute + 10_000
  return { staleAt, expiresAt: staleAt + 229_000 }
}
export const startOfMinute = (now: number): number => Math.floor(now / minute) * minute
/**
 * When something is tried again that is tried at random times, but once in every minute at least. Nothing else changes
 * within a minute, so it does not matter when.
 */
export const nextTry = (now: number): number => {
  const at = startOfMinute(now) + 10_000
  return at > now ? at : at + minute
}

export interface Token {
  readonly serial: number
  readonly staleAt: number
  readonly expiresAt: number
}
/** A child, the calls that it has not answered, how often it was told that the roots have changed, and when it is gone once it was asked to. */
export interface Generation {
  readonly token: Token
  readonly calls: Array<Asked>
  told: number
  stopsAt: number | undefined
  /** The how many-th it is that was asked to stop. */
  stopsAs: number
}
export interface Account {
  readonly user: string
  readonly client: string
  /** Whether each of its grants is over. */
  readonly grants: Array<boolean>
}
/** Where a session goes that has no child any more, and what those are told who waited for one. */
export interface Departure {
  readonly to: "parked" | "ended"
  readonly why: string | undefined
  readonly tags: ReadonlyArray<string>
}

/** One session, as simple as it can be said. */
export interface Modelled {
  readonly account: Account
  /** Which of the account's grants it belongs to, for ever. */
  readonly grant: number
  readonly openedBy: "client" | "broker"
  /** Who learns its id. */
  readonly opener: Asked
  /** The beginning of its key. */
  label: string
  state: "starting" | "live" | "leaving" | "parked" | "ended"
  /** Of one that is leaving, and then of the row. */
  departure: Departure | undefined
  /** Until when calls may finish whose token is over; then its child is asked to stop. */
  drainsUntil: number | undefined
  /** Whose slot it has got: it starts when that one's process is gone. */
  after: Modelled | undefined
  hasGivenSlot: boolean
  /** The place of its row; one that never came up has none. */
  row: number | undefined
  claimed: boolean
  adopted: boolean
  used: boolean
  lastActivity: number
  /** The last is the present child; those before have calls to finish, or are stopping. */
  generations: Array<Generation>
  /** Who waits for its child, and who waits until it is gone: to call again, or because that was asked for. */
  waiting: Array<Asked>
  later: Array<Asked>
  startedAt: number
  startsWith: Token | undefined
  /** When another token is asked for again. */
  askAgainAt: number
  /** When its next child is tried: once there is another token, it goes on until one comes up. */
  replaceAt: number | undefined
  /** Its next child is tried once the one that was replaced last is gone. */
  waitsForOld: boolean
  crashes: ReadonlyArray<number>
  missed: number
}

/** What the rules leave open, and only the real thing can say. */
export interface Seen {
  /** Whether it gave its child up in this very moment: by the time one looks, others may have done so as well. */
  readonly hasLeftAt: (label: string, at: number) => boolean
  /** The how many-th its child was that was asked to stop: of several that are idle in the same moment, either may be the first. */
  readonly stopsAs: (label: string, at: number) => number
  /** The place of its row: of several that come up in the same moment, either may be the first. */
  readonly rowOf: (label: string) => number
  /** Of a session that has just been started for the first time; `known` are those of the others. */
  readonly newLabel: (opener: Asked, known: ReadonlyArray<string>) => string
}

export interface SessionModel {
  now: number
  readonly sessions: Array<Modelled>
  readonly accounts: ReadonlyArray<Account>
  /** Everything that was asked and whose outcome has not been looked at. */
  asked: Array<Asked>
  token: Token
  children: "up" | "spawn fails" | "exits" | "silent" | "refuses initialize"
  /** Whether children take their time to stop. */
  isStubborn: boolean
  isForgejoUp: boolean
  /** While the broker stops nobody gets a child. */
  isClosing: boolean
  readonly goneUsers: Set<string>
  /** While several sessions end together: what is told to those who wait, once all have ended. */
  untold: Array<() => void> | undefined
  readonly seen: Seen
}

export const makeModel = (seen: Seen): SessionModel => ({
  now: 0,
  sessions: [],
  accounts: [["1", "a"], ["1", "b"], ["2", "a"], ["3", "a"]].map(([user = "", client = ""]) => ({ user, client, grants: [false] })),
  asked: [],
  token: { serial: 1, ...renewal(0) },
  children: "up",
  isStubborn: false,
  isForgejoUp: true,
  isClosing: false,
  goneUsers: new Set(),
  untold: undefined,
  seen
})

export const makeSession = (opener: Asked, openedBy: Modelled["openedBy"]): Modelled => ({
  account: opener.account,
  grant: opener.grant,
  openedBy,
  opener,
  label: "",
  state: "ended",
  departure: undefined,
  drainsUntil: undefined,
  after: undefined,
  hasGivenSlot: false,
  row: undefined,
  claimed: false,
  adopted: false,
  used: false,
  lastActivity: 0,
  generations: [],
  waiting: [],
  later: [],
  startedAt: 0,
  startsWith: undefined,
  askAgainAt: 0,
  replaceAt: undefined,
  waitsForOld: false,
  crashes: [],
  missed: 0
})

export const isRunning = ({ state }: Modelled): boolean => state === "starting" || state === "live"
export const holdsSlot = (session: Modelled): boolean => (isRunning(session) || session.state === "leaving") && !session.hasGivenSlot
export const isOver = ({ departure, state }: Modelled): boolean => state === "ended" || (state === "leaving" && departure?.to === "ended")
export const isOfDeadGrant = ({ account, grant }: Modelled): boolean => account.grants[grant] === true
/** What is sent, or about to be; other things wait as well, and do not count. */
export const inFlight = (session: Modelled): number =>
  [...session.waiting, ...session.later].filter(({ what }) => what === "call" || what === "default").length + session.generations.reduce((sum, { calls }) => sum + calls.length, 0)
export const inFlightOfChildren = (session: Modelled): number => session.generations.reduce((sum, { calls }) => sum + calls.length, 0)
export const isIdle = (session: Modelled): boolean => session.state === "live" && inFlight(session) === 0
export const isInUse = (session: Modelled, now: number): boolean => inFlight(session) > 0 || (session.used && now - session.lastActivity < lasts.inUse)
export const presentOf = (session: Modelled): Generation => {
  const generation = session.generations.at(-1)
  if (generation === undefined) throw new Error("the session has no child")
  return generation
}
/** What the store says of it. */
export const rowOf = ({ after, departure, drainsUntil, state }: Modelled): { readonly state: string; readonly why: string | undefined } => {
  // What has its turn to start is not parked any more: nobody may crowd it out.
  if (state === "starting") return { state: after === undefined ? "live" : "parked", why: undefined }
  if (state === "live" || (drainsUntil !== undefined && departure?.to === "parked")) return { state: "live", why: undefined }
  return { state: departure?.to ?? "parked", why: departure?.why }
}

/** The user's token of now. */
export const askToken = (model: SessionModel, user: string): Token | "gone" | "unavailable" => {
  if (model.goneUsers.has(user)) return "gone"
  if (model.now >= model.token.staleAt && model.isForgejoUp) renewToken(model)
  return model.now < model.token.expiresAt ? model.token : "unavailable"
}
export const renewToken = (model: SessionModel): void => {
  model.token = { serial: model.token.serial + 1, ...renewal(model.now) }
}
