import { Either, HashMap, Option } from "effect"
import type { ClientKey, GrantId, SessionKey, UserId } from "./Ids.ts"

/** What the registry knows of a session; `H` is the running thing behind it. */
export interface Entry<H> {
  readonly key: SessionKey
  readonly userId: UserId
  readonly clientKey: ClientKey
  readonly grantId: GrantId
  /** Whose `initialize` it answers: a client's, or the broker's own for requests without an id. */
  readonly openedBy: "client" | "broker"
  /** Whether a client has ever sent the id back. */
  readonly claimed: boolean
  readonly phase: "starting" | "live" | "ending"
  readonly handle: H
}

/** The sessions that hold a slot. Every look-up and every change costs the same, however many there are. */
export interface Registry<H> {
  readonly entries: HashMap.HashMap<SessionKey, Entry<H>>
  readonly perUser: HashMap.HashMap<UserId, ReadonlyArray<SessionKey>>
  /** The oldest first. */
  readonly perGrant: HashMap.HashMap<GrantId, ReadonlyArray<SessionKey>>
}

export interface Caps {
  readonly total: number
  readonly perUser: number
}

export const empty = <H>(): Registry<H> => ({ entries: HashMap.empty(), perUser: HashMap.empty(), perGrant: HashMap.empty() })

export const size = <H>(registry: Registry<H>): number => HashMap.size(registry.entries)

const none: ReadonlyArray<SessionKey> = []

const keysOf = <K>(index: HashMap.HashMap<K, ReadonlyArray<SessionKey>>, of: K) => Option.getOrElse(HashMap.get(index, of), () => none)

const without = <K>(index: HashMap.HashMap<K, ReadonlyArray<SessionKey>>, of: K, key: SessionKey) => {
  const rest = keysOf(index, of).filter((other) => other !== key)
  return rest.length > 0 ? HashMap.set(index, of, rest) : HashMap.remove(index, of)
}

/** Takes a slot, or says which cap is reached. */
export const reserve = <H>(registry: Registry<H>, entry: Omit<Entry<H>, "phase" | "claimed">, caps: Caps): Either.Either<Registry<H>, "user" | "total"> => {
  const ofUser = keysOf(registry.perUser, entry.userId)
  if (ofUser.length >= caps.perUser) return Either.left("user")
  if (size(registry) >= caps.total) return Either.left("total")
  return Either.right({
    entries: HashMap.set(registry.entries, entry.key, { ...entry, claimed: false, phase: "starting" as const }),
    perUser: HashMap.set(registry.perUser, entry.userId, [...ofUser, entry.key]),
    perGrant: HashMap.set(registry.perGrant, entry.grantId, [...keysOf(registry.perGrant, entry.grantId), entry.key])
  })
}

export const find = <H>(registry: Registry<H>, key: SessionKey): Option.Option<Entry<H>> => HashMap.get(registry.entries, key)

const change = <H>(registry: Registry<H>, key: SessionKey, to: (entry: Entry<H>) => Entry<H>): Registry<H> => ({
  ...registry,
  entries: HashMap.modify(registry.entries, key, to)
})

/** The child has answered: the session can be spoken to. */
export const publish = <H>(registry: Registry<H>, key: SessionKey): Registry<H> =>
  change(registry, key, (entry) => entry.phase === "starting" ? { ...entry, phase: "live" } : entry)

/** The session is over, but holds its slot until its process is gone. */
export const retire = <H>(registry: Registry<H>, key: SessionKey): Registry<H> => change(registry, key, (entry) => ({ ...entry, phase: "ending" }))

/** The client sent the id back: the session is no longer a candidate for requests without one. */
export const claim = <H>(registry: Registry<H>, key: SessionKey): Registry<H> => change(registry, key, (entry) => ({ ...entry, claimed: true }))

/** Gives the slot back. */
export const release = <H>(registry: Registry<H>, key: SessionKey): Registry<H> =>
  Option.match(find(registry, key), {
    onNone: () => registry,
    onSome: (entry) => ({
      entries: HashMap.remove(registry.entries, key),
      perUser: without(registry.perUser, entry.userId, key),
      perGrant: without(registry.perGrant, entry.grantId, key)
    })
  })

const entriesOf = <H>(registry: Registry<H>, keys: ReadonlyArray<SessionKey>) => keys.flatMap((key) => Option.toArray(find(registry, key)))

export const ofUser = <H>(registry: Registry<H>, userId: UserId): ReadonlyArray<Entry<H>> => entriesOf(registry, keysOf(registry.perUser, userId))

export const ofGrant = <H>(registry: Registry<H>, grantId: GrantId): ReadonlyArray<Entry<H>> => entriesOf(registry, keysOf(registry.perGrant, grantId))

/**
 * The session for a grant's requests without an id: its newest live one whose id nobody has sent back, else one that
 * the broker is just starting for such a request.
 */
export const defaultOf = <H>(registry: Registry<H>, grantId: GrantId): Option.Option<Entry<H>> => {
  const unclaimed = ofGrant(registry, grantId).filter((entry) => !entry.claimed)
  return Option.fromNullable(
    unclaimed.findLast((entry) => entry.phase === "live") ?? unclaimed.findLast((entry) => entry.phase === "starting" && entry.openedBy === "broker")
  )
}
