/**
 * Everything at once for as long as one likes: `npm run soak -- --seconds 900`, which scripts/soak.mjs starts.
 * Busy sessions are called all the time while their tokens rotate; sleepy ones are parked between any two calls; others
 * live for a moment, and their children are killed or crash, or their clients hang up. After a third of the time the
 * broker is stopped by TERM and started anew. Then: no call has failed or was answered twice; sleepy sessions were revived
 * and busy ones rotated; no child is left, descriptors are back, and memory has not grown since half of the time.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect } from "effect"
import { parseArgs } from "node:util"
import { type Fate, live } from "./Fates.ts"
import { type Load, startLoad } from "./Load.ts"
import { ground, issuedTo, signedInUsers } from "./Loaded.ts"
import { Outage } from "./Outage.ts"
import { seeded } from "./Random.ts"
import { resources, untilResources } from "./Resources.ts"
import { serve } from "./Serving.ts"

const ways: ReadonlyArray<Fate> = ["ended", "childKilled", "childCrashed", "crashedAndEnded", "callAborted", "openAborted"]
const crashes: ReadonlyArray<Fate> = ["childKilled", "childCrashed", "crashedAndEnded"]

/** As in Leaks.test.ts; there is more going on here. */
const tolerated = { descriptors: 10, mebibytes: 16 }
const smallHeap = { NODE_OPTIONS: "--max-semi-space-size=1 --max-old-space-size=96" }

/** How often a session was answered by another child than before under the same token. */
const revivals = ({ sessions }: Load): number =>
  sessions.reduce((sum, { generations }) => sum + generations.length - new Set(generations.map(({ token }) => token)).size, 0)

const soak = (seconds: number) =>
  Effect.scoped(Effect.gen(function*() {
    const random = seeded()
    const outage = new Outage()
    const accessSeconds = Math.max(6, Math.min(30, Math.floor(seconds / 6)))
    const at = yield* ground({ accessSeconds }, { ...smallHeap, FJMCP_SESSION_IDLE: "1s" })
    const { mcpUrl } = at.settings
    let daemon = yield* serve(at.settings)
    const atStart = resources(daemon)
    const clients = yield* signedInUsers(at, ["ann", "bob", "cyd", "dan"], outage)
    const [ann, bob, cyd, passing] = clients
    if (ann === undefined || bob === undefined || cyd === undefined || passing === undefined) return yield* Effect.dieMessage("four users")
    const base = { mcpUrl, outage }
    const busy = yield* startLoad({ ...base, clients: [ann, bob], sessionsPerClient: 8, callers: [{ tool: "echo", pause: 50 }, { tool: "slow", ms: 300 }] })
    const sleepy = yield* startLoad({ ...base, clients: [bob, cyd], sessionsPerClient: 5, callers: [{ tool: "echo", pause: 2500 }] })
    const loads = [busy, sleepy]
    const issuedBefore = at.forgejo.state.issued.length

    /** Ended sessions, by their ways. */
    const lived: Record<string, number> = {}
    const wrong: Array<string> = []
    const end = Date.now() + seconds * 1000
    const chaosUntil = (time: number) =>
      Effect.promise(async () => {
        while (Date.now() < time && wrong.length === 0) {
          const some = await live({ mcpUrl, daemon, random, client: passing }, ways, 10, 2).catch((cause: unknown) => {
            wrong.push(String(cause))
            return {}
          })
          for (const [kind, count] of Object.entries(some)) lived[kind] = (lived[kind] ?? 0) + count
        }
      })

    yield* chaosUntil(end - seconds * 1000 * 2 / 3)
    outage.begin()
    const stopped = yield* daemon.end("SIGTERM")
    if (stopped.code !== 0) wrong.push(`TERM ended the broker with ${stopped.code ?? stopped.signal}`)
    daemon = yield* serve(at.settings)
    outage.end()
    yield* chaosUntil(end - seconds * 1000 / 2)
    const atHalf = resources(daemon)
    yield* chaosUntil(end)

    yield* Effect.promise(() => Promise.all(loads.map((load) => load.stop())))
    yield* Effect.promise(() => Promise.all(loads.map((load) => load.close())))
    const atEnd = yield* untilResources(daemon, (seen) => seen.children === 0 && seen.descriptors <= atStart.descriptors + tolerated.descriptors)
    const sum = (count: (load: Load) => number) => loads.reduce((all, load) => all + count(load), 0)
    // Each of the clients has signed in once more.
    const rotations = at.forgejo.state.issued.length - issuedBefore
    const seen = (userId: number) => new Set(busy.sessions.flatMap(({ client, generations }) => client.userId === userId ? generations.map(({ token }) => token) : []))
    const summary = {
      seconds,
      calls: sum(({ ok }) => ok),
      failed: sum(({ failed }) => failed) + wrong.length,
      duplicated: sum(({ duplicated }) => duplicated),
      cutByRestart: sum(({ lost }) => lost),
      rotations,
      revivals: sum(revivals),
      crashes: crashes.reduce((all, kind) => all + (lived[kind] ?? 0), 0),
      lived,
      atStart,
      atHalf,
      atEnd
    }
    const failures = [...wrong, ...loads.flatMap((load) => load.failures)]
    const invariants = {
      "no call failed": summary.failed === 0,
      "no call was answered twice": summary.duplicated === 0,
      "tokens were rotated, and reached their sessions": [ann, bob].every(({ userId }) =>
        issuedTo(at.forgejo, userId).length >= 3 && seen(userId).size >= issuedTo(at.forgejo, userId).length - 1),
      "every sleepy session was revived": sleepy.sessions.every(({ generations }) => generations.length > 1) && summary.revivals > 0,
      "nobody had to sign in again": clients.every(({ signedInAgain }) => signedInAgain === 0),
      "no child is left": atEnd.children === 0,
      "descriptors are back": atEnd.descriptors <= atStart.descriptors + tolerated.descriptors,
      "memory has not grown since half of the time": atEnd.residentMiB <= atHalf.residentMiB + tolerated.mebibytes
    }
    const broken = Object.entries(invariants).flatMap(([name, holds]) => holds ? [] : [name])
    console.log(JSON.stringify(summary, undefined, 2))
    for (const failure of failures) console.log(`failure: ${failure}`)
    for (const name of broken) console.log(`NOT TRUE: ${name}`)
    console.log(broken.length === 0 ? "ok" : "FAILED")
    return broken.length === 0
  }))

const { values } = parseArgs({ options: { seconds: { type: "string", default: "900" } } })
const seconds = Number(values.seconds)
if (!(seconds >= 30)) {
  console.error("--seconds takes a number of at least 30")
  process.exit(2)
}
// Its handling of signals ends the daemon too.
NodeRuntime.runMain(Effect.map(soak(seconds), (isWell) => {
  process.exitCode = isWell ? 0 : 1
}))
