import { Effect } from "effect"
import { mcpHeaders, openLean, send } from "../test/process/LeanClient.ts"
import { brokerGround, logins, signInUsers } from "./Broker.ts"
import { measure, type Sample } from "./Calls.ts"
import { residentKiB } from "./Process.ts"
import { rowOf } from "./Rows.ts"
import type { Scenario } from "./Scenarios.ts"
import { startFloor, startPeers, type Target } from "./Target.ts"

/**
 * One client opens a session and ends it, again and again. A call is the whole opening: `initialize`, for which a child is
 * started, and `notifications/initialized`. What the end costs is in the CPU time, and in no latency.
 */
const round = async (target: Target, seconds: number): Promise<Sample> => {
  const bearer = target.bearers[0] ?? ""
  let open: string | undefined
  const close = async () => {
    if (open !== undefined) await send(target.mcpUrl, mcpHeaders(bearer, open), { method: "DELETE" })
    open = undefined
  }
  const opened = async () => {
    open = await openLean(target.mcpUrl, bearer)
  }
  const sample = await measure(target, [opened], { seconds, after: close })
  await close()
  return sample
}

export const opening: Scenario = (places, { rounds, seconds }) =>
  Effect.gen(function*() {
    const ground = yield* brokerGround(places)
    const floor = yield* startFloor(places, 1)
    const broker = yield* ground.start()
    const targets = [floor, { ...broker, bearers: yield* signInUsers(ground, logins(1)) }, ...yield* startPeers(places)]
    for (const target of targets) yield* Effect.promise(() => round(target, 1))
    const samples = targets.map((): Array<Sample> => [])
    for (let turn = 0; turn < rounds; turn++) {
      for (const [at, target] of targets.entries()) samples[at]?.push(yield* Effect.promise(() => round(target, seconds)))
    }
    return {
      title: "one client opens a session and ends it, again and again; the child's start is part of it",
      rows: targets.map(({ name, pid }, at) =>
        rowOf(name, samples[at] ?? [], at === 0 ? undefined : samples[0], { endMiB: residentKiB(pid) / 1024 }))
    }
  })
