import { readdirSync, readFileSync } from "node:fs"

/** A field of /proc/PID/status. */
export const fieldOf = (pid: number, name: string): string =>
  new RegExp(`^${name}:\\s*(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? ""

/** The processes whose parent is `pid`. */
export const childrenOf = (pid: number): ReadonlyArray<number> =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((candidate) => {
    try {
      return fieldOf(candidate, "PPid") === String(pid)
    } catch {
      // It has ended meanwhile.
      return false
    }
  })
