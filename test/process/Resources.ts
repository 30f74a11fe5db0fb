import { Effect, Schedule } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import type { DaemonProcess } from "./DaemonProcess.ts"

const status = (pid: number, field: string): number => {
  try {
    return Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0)
  } catch {
    return 0
  }
}

/** What a process of the daemon's holds of the system. */
export interface Resources {
  readonly children: number
  readonly descriptors: number
  readonly residentMiB: number
}

export const resources = (daemon: DaemonProcess): Resources => ({
  children: daemon.children().length,
  descriptors: readdirSync(`/proc/${daemon.pid}/fd`).length,
  residentMiB: Math.round(status(daemon.pid, "VmRSS") / 1024)
})

/** Nothing tells: it looks. Gives what it saw last, also when that never became `enough`. */
export const untilResources = (
  daemon: DaemonProcess,
  enough: (seen: Resources) => boolean,
  within: "10 seconds" | "5 seconds" = "10 seconds"
): Effect.Effect<Resources> =>
  Effect.sync(() => resources(daemon)).pipe(
    Effect.repeat({ until: enough, schedule: Schedule.spaced("50 millis") }),
    Effect.timeoutTo({ duration: within, onSuccess: (seen) => seen, onTimeout: () => resources(daemon) }),
    Effect.map(() => resources(daemon))
  )

/** `kill -9` of a child, if it is this daemon's: a pid may be another's by now. */
export const killChild = (daemon: DaemonProcess, pid: number): void => {
  if (status(pid, "PPid") === daemon.pid) process.kill(pid, "SIGKILL")
}

/** The running processes with `word` in their command line, whoever their parent is. */
export const processesNaming = (word: string): ReadonlyArray<number> =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      // That of a zombie is empty.
      return pid !== process.pid && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(word)
    } catch {
      return false
    }
  })
