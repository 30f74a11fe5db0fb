import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc, HashMap, Option } from "effect"
import { ClientKey, GrantId, SessionKey, UserId } from "../../src/domain/Ids.ts"
import * as Registry from "../../src/domain/SessionRegistry.ts"
import type { SessionState } from "../../src/domain/SessionState.ts"
import { begin, end, finish, isIdle, lastActivityOf, leave, park, started, starting } from "../../src/domain/SessionState.ts"

type Entry = Registry.Entry<number>
type Table = Registry.Registry<number>

const key = (n: number) => SessionKey.make(`s${n}`)
const user = (n: number) => UserId.make(`u${n}`)
const newcomer = (n: number, of: number, now = 0, openedBy: Entry["openedBy"] = "client"): Omit<Entry, "holdsSlot"> => ({
  key: key(n),
  userId: user(of),
  clientKey: ClientKey.make("c"),
  grantId: GrantId.make(`g${of}`),
  openedBy,
  claimed: false,
  adopted: false,
  state: starting(now),
  handle: n
})
const eviction = park("evicted")
const generous: Registry.Caps = { total: 99, perUser: 99, startsPerMinute: 999 }

const admitted = (registry: Table, entry: Omit<Entry, "holdsSlot">, caps = generous, now = 0) => {
  const found = Registry.admit(registry, entry, caps, eviction, now)
  if (found._tag !== "Admitted") assert.fail(found._tag)
  return found
}
/** A table of sessions that are up and idle: number, user, and when each was last used. */
const idleTable = (...sessions: ReadonlyArray<readonly [n: number, of: number, lastActivity: number]>): Table =>
  sessions.reduce((registry, [n, of, at]) => Registry.changeState(admitted(registry, newcomer(n, of)).registry, key(n), (state) => started(state, at)), Registry.empty<number>())
const victimOf = (registry: Table, entry: Omit<Entry, "holdsSlot">, caps: Partial<Registry.Caps>) => {
  const found = Registry.admit(registry, entry, { ...generous, ...caps }, eviction, 0)
  return found._tag === "Admitted" ? found.victim?.key : found._tag === "Full" ? `full: ${found.cap}` : found._tag
}

/** Of whom one may be parked for this newcomer, as the design says it and without regard to cost. */
const evictable = (registry: Table, of: UserId, perUser: number): ReadonlyArray<Entry> => {
  const own = Registry.heldBy(registry, of)
  const leaving = Registry.entriesOf(registry).filter((entry) => entry.holdsSlot && entry.state._tag === "Leaving" && (entry.userId === of || own < perUser))
  return leaving.length > 0 ? leaving : Registry.entriesOf(registry).filter((entry) =>
    entry.holdsSlot && isIdle(entry.state) && (entry.userId === of || (own < perUser && Registry.heldBy(registry, entry.userId) > own)))
}

const assertConsistent = (registry: Table, caps: Registry.Caps) => {
  const holders = Registry.entriesOf(registry).filter((entry) => entry.holdsSlot)
  assert.strictEqual(registry.slots, holders.length)
  assert.isAtMost(registry.slots, caps.total)
  const counts = new Map<UserId, number>()
  for (const { userId } of holders) counts.set(userId, (counts.get(userId) ?? 0) + 1)
  assert.deepStrictEqual(new Map(registry.perUser), counts, "nobody stands there with nothing")
  for (const held of counts.values()) assert.isAtMost(held, caps.perUser)
}

const assertRightlyAdmitted = (before: Table, entry: Omit<Entry, "holdsSlot">, caps: Registry.Caps, { registry, victim }: Registry.Admission<number> & { readonly _tag: "Admitted" }) => {
  const { userId } = entry
  const own = Registry.heldBy(before, userId)
  assert.deepStrictEqual(Option.getOrThrow(Registry.find(registry, entry.key)), { ...entry, holdsSlot: true })
  if (victim === undefined) {
    assert.isTrue(before.slots < caps.total && own < caps.perUser, "nobody lost a slot, so one was free")
    return
  }
  assert.isTrue(before.slots === caps.total || own === caps.perUser, "nobody loses a slot where one is free")
  const isLeaving = victim.state._tag === "Leaving"
  assert.isTrue(victim.holdsSlot && (isLeaving || isIdle(victim.state)))
  const held = Registry.heldBy(before, victim.userId)
  const candidates = evictable(before, userId, caps.perUser)
  assert.include(candidates.map((one) => one.key), victim.key)
  if (!isLeaving) {
    assert.isAtMost(Registry.heldBy(registry, userId), held)
    assert.strictEqual(held, Math.max(...candidates.map((one) => Registry.heldBy(before, one.userId))), "of who holds most")
  }
  const ofUser = candidates.filter((one) => isLeaving || one.userId === victim.userId)
  assert.strictEqual(lastActivityOf(victim.state), Math.min(...ofUser.map(({ state }) => lastActivityOf(state))), "the least recently used")
  assert.deepStrictEqual(Option.getOrThrow(Registry.find(registry, victim.key)), { ...victim, holdsSlot: false, state: leave(victim.state, eviction) })
}

/** What the fiber of a session, its calls and its owner may do to its state. */
const changes: Readonly<Record<string, (state: SessionState, now: number) => SessionState>> = {
  started,
  begin: (state, now) => begin(state, now, 3, true)[1],
  finish: (state, now) => state._tag !== "Leaving" && state.inFlight > 0 ? finish(state, now, true) : state,
  park: (state) => leave(state, park("idle")),
  end: (state) => leave(state, end("closed"))
}

describe("the registry of sessions", () => {
  it("keeps its caps and its counts, and takes a slot away only as the design says, whatever happens in whatever order", () => {
    // Each step hits something: a new session comes, or something happens to one of those that are there.
    const what = fc.oneof(
      { weight: 4, arbitrary: fc.constant("admit") },
      { weight: 5, arbitrary: fc.constant("started") },
      { weight: 3, arbitrary: fc.constantFrom("begin", "finish") },
      { weight: 1, arbitrary: fc.constantFrom("release", "park", "end") }
    )
    const ops = fc.array(fc.tuple(what, fc.nat(99), fc.nat(3), fc.nat(3000)), { minLength: 40, maxLength: 120 })
    const someCaps = fc.record({ total: fc.integer({ min: 1, max: 6 }), perUser: fc.integer({ min: 1, max: 4 }), startsPerMinute: fc.constantFrom(2, 4, 999) })
    const seen = { Full: 0, Throttled: 0, evictedOwn: 0, evictedOther: 0 }
    fc.assert(fc.property(ops, someCaps, (steps, caps) => {
      let [registry, now] = [Registry.empty<number>(), 0]
      for (const [step, [name, which, of, later]] of steps.entries()) {
        now += later
        const entries = Registry.entriesOf(registry)
        const some = entries[which % Math.max(1, entries.length)]
        if (name === "admit") {
          const entry = newcomer(step, of, now)
          const found = Registry.admit(registry, entry, caps, eviction, now)
          switch (found._tag) {
            case "Admitted":
              assertRightlyAdmitted(registry, entry, caps, found)
              if (found.victim !== undefined) seen[found.victim.userId === user(of) ? "evictedOwn" : "evictedOther"]++
              registry = found.registry
              break
            case "Full":
              assert.deepStrictEqual(evictable(registry, user(of), caps.perUser), [])
              assert.strictEqual(found.cap, Registry.heldBy(registry, user(of)) >= caps.perUser ? "user" : "total")
              seen.Full++
              break
            case "Throttled":
              assert.isAtLeast(found.wait, 1)
              assert.notStrictEqual(Registry.admit(registry, entry, caps, eviction, now + found.wait)._tag, "Throttled")
              seen.Throttled++
          }
        } else if (some !== undefined) {
          registry = name === "release"
            ? Registry.release(registry, some.key)
            : Registry.changeState(registry, some.key, (state) => changes[name]?.(state, now) ?? state)
        }
        assertConsistent(registry, caps)
      }
    }), { numRuns: 200 })
    for (const [what, times] of Object.entries(seen)) assert.isAbove(times, 0, `never came to ${what}`)
  })

  it("at the user's cap takes that user's own, however much others hold", () => {
    const table = idleTable([1, 1, 50], [2, 2, 10], [3, 2, 20], [4, 2, 30], [5, 1, 40])
    assert.strictEqual(victimOf(table, newcomer(6, 1), { perUser: 2 }), "s5")
  })

  it("at the global cap takes that of the user who holds most, and the newcomer's own where that is the newcomer", () => {
    const table = idleTable([1, 1, 0], [2, 2, 10], [3, 2, 5], [4, 2, 20], [5, 3, 1], [6, 3, 2])
    assert.strictEqual(victimOf(table, newcomer(9, 1), { total: 6 }), "s3")
    assert.strictEqual(victimOf(table, newcomer(9, 2), { total: 6 }), "s3")
    assert.strictEqual(victimOf(table, newcomer(9, 4), { total: 6 }), "s3")
  })

  it("goes on to who holds next most where all of those are busy, but never to who holds as little as the newcomer", () => {
    const busy = [2, 3, 4].reduce((table, n) => Registry.changeState(table, key(n), (state) => begin(state, 30, 9, true)[1]),
      idleTable([1, 1, 0], [2, 2, 10], [3, 2, 5], [4, 2, 20], [5, 3, 1], [6, 3, 2]))
    assert.strictEqual(victimOf(busy, newcomer(9, 4), { total: 6 }), "s5")
    assert.strictEqual(victimOf(busy, newcomer(9, 1), { total: 6 }), "s5")
    assert.strictEqual(victimOf(busy, newcomer(9, 3), { total: 6 }), "s5")
    const even = idleTable([1, 1, 0], [2, 2, 10])
    assert.strictEqual(victimOf(even, newcomer(9, 2), { total: 2 }), "s2", "the own one, although another's is older")
    assert.strictEqual(victimOf(Registry.changeState(even, key(2), (state) => begin(state, 11, 9, true)[1]), newcomer(9, 2), { total: 2 }), "full: total")
    assert.strictEqual(victimOf(even, newcomer(9, 3), { total: 2 }), "s1", "who has nothing gets one")
  })

  it("takes the slot that is being given up anyway before anybody is parked, and hands it on once", () => {
    const table = Registry.changeState(idleTable([1, 1, 0], [2, 2, 5], [3, 2, 10]), key(1), (state) => leave(state, end("closed")))
    const first = admitted(table, newcomer(4, 3), { ...generous, total: 3 })
    assert.deepStrictEqual([first.victim?.key, first.victim?.state], ["s1", { _tag: "Leaving", to: end("closed"), inFlight: 0, asked: 0, lastActivity: 0 }])
    assert.strictEqual(victimOf(first.registry, newcomer(5, 4), { total: 3 }), "s2")
    assert.strictEqual(victimOf(table, newcomer(4, 2), { perUser: 2 }), "s2", "at a user's cap only the user's own")
  })

  it("takes nothing from who has a call in flight, or is starting", () => {
    const starts = admitted(Registry.empty<number>(), newcomer(1, 1)).registry
    const calls = Registry.changeState(idleTable([1, 1, 0]), key(1), (state) => begin(state, 1, 9, false)[1])
    for (const table of [starts, calls]) assert.strictEqual(victimOf(table, newcomer(2, 1), { perUser: 1 }), "full: user")
  })

  it("lets two users who open without end share all slots evenly, and then each takes only its own", () => {
    let table = Registry.empty<number>()
    const caps = { total: 8, perUser: 8 }
    for (let n = 0; n < 60; n++) {
      const of = n < 20 ? 1 : n % 2
      const found = admitted(table, newcomer(n, of, n), { ...generous, ...caps }, n)
      if (found.victim !== undefined && n >= 40) assert.strictEqual(found.victim.userId, user(of))
      table = Registry.changeState(found.victim === undefined ? found.registry : Registry.release(found.registry, found.victim.key), key(n), (state) => started(state, n))
    }
    assert.deepStrictEqual([Registry.heldBy(table, user(0)), Registry.heldBy(table, user(1))], [4, 4])
  })

  it("parks nobody for a newcomer who has started too many within a minute", () => {
    const caps = { ...generous, total: 1, startsPerMinute: 1 }
    const table = Registry.changeState(admitted(Registry.empty<number>(), newcomer(1, 1), caps, 0).registry, key(1), (state) => started(state, 0))
    assert.deepStrictEqual(Registry.admit(table, newcomer(2, 1), caps, eviction, 1000), { _tag: "Throttled", wait: 59_000 })
    assert.strictEqual(admitted(table, newcomer(2, 1), caps, 60_000).victim?.key, "s1")
  })

  it("gives a slot back once: one that lost its slot to another has none to give", () => {
    const { registry, victim } = admitted(idleTable([1, 1, 0]), newcomer(2, 1), { ...generous, perUser: 1 })
    assert.strictEqual(victim?.key, "s1")
    assert.strictEqual(Registry.release(registry, key(1)).slots, 1)
    assert.strictEqual(Registry.release(Registry.release(registry, key(1)), key(2)).slots, 0)
    assert.strictEqual(Registry.release(registry, key(9)), registry)
    assert.strictEqual(Registry.change(registry, key(9), () => assert.fail()), registry)
  })
})

describe("the wait for a slot", () => {
  const patience = { start: 30_000, call: 300_000 }
  const callIn = (table: Table, n: number, at: number) => Registry.changeState(table, key(n), (state) => begin(state, at, 9, true)[1])

  it("is the earliest end of a start or a call, if each takes as long as it may", () => {
    const calls = callIn(idleTable([1, 1, 0]), 1, 10_000)
    assert.strictEqual(Registry.untilSlot(calls, undefined, 20_000, patience), 290_000)
    const starts = admitted(calls, newcomer(2, 2, 15_000)).registry
    assert.strictEqual(Registry.untilSlot(starts, undefined, 20_000, patience), 25_000)
    assert.strictEqual(Registry.untilSlot(starts, user(1), 20_000, patience), 290_000, "of the user's own only")
    assert.strictEqual(Registry.untilSlot(starts, undefined, 9_000_000, patience), 0, "never less than nothing")
  })

  it("does not count on a slot that has been given away", () => {
    const { registry } = admitted(idleTable([1, 1, 0]), newcomer(2, 1, 0), { ...generous, perUser: 1 })
    assert.strictEqual(Registry.untilSlot(registry, user(1), 0, patience), 30_000)
  })
})

describe("the session that the broker opens for requests without an id", () => {
  const own = (table: Table) => Option.getOrUndefined(Registry.brokersOwn(table, GrantId.make("g1")))?.key

  it("is the grant's own while it starts and lives, until it leaves or a client has sent its id back", () => {
    const table = admitted(admitted(idleTable([1, 1, 0]), newcomer(2, 2, 0, "broker")).registry, newcomer(3, 1, 0, "broker")).registry
    assert.isUndefined(own(idleTable([1, 1, 0])), "a client's own session is not")
    assert.strictEqual(own(table), "s3")
    assert.strictEqual(own(Registry.changeState(table, key(3), (state) => started(state, 1))), "s3")
    assert.isUndefined(own(Registry.changeState(table, key(3), (state) => leave(state, park("idle")))))
    assert.isUndefined(own(Registry.change(table, key(3), (entry) => ({ ...entry, claimed: true }))))
    assert.strictEqual(HashMap.size(Registry.release(table, key(3)).entries), 2)
  })
})
