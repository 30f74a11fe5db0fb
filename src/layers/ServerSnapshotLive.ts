import { SqlClient } from "@effect/sql"
import { Clock, Effect, Layer } from "effect"
import { presetTold } from "../domain/Discovery.ts"
import type { JsonObject } from "../domain/JsonRpc.ts"
import { isObject } from "../domain/JsonRpc.ts"
import { sha256 } from "../domain/Secrets.ts"
import { AppConfig } from "../services/AppConfig.ts"
import type { Snapshot } from "../services/ServerSnapshot.ts"
import { ServerSnapshot } from "../services/ServerSnapshot.ts"

const parsed = (text: string | undefined): JsonObject | undefined => {
  const value: unknown = text === undefined ? undefined : JSON.parse(text)
  return isObject(value) ? value : undefined
}

/** One row for each command line: another program is another server. */
const make = Effect.gen(function*() {
  const config = yield* AppConfig
  const sql = yield* SqlClient.SqlClient
  const command = sha256(JSON.stringify(config.childCommand))
  const [row] = yield* Effect.orDie(sql<{ readonly told: string }>`select initialize_result as told from server_snapshots where command = ${command}`)
  const known = parsed(row?.told)
  let current: Snapshot = known === undefined ? { told: presetTold(config.childPreset), isGuess: true } : { told: known, isGuess: false }
  return ServerSnapshot.of({
    current: () => current,
    learn: (told) =>
      Effect.suspend(() => {
        const text = JSON.stringify(told)
        if (!current.isGuess && JSON.stringify(current.told) === text) return Effect.void
        current = { told, isGuess: false }
        return Effect.flatMap(Clock.currentTimeMillis, (now) =>
          sql`insert into server_snapshots ${sql.insert({ command, initialize_result: text, seen_at: Math.floor(now) })}
            on conflict (command) do update set initialize_result = excluded.initialize_result, seen_at = excluded.seen_at`).pipe(
          // It is known all the same, until the daemon stops.
          Effect.catchAllCause((cause) => Effect.logError("snapshot.not_kept", cause)),
          Effect.asVoid
        )
      })
  })
})

export const ServerSnapshotLive = Layer.effect(ServerSnapshot, make)
