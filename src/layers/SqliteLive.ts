import { Migrator, SqlClient } from "@effect/sql"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { Context, Duration, Effect, Layer, Logger, LogLevel } from "effect"
import { problemOf } from "../domain/FileProblem.ts"
import type { AppConfig } from "../services/AppConfig.ts"
import type { StoreLocked, StoreTooNew } from "../services/StartupErrors.ts"
import { DataDirUnusable } from "../services/StartupErrors.ts"
import { migrations } from "./migrations/Migrations.ts"
import { StoreGuard, StoreGuardLive } from "./StoreGuard.ts"

/**
 * Pinned, whatever the library's defaults are: token rotation depends on `synchronous`, the ends of grants on
 * `foreign_keys`. `busy_timeout` is for a backup program that reads beside us.
 */
const pinPragmas = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql.unsafe("pragma synchronous = FULL")
  yield* sql.unsafe("pragma foreign_keys = ON")
  yield* sql.unsafe("pragma busy_timeout = 5000")
})

const migrate = Migrator.make({})({ loader: Migrator.fromRecord(migrations) }).pipe(
  // The library's own words on each step are no event names.
  Logger.withMinimumLogLevel(LogLevel.Warning),
  Effect.tap((applied) =>
    applied.length === 0 ? Effect.void : Effect.annotateLogs(Effect.logInfo("store.migrated"), { version: Math.max(...applied.map(([id]) => id)) }))
)

/** Pragmas, then migrations. A failure of these is a bug or a damaged file: nobody above can do anything about it. */
const prepare = Effect.zipRight(pinPragmas, migrate)

/**
 * Prepared statements are kept for ever. A caller that is interrupted in just the wrong moment while one is prepared leaves
 * it pending in the client's cache, and all that come later wait: by default that could happen again every ten minutes.
 */
const prepareCacheTTL = Duration.infinity

const open = Effect.gen(function*() {
  const { file } = yield* StoreGuard
  const context = yield* Layer.build(SqliteClient.layer({ filename: file, prepareCacheTTL })).pipe(Effect.orDie)
  yield* prepare.pipe(Effect.provide(context), Effect.orDie)
  return Context.pick(SqlClient.SqlClient)(context)
}).pipe(
  // The client throws where the file cannot be opened, and statements die where it turns out to be no database.
  Effect.catchAllDefect((defect) =>
    Effect.flatMap(StoreGuard, ({ file }) =>
      isSqliteTrouble(defect) ? Effect.fail(new DataDirUnusable({ path: file, problem: problemOf(rootOf(defect)) })) : Effect.die(defect))
  )
)

/** Errors of the SQL layers carry the driver's error as their cause. */
const rootOf = (defect: unknown): unknown =>
  typeof defect === "object" && defect !== null && "cause" in defect && defect.cause !== undefined ? rootOf(defect.cause) : defect

const isSqliteTrouble = (defect: unknown): boolean => {
  const root = rootOf(defect)
  return typeof root === "object" && root !== null && "code" in root &&
    /^SQLITE_(NOTADB|CORRUPT|CANTOPEN|READONLY|FULL|IOERR|PERM)/.test(String(root.code))
}

/** The store, opened in the data directory under its lock, migrated. Closed before the lock is given back. */
export const SqliteLive: Layer.Layer<SqlClient.SqlClient, StoreLocked | StoreTooNew | DataDirUnusable, AppConfig> = Layer.scopedContext(
  open
).pipe(Layer.provide(StoreGuardLive))

/** A new, empty, migrated store in memory at each build; for tests. */
export const SqliteMemory: Layer.Layer<SqlClient.SqlClient> = Layer.effectDiscard(prepare).pipe(
  Layer.provideMerge(SqliteClient.layer({ filename: ":memory:", prepareCacheTTL })),
  Layer.orDie
)
