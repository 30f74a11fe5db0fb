import { HashMap, Option } from "effect"
import type { ClientKey, GrantId, SessionKey, UserId } from "./Ids.ts"
import type { Departure, SessionState } from "./SessionState.ts"
import { isIdle, lastActivityOf, leave } from "./SessionState.ts"
import type { MinuteBudget } from "./MinuteBudget.ts"
import { spend, unspent } from "./MinuteBudget.ts"

/** A session that has a child, or is about to get or lose one; `H` is the running thing behind it. */
export interface Entry<H> {
  readonly key: SessionKey
  readonly userId: UserId
  readonly clientKey: ClientKey
  readonly grantId: GrantId
  /**
   * Whose `initialize` it answers: a client's, or the broker's own, for requests without an id, or for those of 2026-07-28
   * (`modern`: any number at a time; `exclusive`: a child that asks has one call at a time). The last two have no row and
   * no id: when their child goes they are over.
   */
  readonly openedBy: "client" | "broker" | "modern" | "exclusive"
  /** Whether a client has ever sent the id back. */
  readonly claimed: boolean
  /** Whether it is known to be its grant's default session. */
  readonly adopted: boolean
  readonly state: SessionState
  /** False once the slot has been given to another session, which waits until this one's process is gone. */
  readonly holdsSlot: boolean
  readonly handle: H
}

/** Whether the store knows the session, so that it can come back when its child has gone. */
export const hasRow = <E extends Pick<Entry<unknown>, "openedBy">>(entry: E): entry is E & { readonly openedBy: "client" | "broker" } =>
  entry.openedBy === "client" || entry.openedBy === "broker"

/** All sessions that are not just rows. Look-ups and changes cost the same, however many there are. */
export interface Registry<H> {
  readonly entries: HashMap.HashMap<SessionKey, Entry<H>>
  /** Slots taken, in all and by each user. */
  readonly slots: number
  readonly perUser: HashMap.HashMap<UserId, number>
  readonly starts: MinuteBudget
}

export interface Caps {
  readonly total: number
  readonly perUser: number
  /** Starts of one user within a minute. */
  readonly startsPerMinute: number
}

export const empty = <H>(): Registry<H> => ({ entries: HashMap.empty(), slots: 0, perUser: HashMap.empty(), starts: unspent })

export const heldBy = <H>(registry: Registry<H>, userId: UserId): number => Option.getOrElse(HashMap.get(registry.perUser, userId), () => 0)

export const find = <H>(registry: Registry<H>, key: SessionKey): Option.Option<Entry<H>> => HashMap.get(registry.entries, key)

export const entriesOf = <H>(registry: Registry<H>): ReadonlyArray<Entry<H>> => [...HashMap.values(registry.entries)]

export const ofGrant = <H>(registry: Registry<H>, grantId: GrantId): ReadonlyArray<Entry<H>> =>
  entriesOf(registry).filter((entry) => entry.grantId === grantId)

/** Changes an entry; nothing happens where it is not there. */
export const change = <H>(registry: Registry<H>, key: SessionKey, to: (entry: Entry<H>) => Entry<H>): Registry<H> => {
  const entry = HashMap.get(registry.entries, key)
  return Option.isNone(entry) ? registry : { ...registry, entries: HashMap.set(registry.entries, key, to(entry.value)) }
}

export const changeState = <H>(registry: Registry<H>, key: SessionKey, to: (state: SessionState) => SessionState): Registry<H> =>
  change(registry, key, (entry) => ({ ...entry, state: to(entry.state) }))

const addSlots = <H>(registry: Registry<H>, userId: UserId, count: 1 | -1): Registry<H> => {
  const held = heldBy(registry, userId) + count
  return {
    ...registry,
    slots: registry.slots + count,
    perUser: held === 0 ? HashMap.remove(registry.perUser, userId) : HashMap.set(registry.perUser, userId, held)
  }
}

/** Takes an entry out, and gives back the slot that it holds. */
export const release = <H>(registry: Registry<H>, key: SessionKey): Registry<H> =>
  Option.match(find(registry, key), {
    onNone: () => registry,
    onSome: (entry) => {
      const without = { ...registry, entries: HashMap.remove(registry.entries, key) }
      return entry.holdsSlot ? addSlots(without, entry.userId, -1) : without
    }
  })

/** The session that was used least recently, of those among these that hold a slot and are in the right state. */
const leastRecentlyUsed = <H>(entries: ReadonlyArray<Entry<H>>, isRight: (state: SessionState) => boolean): Entry<H> | undefined =>
  entries.filter((entry) => entry.holdsSlot && isRight(entry.state)).reduce<Entry<H> | undefined>(
    (oldest, entry) => oldest === undefined || lastActivityOf(entry.state) < lastActivityOf(oldest.state) ? entry : oldest,
    undefined
  )

const isLeaving = (state: SessionState): boolean => state._tag === "Leaving"

/**
 * Whose session is parked when all slots are taken: that of the user who holds most. Nobody loses a slot to a user who
 * holds as many or more, so the slots even out and no user can take those of others.
 */
const ofWhoHoldsMost = <H>(registry: Registry<H>, newcomer: UserId): Entry<H> | undefined => {
  const own = heldBy(registry, newcomer)
  const users = [...registry.perUser].filter(([userId, held]) => userId === newcomer || held > own).sort(([, a], [, b]) => b - a)
  const entries = entriesOf(registry)
  for (const [userId] of users) {
    const victim = leastRecentlyUsed(entries.filter((entry) => entry.userId === userId), isIdle)
    if (victim !== undefined) return victim
  }
  return undefined
}

export type Admission<H> =
  /** `victim`: the session that leaves for it; the newcomer may start once that one's process is gone. */
  | { readonly _tag: "Admitted"; readonly registry: Registry<H>; readonly victim: Entry<H> | undefined }
  | { readonly _tag: "Full"; readonly cap: "user" | "total" }
  /** The user has started as many children as may be within a minute. `wait`: milliseconds until the next one. */
  | { readonly _tag: "Throttled"; readonly wait: number }

/** Takes a slot for a session: a free one, else that of a session that is leaving or can be parked (`eviction`). */
export const admit = <H>(
  registry: Registry<H>,
  newcomer: Omit<Entry<H>, "holdsSlot">,
  caps: Caps,
  eviction: Departure,
  now: number
): Admission<H> => {
  const { userId } = newcomer
  const isUserFull = heldBy(registry, userId) >= caps.perUser
  const isFull = isUserFull || registry.slots >= caps.total
  const giving = isFull ? entriesOf(registry).filter((entry) => !isUserFull || entry.userId === userId) : []
  const victim = !isFull
    ? undefined
    // One that is leaving gives its slot up anyway.
    : leastRecentlyUsed(giving, isLeaving) ?? (isUserFull ? leastRecentlyUsed(giving, isIdle) : ofWhoHoldsMost(registry, userId))
  if (isFull && victim === undefined) return { _tag: "Full", cap: isUserFull ? "user" : "total" }
  const [wait, starts] = spend(registry.starts, userId, now, caps.startsPerMinute)
  if (wait > 0) return { _tag: "Throttled", wait }
  const freed = victim === undefined
    ? registry
    : addSlots(change(registry, victim.key, (entry) => ({ ...entry, holdsSlot: false, state: leave(entry.state, eviction) })), victim.userId, -1)
  const admitted = { ...addSlots(freed, userId, 1), starts }
  return {
    _tag: "Admitted",
    registry: { ...admitted, entries: HashMap.set(admitted.entries, newcomer.key, { ...newcomer, holdsSlot: true }) },
    victim
  }
}

/** What a slot that is taken can be waited for, in milliseconds. */
export interface Patience {
  readonly start: number
  readonly call: number
}

/** Milliseconds until the earliest slot can come free, if every start and every call takes as long as it may: of one user's, or of all. */
export const untilSlot = <H>(registry: Registry<H>, of: UserId | undefined, now: number, patience: Patience): number => {
  const times = entriesOf(registry).filter((entry) => entry.holdsSlot && (of === undefined || entry.userId === of)).map(({ state }) =>
    lastActivityOf(state) + (state._tag === "Starting" ? patience.start : patience.call) - now)
  return Math.max(0, Math.min(...times))
}

/**
 * The session that the broker itself opened, or is opening, for a grant's requests without an id, as long as no client
 * has sent its id back.
 */
export const brokersOwn = <H>(registry: Registry<H>, grantId: GrantId): Option.Option<Entry<H>> =>
  Option.fromNullable(ofGrant(registry, grantId).find((entry) => entry.openedBy === "broker" && !entry.claimed && entry.state._tag !== "Leaving"))
