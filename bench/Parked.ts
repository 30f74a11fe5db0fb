import Database from "better-sqlite3"
import { createHash, randomBytes } from "node:crypto"
import { join } from "node:path"

const newKey = (): string => createHash("sha256").update(randomBytes(24)).digest("hex")

/**
 * Multiplies the sessions in the store of a broker that is not running, until there are `count` more: rows like those that
 * it wrote itself, spread evenly over their grants, under new keys. Opening so many would take minutes.
 */
export const parkMany = (dataDir: string, count: number): void => {
  const store = new Database(join(dataDir, "broker.sqlite"))
  try {
    const columns = (store.pragma("table_info(sessions)") as ReadonlyArray<{ readonly name: string }>).map(({ name }) => name)
    const keys = store.prepare("select key from sessions where state = 'parked'").pluck().all() as ReadonlyArray<string>
    if (keys.length === 0) throw new Error("there is no parked session to multiply")
    const copied = columns.map((name) => name === "key" ? "?" : name).join(", ")
    const copy = store.prepare(`insert into sessions (${columns.join(", ")}) select ${copied} from sessions where key = ?`)
    store.transaction(() => {
      for (let at = 0; at < count; at++) copy.run(newKey(), keys[at % keys.length])
    })()
  } finally {
    store.close()
  }
}
