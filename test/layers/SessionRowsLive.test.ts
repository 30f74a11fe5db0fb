import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Option, TestClock } from "effect"
import type { Handshake } from "../../src/domain/Handshake.ts"
import { ClientKey, GrantId, SessionKey, UserId } from "../../src/domain/Ids.ts"
import { end, park } from "../../src/domain/SessionState.ts"
import { SessionRowsLive } from "../../src/layers/SessionRowsLive.ts"
import { SqliteMemory } from "../../src/layers/SqliteLive.ts"
import type { Settings } from "../../src/services/AppConfig.ts"
import { SessionRows } from "../../src/services/SessionRows.ts"
import { settingsLayer } from "../fakes/TestSettings.ts"

const bare: Handshake = {
  initializeParams: { protocolVersion: "2025-06-18", capabilities: {} },
  told: { serverInfo: { name: "n", version: "1" } },
  logLevel: undefined,
  subscriptions: []
}
const full: Handshake = {
  ...bare,
  logLevel: "debug",
  subscriptions: ["a", "b"]
}

const key = SessionKey.make("k")
const row = (name: string = key, grant = "g", openedBy: "client" | "broker" = "client") => ({
  key: SessionKey.make(name),
  grantId: GrantId.make(grant),
  userId: UserId.make("7"),
  clientKey: ClientKey.make("c"),
  openedBy
})

/** One run of the broker on a store that outlives it. */
const run = (changes: Partial<Settings> = {}) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provide(effect, Layer.provide(SessionRowsLive, settingsLayer(changes)))
const store = (changes: Partial<Settings> = {}) => <A, E>(effect: Effect.Effect<A, E, SessionRows | SqlClient.SqlClient>) =>
  effect.pipe(run(changes), Effect.provide(SqliteMemory))

/** Each session's state, or the reason of its end. */
const states = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly key: string; readonly state: string; readonly reason: string | null }>`
    select key, state, end_reason as reason from sessions order by rowid`
  return Object.fromEntries(rows.map(({ key, reason, state }) => [key, reason === null ? state : `${state}: ${reason}`]))
})
const whole = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select * from sessions order by rowid`)

/** Parks new sessions, each last used a second after the one before. */
const parked = (names: ReadonlyArray<string>, grant = "g") =>
  Effect.gen(function*() {
    const rows = yield* SessionRows
    for (const [index, name] of names.entries()) {
      yield* rows.insert(row(name, grant), bare)
      yield* rows.leave(SessionKey.make(name), park("idle"), 1000 * (index + 1), [])
    }
  })

describe("the row of a session", () => {
  it.effect("keeps what the client said and was told, whatever is written of it", () =>
    Effect.gen(function*() {
      const rows = yield* SessionRows
      yield* rows.insert(row(), bare)
      assert.deepStrictEqual(Option.getOrThrow(yield* rows.kept(key)), { handshake: bare, crashes: [] })
      yield* rows.keepHandshake(key, full)
      assert.deepStrictEqual(Option.getOrThrow(yield* rows.kept(key)), { handshake: full, crashes: [] })
      assert.deepStrictEqual(Option.getOrThrow(yield* rows.find(key)), { ...row(), state: "live" as const, claimed: false, lastUsedAt: 0 })
      assert.isTrue(Option.isNone(yield* rows.find(SessionKey.make("other"))))
    }).pipe(store()))

  it.effect("remembers that its id was sent back, and when that was for the first time", () =>
    Effect.gen(function*() {
      const rows = yield* SessionRows
      const sql = yield* SqlClient.SqlClient
      yield* rows.insert(row(), bare)
      yield* TestClock.adjust("1 second")
      yield* rows.claim(key)
      yield* TestClock.adjust("1 second")
      yield* rows.claim(key)
      assert.isTrue(Option.getOrThrow(yield* rows.find(key)).claimed)
      assert.deepStrictEqual(yield* sql`select claimed_at from sessions`, [{ claimed_at: 1000 }])
    }).pipe(store()))

  it.effect("is parked with the times of its crashes, and revived with what its new child has heard", () =>
    Effect.gen(function*() {
      const rows = yield* SessionRows
      yield* rows.insert(row(), full)
      yield* rows.leave(key, park("crashed"), 0, [5, 6])
      assert.deepStrictEqual(Option.getOrThrow(yield* rows.kept(key)), { handshake: full, crashes: [5, 6] })
      assert.strictEqual(Option.getOrThrow(yield* rows.find(key)).state, "parked")
      yield* TestClock.adjust("3 seconds")
      assert.isTrue(yield* rows.revive(key))
      assert.deepStrictEqual(Option.getOrThrow(yield* rows.find(key)), { ...row(), state: "live" as const, claimed: false, lastUsedAt: 3000 })
      yield* rows.leave(key, park("start_failed"), 0, undefined)
      assert.deepStrictEqual(Option.getOrThrow(yield* rows.kept(key)), { handshake: full, crashes: [5, 6] }, "crashes count on")
      yield* rows.leave(key, park("idle"), 0, [])
      assert.deepStrictEqual(Option.getOrThrow(yield* rows.kept(key)).crashes, [])
    }).pipe(store()))

  it.effect("knows the latest use that anybody tells of, and no later one is overwritten by an earlier", () =>
    Effect.gen(function*() {
      const rows = yield* SessionRows
      const lastUse = Effect.map(rows.find(key), (found) => Option.getOrThrow(found).lastUsedAt)
      yield* rows.insert(row(), bare)
      yield* rows.insert(row("other"), bare)
      yield* rows.used([{ key, at: 70 }, { key: SessionKey.make("unknown"), at: 90 }])
      assert.strictEqual(yield* lastUse, 70)
      yield* rows.used([{ key, at: 60 }])
      yield* rows.used([])
      yield* rows.leave(key, park("idle"), 50, [])
      assert.strictEqual(yield* lastUse, 70)
      yield* rows.leave(key, park("idle"), 80, [])
      assert.strictEqual(yield* lastUse, 80)
      assert.strictEqual(Option.getOrThrow(yield* rows.find(SessionKey.make("other"))).lastUsedAt, 0)
    }).pipe(store()))
})

describe("a session that has ended", () => {
  it.effect("has nothing left of what the client said, by whatever way it ended", () =>
    Effect.gen(function*() {
      const rows = yield* SessionRows
      const sql = yield* SqlClient.SqlClient
      for (const name of ["leaves", "ends", "revoked"]) {
        yield* rows.insert(row(name, name), full)
        yield* rows.leave(SessionKey.make(name), park("crashed"), 0, [1, 2])
      }
      yield* rows.leave(SessionKey.make("leaves"), end("crashed_again"), 4, [1, 2, 3])
      assert.deepStrictEqual((yield* rows.end(SessionKey.make("ends"), "closed")).map((ended) => ended.key), ["ends"])
      yield* rows.endOfGrant(GrantId.make("revoked"))
      assert.deepStrictEqual(yield* states, { leaves: "ended: crashed_again", ends: "ended: closed", revoked: "ended: grant_ended" })
      const empty = { initialize_params: "{}", initialize_result: "{}", log_level: null, subscriptions: "[]", missed: "[]", crashes: "[]" }
      assert.deepStrictEqual(
        yield* sql`select initialize_params, initialize_result, log_level, subscriptions, missed, crashes from sessions`,
        [empty, empty, empty]
      )
      for (const name of ["leaves", "ends", "revoked"]) assert.isTrue(Option.isNone(yield* rows.kept(SessionKey.make(name))))
    }).pipe(store()))

  it.effect("stays so, with its reason and its time, whatever comes after", () =>
    Effect.gen(function*() {
      const rows = yield* SessionRows
      yield* rows.insert(row(), full)
      yield* rows.end(key, "closed")
      const before = yield* whole
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* rows.end(key, "idle"), [])
      assert.isFalse(yield* rows.revive(key))
      yield* rows.keepHandshake(key, full)
      yield* rows.leave(key, park("idle"), 900, [1])
      yield* rows.leave(key, end("crashed_again"), 900, [1])
      yield* rows.miss(key, { _tag: "Notification", method: "notifications/x", params: undefined })
      assert.deepStrictEqual(yield* rows.endOfGrant(row().grantId), [])
      assert.deepStrictEqual(yield* whole, before)
      for (const childStateful of [false, true]) yield* Effect.scoped(Layer.build(Layer.provide(SessionRowsLive, settingsLayer({ childStateful }))))
      assert.deepStrictEqual(yield* whole, before)
    }).pipe(store()))

  it.effect("is told from one that never was for 30 days", () =>
    Effect.gen(function*() {
      const rows = yield* SessionRows
      const sql = yield* SqlClient.SqlClient
      yield* rows.insert(row(), bare)
      yield* rows.insert(row("live"), bare)
      yield* rows.end(key, "idle")
      const age = (days: number) => Effect.zipRight(sql`update sessions set ended_at = ${-days * 24 * 3_600_000} where state = 'ended'`, rows.sweep)
      yield* age(29)
      assert.strictEqual(Option.getOrThrow(yield* rows.find(key)).state, "ended")
      yield* age(30)
      assert.deepStrictEqual(yield* states, { live: "live" })
    }).pipe(store()))
})

describe("the end of a grant", () => {
  it.effect("ends its sessions, those that live and those that are parked, names them, and touches no others", () =>
    Effect.gen(function*() {
      const rows = yield* SessionRows
      for (const name of ["live", "parked", "ended"]) yield* rows.insert(row(name), bare)
      yield* rows.insert(row("another's", "h"), bare)
      yield* rows.leave(SessionKey.make("parked"), park("idle"), 0, [])
      yield* rows.end(SessionKey.make("ended"), "closed")
      assert.deepStrictEqual((yield* rows.endOfGrant(GrantId.make("g"))).map(({ key }) => key), ["live", "parked"].map((name) => SessionKey.make(name)))
      assert.deepStrictEqual(yield* states, { live: "ended: grant_ended", parked: "ended: grant_ended", ended: "ended: closed", "another's": "live" })
      assert.deepStrictEqual(yield* rows.endOfGrant(GrantId.make("g")), [])
    }).pipe(store()))
})

describe("the newest session that nobody claimed", () => {
  it.effect("is the last one that was opened, also within one millisecond, live or parked, by client or broker", () =>
    Effect.gen(function*() {
      const rows = yield* SessionRows
      const newest = Effect.map(rows.newestUnclaimed(GrantId.make("g")), (found) => Option.getOrUndefined(found)?.key)
      assert.isUndefined(yield* newest)
      for (const name of ["z", "a", "m"]) yield* rows.insert(row(name, "g", name === "m" ? "broker" : "client"), bare)
      yield* rows.insert(row("another's", "h"), bare)
      assert.strictEqual(yield* newest, "m")
      yield* rows.claim(SessionKey.make("m"))
      assert.strictEqual(yield* newest, "a")
      yield* rows.leave(SessionKey.make("a"), park("idle"), 0, [])
      yield* rows.used([{ key: SessionKey.make("z"), at: 99 }])
      assert.strictEqual(yield* newest, "a", "use does not make one newer")
      yield* rows.end(SessionKey.make("a"), "closed")
      assert.strictEqual(yield* newest, "z")
    }).pipe(store()))
})

describe("at the start of the broker", () => {
  const twoRuns = (changes: Partial<Settings>) =>
    Effect.gen(function*() {
      yield* run()(Effect.gen(function*() {
        const rows = yield* SessionRows
        yield* rows.insert(row("live"), full)
        yield* rows.insert(row("parked"), full)
        yield* rows.leave(SessionKey.make("parked"), park("idle"), 5, [3])
        yield* rows.insert(row("ended"), full)
        yield* rows.end(SessionKey.make("ended"), "closed")
      }))
      yield* TestClock.adjust("1 minute")
      return yield* run(changes)(Effect.gen(function*() {
        const rows = yield* SessionRows
        const kept = yield* rows.kept(SessionKey.make("live"))
        return { states: yield* states, kept, row: Option.getOrThrow(yield* rows.find(SessionKey.make("live"))) }
      }))
    }).pipe(Effect.provide(SqliteMemory))

  it.effect("what a killed run left live is parked, and can be revived with all that it was", () =>
    Effect.gen(function*() {
      const found = yield* twoRuns({})
      assert.deepStrictEqual(found.states, { live: "parked", parked: "parked", ended: "ended: closed" })
      assert.deepStrictEqual(Option.getOrThrow(found.kept), { handshake: full, crashes: [] })
      assert.strictEqual(found.row.lastUsedAt, 0, "a restart is no use")
    }))

  it.effect("it ends where the child is stateful, and so does what was parked when that was not known", () =>
    Effect.gen(function*() {
      const found = yield* twoRuns({ childStateful: true })
      assert.deepStrictEqual(found.states, { live: "ended: shutdown", parked: "ended: shutdown", ended: "ended: closed" })
      assert.isTrue(Option.isNone(found.kept))
    }))
})

describe("parked sessions", () => {
  it.effect("end when nobody has used them for SESSION_KEEP; those that live do not", () =>
    Effect.gen(function*() {
      const rows = yield* SessionRows
      yield* parked(["unused", "used"])
      yield* rows.insert(row("live"), bare)
      yield* rows.used([{ key: SessionKey.make("used"), at: 1_800_000 }])
      const sweptAt = (minute: string) => Effect.map(Effect.zipRight(TestClock.setTime(Number(minute) * 60_000), rows.sweep), (ended) => ended.map((gone) => gone.key))
      assert.deepStrictEqual(yield* sweptAt("59"), [])
      assert.deepStrictEqual(yield* sweptAt("61"), ["unused"])
      assert.deepStrictEqual(yield* states, { unused: "ended: kept_too_long", used: "parked", live: "live" })
      assert.deepStrictEqual(yield* sweptAt("91"), ["used"])
      assert.deepStrictEqual(yield* states, { unused: "ended: kept_too_long", used: "ended: kept_too_long", live: "live" })
    }).pipe(store({ sessionKeep: Duration.hours(1) })))

  it.effect("beyond MAX_PARKED of one grant end as soon as one more is parked, the least recently used first", () =>
    Effect.gen(function*() {
      const rows = yield* SessionRows
      yield* parked(["a", "b"])
      yield* parked(["another's"], "h")
      yield* rows.insert(row("live"), bare)
      yield* rows.used([{ key: SessionKey.make("a"), at: 7000 }])
      yield* rows.insert(row("c"), bare)
      assert.deepStrictEqual(yield* states, { a: "parked", b: "parked", "another's": "parked", live: "live", c: "live" })
      assert.deepStrictEqual((yield* rows.leave(SessionKey.make("c"), park("idle"), 6000, [])).map((ended) => ended.key), ["b"])
      assert.deepStrictEqual(yield* states, { a: "parked", b: "ended: too_many_parked", "another's": "parked", live: "live", c: "parked" })
      yield* rows.leave(SessionKey.make("live"), park("idle"), 6000, [])
      assert.deepStrictEqual(yield* states, { a: "parked", b: "ended: too_many_parked", "another's": "parked", live: "ended: too_many_parked", c: "parked" })
    }).pipe(store({ maxParked: 2 })))

  it.effect("that were too many when the broker started end then, in each grant by itself", () =>
    Effect.gen(function*() {
      yield* run()(Effect.zipRight(parked(["a", "b", "c"]), parked(["d", "e"], "h")))
      yield* run({ maxParked: 1 })(states).pipe(
        Effect.map((found) => assert.deepStrictEqual(found, {
          a: "ended: too_many_parked", b: "ended: too_many_parked", c: "parked", d: "ended: too_many_parked", e: "parked"
        }))
      )
    }).pipe(Effect.provide(SqliteMemory)))

  it.effect("keep what their clients notify, also two at once, and lose nothing else by it", () =>
    Effect.gen(function*() {
      const rows = yield* SessionRows
      yield* rows.insert(row(), full)
      yield* rows.leave(key, park("idle"), 0, [5])
      const notifications = ["a", "b"].map((method) => ({ _tag: "Notification" as const, method, params: method === "a" ? undefined : { a: [1, null] } }))
      yield* Effect.all(notifications.map((notification) => rows.miss(key, notification)), { concurrency: 2 })
      assert.deepStrictEqual(Option.getOrThrow(yield* rows.kept(key)), { handshake: full, crashes: [5] })
      assert.deepStrictEqual(yield* rows.takeMissed(key), notifications)
      assert.deepStrictEqual(yield* rows.takeMissed(key), [], "each once")
    }).pipe(store()))

  it.effect("of which one never got a row are nobody's: leaving without a row changes nothing", () =>
    Effect.gen(function*() {
      const rows = yield* SessionRows
      yield* parked(["a", "b"])
      const before = yield* whole
      yield* rows.leave(SessionKey.make("never"), park("start_failed"), 9000, [])
      yield* rows.leave(SessionKey.make("never"), end("start_failed"), 9000, [])
      assert.deepStrictEqual(yield* whole, before)
    }).pipe(store({ maxParked: 2 })))
})
