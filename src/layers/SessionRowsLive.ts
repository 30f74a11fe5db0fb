import { SqlClient, SqlSchema } from "@effect/sql"
import type { Fragment } from "@effect/sql/Statement"
import { Clock, Duration, Effect, Layer, Option, Schema } from "effect"
import type { Handshake } from "../domain/Handshake.ts"
import { isKept, missing } from "../domain/Handshake.ts"
import { GrantId, SessionKey } from "../domain/Ids.ts"
import type { Notification } from "../domain/JsonRpc.ts"
import { endedSessionKept } from "../domain/Lifetimes.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { type Kept, SessionRow, SessionRows } from "../services/SessionRows.ts"

const JsonObject = Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
const Missed = Schema.Struct({
  _tag: Schema.Literal("Notification"),
  method: Schema.String,
  params: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
})
const KeptRow = Schema.Struct({
  initializeParams: JsonObject,
  told: JsonObject,
  logLevel: Schema.NullOr(Schema.String),
  subscriptions: Schema.parseJson(Schema.Array(Schema.String)),
  crashes: Schema.parseJson(Schema.Array(Schema.Number))
})

const MissedRow = Schema.Struct({ missed: Schema.parseJson(Schema.Array(Missed)) })

const columnsOf = (handshake: Handshake) => ({
  initialize_result: JSON.stringify(handshake.told),
  log_level: handshake.logLevel ?? null,
  subscriptions: JSON.stringify(handshake.subscriptions)
})

// A store that fails is a defect: nobody above can do anything about it but answer 500.
const make = Effect.gen(function*() {
  const config = yield* AppConfig
  const sql = yield* SqlClient.SqlClient
  // Whole milliseconds: the columns take nothing else, and a test's clock may stand between two.
  const atNow = <A, E>(run: (now: number) => Effect.Effect<A, E>) =>
    Effect.orDie(Effect.flatMap(Clock.currentTimeMillis, (now) => run(Math.floor(now))))

  const columns = sql`key, grant_id as "grantId", user_id as "userId", client_key as "clientKey", opened_by as "openedBy", state,
    claimed_at is not null as claimed, last_used_at as "lastUsedAt"`
  /** Ends what is meant and has not ended yet; gives it. What the client said is kept no longer than it can be of use. */
  const end = (reason: string, meant: Fragment): Effect.Effect<ReadonlyArray<SessionRow>> =>
    atNow((now) =>
      Effect.flatMap(
        sql`update sessions set state = 'ended', end_reason = ${reason}, ended_at = ${now}, initialize_params = '{}', initialize_result = '{}',
          log_level = null, subscriptions = '[]', missed = '[]', crashes = '[]' where ${meant} and state <> 'ended' returning ${columns}`,
        Schema.decodeUnknown(Schema.Array(SessionRow))
      ))
  const endCrowded = (among: Fragment) =>
    end("too_many_parked", sql`key in (select key from (
      select key, row_number() over (partition by grant_id order by last_used_at desc, rowid desc) as place
      from sessions where state = 'parked' and ${among}) where place > ${config.maxParked})`)

  // Children die with the daemon, so what a killed run left as live has none. A stateful one cannot be replaced: nor can
  // what was parked before the child was known to be stateful.
  yield* config.childStateful
    ? end("shutdown", sql`true`)
    : Effect.zipRight(Effect.orDie(sql`update sessions set state = 'parked' where state = 'live'`), endCrowded(sql`true`))

  const find = SqlSchema.findOne({ Request: SessionKey, Result: SessionRow, execute: (key) => sql`select ${columns} from sessions where key = ${key}` })
  const findKept = SqlSchema.findOne({
    Request: SessionKey,
    Result: KeptRow,
    execute: (key) =>
      sql`select initialize_params as "initializeParams", initialize_result as told, log_level as "logLevel", subscriptions, crashes
        from sessions where key = ${key} and state <> 'ended'`
  })
  const kept = (key: SessionKey) =>
    Effect.map(Effect.orDie(findKept(key)), Option.map(({ crashes, logLevel, ...rest }): Kept => ({
      crashes,
      handshake: { ...rest, logLevel: logLevel ?? undefined }
    })))
  const findMissed = SqlSchema.findOne({
    Request: SessionKey,
    Result: MissedRow,
    execute: (key) => sql`select missed from sessions where key = ${key} and state <> 'ended'`
  })
  const missedOf = (key: SessionKey) =>
    Effect.map(findMissed(key), (found) => Option.match(found, {
      onNone: (): ReadonlyArray<Notification> => [],
      onSome: ({ missed }) => missed.map((each) => ({ ...each, params: each.params }))
    }))
  const putMissed = (key: SessionKey, missed: ReadonlyArray<Notification>) =>
    sql`update sessions set missed = ${JSON.stringify(missed)} where key = ${key} and state <> 'ended'`
  const newestUnclaimed = SqlSchema.findOne({
    Request: GrantId,
    Result: SessionRow,
    execute: (grantId) =>
      sql`select ${columns} from sessions where grant_id = ${grantId} and claimed_at is null and state <> 'ended' order by rowid desc limit 1`
  })

  return SessionRows.of({
    insert: (row, handshake) =>
      atNow((now) =>
        sql`insert into sessions ${
          sql.insert({
            key: row.key,
            grant_id: row.grantId,
            user_id: row.userId,
            client_key: row.clientKey,
            opened_by: row.openedBy,
            state: "live",
            initialize_params: JSON.stringify(handshake.initializeParams),
            ...columnsOf(handshake),
            created_at: now,
            last_used_at: now
          })
        }`).pipe(Effect.asVoid),
    find: (key) => Effect.orDie(find(key)),
    kept,
    claim: (key) => atNow((now) => sql`update sessions set claimed_at = ${now} where key = ${key} and claimed_at is null`).pipe(Effect.asVoid),
    revive: (key) =>
      atNow((now) => sql`update sessions set state = 'live', last_used_at = ${now} where key = ${key} and state <> 'ended' returning key`).pipe(Effect.map((rows) => rows.length === 1)),
    keepHandshake: (key, handshake) =>
      Effect.orDie(Effect.asVoid(sql`update sessions set ${sql.update(columnsOf(handshake))} where key = ${key} and state <> 'ended'`)),
    // In one step each: two that come together are both kept, and each is given once.
    miss: (key, notification) =>
      isKept(notification)
        ? Effect.flatMap(missedOf(key), (missed) => putMissed(key, missing(missed, notification))).pipe(sql.withTransaction, Effect.orDie, Effect.asVoid)
        : Effect.void,
    takeMissed: (key) =>
      Effect.tap(missedOf(key), (missed) => missed.length === 0 ? Effect.void : putMissed(key, [])).pipe(sql.withTransaction, Effect.orDie),
    leave: (key, departure, lastUsedAt, crashes) =>
      Effect.orDie(sql`update sessions set last_used_at = max(last_used_at, ${Math.floor(lastUsedAt)}),
          state = case state when 'live' then 'parked' else state end,
          crashes = coalesce(${crashes === undefined ? null : JSON.stringify(crashes)}, crashes)
          where key = ${key} and state <> 'ended'`).pipe(
        Effect.zipRight(departure._tag === "Ended"
          ? end(departure.reason, sql`key = ${key}`)
          : endCrowded(sql`grant_id = (select grant_id from sessions where key = ${key})`)),
        sql.withTransaction,
        Effect.orDie
      ),
    end: (key, reason) => end(reason, sql`key = ${key}`),
    endOfGrant: (grantId) => end("grant_ended", sql`grant_id = ${grantId}`),
    sweep: atNow((now) => sql`delete from sessions where ended_at <= ${now - endedSessionKept}`).pipe(
      Effect.zipRight(Effect.flatMap(Clock.currentTimeMillis, (now) =>
        end("kept_too_long", sql`state = 'parked' and last_used_at <= ${Math.floor(now) - Duration.toMillis(config.sessionKeep)}`)))
    ),
    newestUnclaimed: (grantId) => Effect.orDie(newestUnclaimed(grantId)),
    used: (uses) => {
      const whole = uses.map(({ at, key }) => ({ key, at: Math.floor(at) }))
      return whole.length === 0 ? Effect.void : Effect.orDie(Effect.asVoid(
        sql`update sessions set last_used_at = uses.at from (select value ->> 'key' as key, value ->> 'at' as at from json_each(${JSON.stringify(whole)})) as uses
          where sessions.key = uses.key and sessions.last_used_at < uses.at`
      ))
    }
  })
})

export const SessionRowsLive = Layer.effect(SessionRows, make)
