import Database from "better-sqlite3"
import { Context, Effect, Layer } from "effect"
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { problemOf } from "../domain/FileProblem.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { DataDirUnusable, StoreLocked, StoreTooNew } from "../services/StartupErrors.ts"
import { latestMigration } from "./migrations/Migrations.ts"

/** Stands for the right to open the store: the directory is there, it is ours alone, and its store is not too new. */
export class StoreGuard extends Context.Tag("fjmcp/StoreGuard")<StoreGuard, {
  /** The database file; it exists, with mode 0600. */
  readonly file: string
}>() {}

const attempt = <A>(path: string, body: () => A) =>
  Effect.try({ try: body, catch: (cause) => new DataDirUnusable({ path, problem: problemOf(cause) }) })

const makeDirectory = (path: string) =>
  attempt(path, () => {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  }).pipe(
    Effect.filterOrFail(
      () => statSync(path).isDirectory(),
      () => new DataDirUnusable({ path, problem: "is a file, not a directory" })
    )
  )

/**
 * Makes an empty file with mode 0600 where there is none, and takes rights from one that is there: SQLite gives -wal and
 * -shm the mode of the database. An existing file is not opened: closing *any* descriptor of it would drop the locks
 * that this process holds on it (POSIX record locks).
 */
const makePrivate = (path: string) =>
  attempt(path, () => {
    if (!existsSync(path)) closeSync(openSync(path, "ax", 0o600))
    for (const file of [path, `${path}-wal`, `${path}-shm`]) if (existsSync(file)) chmodSync(file, 0o600)
  })

const pidIn = (path: string): number | undefined => {
  try {
    const pid = Number(readFileSync(path, "utf8"))
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    return undefined
  }
}

/**
 * Holds an exclusive lock on a database of its own. It is a lock of the operating system, so it dies with the process,
 * whatever kills it. The process id stands in a file beside it, since nobody can read a locked database.
 */
const lock = (directory: string) => {
  const path = join(directory, "lock.sqlite")
  const pidFile = join(directory, "lock.pid")
  return Effect.acquireRelease(
    Effect.zipRight(
      makePrivate(path),
      Effect.try({
        try: () => {
          const db = new Database(path, { timeout: 0 })
          try {
            db.exec("BEGIN EXCLUSIVE")
            writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 })
            return db
          } catch (cause) {
            db.close()
            throw cause
          }
        },
        catch: (cause) => {
          if (!(cause instanceof Database.SqliteError && cause.code.startsWith("SQLITE_BUSY"))) {
            return new DataDirUnusable({ path, problem: problemOf(cause) })
          }
          const pid = pidIn(pidFile)
          return new StoreLocked({ directory, ...(pid === undefined ? {} : { pid }) })
        }
      })
    ),
    (db) =>
      Effect.sync(() => {
        rmSync(pidFile, { force: true })
        db.close()
      })
  )
}

/** Reads the version of the store without writing to it. A file that is not there, or empty, has version 0. */
const versionOf = (file: string) =>
  attempt(file, () => {
    if (!existsSync(file) || statSync(file).size === 0) return 0
    const leftovers = [`${file}-wal`, `${file}-shm`].filter((path) => !existsSync(path))
    const db = new Database(file, { readonly: true, fileMustExist: true })
    try {
      const table = db.prepare("select 1 from sqlite_master where name = 'effect_sql_migrations'").get()
      const row = table === undefined ? undefined : db.prepare("select max(migration_id) as id from effect_sql_migrations").get()
      return typeof row === "object" && row !== null && "id" in row && typeof row.id === "number" ? row.id : 0
    } finally {
      db.close()
      // A read-only connection makes these to read a WAL database, and may not remove them.
      for (const path of leftovers) rmSync(path, { force: true })
    }
  })

/** Everything that must be so before the store is opened. The lock is given back after the store is closed. */
export const StoreGuardLive: Layer.Layer<StoreGuard, StoreLocked | StoreTooNew | DataDirUnusable, AppConfig> = Layer.scoped(
  StoreGuard,
  Effect.gen(function*() {
    const { dataDir } = yield* AppConfig
    yield* makeDirectory(dataDir)
    yield* lock(dataDir)
    const file = join(dataDir, "broker.sqlite")
    const found = yield* versionOf(file)
    if (found > latestMigration) return yield* new StoreTooNew({ file, found, known: latestMigration })
    yield* makePrivate(file)
    return { file }
  })
)
