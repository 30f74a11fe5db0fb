import { Effect } from "effect"
import { brokerGround, logins, signInUsers } from "./Broker.ts"
import { measure, openSessions, type Sample, sessionCaller } from "./Calls.ts"
import { residentKiB } from "./Process.ts"
import { median, rowOf } from "./Rows.ts"
import type { Scenario } from "./Scenarios.ts"

const sessionCount = 100
/** A round has a hundred calls, one after the other; it takes no longer than this. */
const atMost = 30

/**
 * A restart parks every session. Then each is called once: what is timed is the start of a child, the client's own
 * handshake with it, and the call.
 */
export const revival: Scenario = (places, { rounds }) =>
  Effect.gen(function*() {
    const ground = yield* brokerGround(places)
    const { bearers, sessions } = yield* Effect.scoped(Effect.gen(function*() {
      const broker = yield* ground.start()
      const signedIn = yield* signInUsers(ground, logins(8))
      return { bearers: signedIn, sessions: yield* Effect.promise(() => openSessions({ ...broker, bearers: signedIn }, sessionCount)) }
    }))
    const samples: Array<Sample> = []
    const ready: Array<number> = []
    let endMiB = 0
    for (let round = 0; round < rounds; round++) {
      yield* Effect.scoped(Effect.gen(function*() {
        const broker = yield* ground.start(bearers)
        ready.push(broker.readyMs)
        const callers = sessions.map((session) => sessionCaller(broker, session, "echo"))
        const inTurn = async () => await callers.pop()?.()
        samples.push(yield* Effect.promise(() => measure(broker, [inTurn], { seconds: atMost, times: sessionCount })))
        endMiB = residentKiB(broker.pid) / 1024
      }))
    }
    return {
      title: `the first call of each of ${sessionCount} parked sessions, one after the other, after a restart of the broker`,
      rows: [rowOf("broker", samples, undefined, { endMiB, more: { "ready after ms": median(ready) } })]
    }
  })
