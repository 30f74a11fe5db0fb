import type { SqlClient } from "@effect/sql"
import type { Effect } from "effect"
import { init } from "./0001Init.ts"
import { parking } from "./0002Parking.ts"
import { snapshot } from "./0003Snapshot.ts"

/**
 * Every migration, in order. The migrator drops keys that do not begin with digits and an underscore, and skips ids
 * below the latest applied one, both silently: the test of this file asserts the manifest.
 */
export const migrations: Record<string, Effect.Effect<void, unknown, SqlClient.SqlClient>> = {
  "0001_init": init,
  "0002_parking": parking,
  "0003_snapshot": snapshot
}

/** The version of the store that this program writes. */
export const latestMigration: number = Math.max(...Object.keys(migrations).map((key) => Number.parseInt(key, 10)))
