import { Effect } from "effect"
import { brokerGround, logins, signInUsers } from "./Broker.ts"
import { measure, openSessions, sessionCaller } from "./Calls.ts"
import { residentKiB } from "./Process.ts"
import { rowOf } from "./Rows.ts"
import type { Scenario } from "./Scenarios.ts"

const userCount = 5
const sessionCount = 100
/** Lifetime of Forgejo's access tokens: a child is replaced when three quarters of it are over. */
const accessSeconds = 10
const pauseMs = 200
const leastSeconds = 20

/** One long round in which Forgejo's tokens end, user after user, so that all children are replaced under load. */
export const rotation: Scenario = (places, { rounds, seconds }) =>
  Effect.gen(function*() {
    // Half of the starts may be replacements at one time.
    const ground = yield* brokerGround(places, { FJMCP_MAX_STARTS: "32" })
    const run = yield* ground.start()
    const { knobs, state } = ground.forgejo
    const bearers = yield* Effect.map(
      Effect.forEach(logins(userCount), (login, turn) => {
        knobs.accessSeconds = accessSeconds + 2 * turn
        return signInUsers(ground, [login])
      }),
      (each) => each.flat()
    )
    knobs.accessSeconds = accessSeconds
    const broker = { ...run, bearers }
    const sessions = yield* Effect.promise(() => openSessions(broker, sessionCount))
    const callers = sessions.map((session) => sessionCaller(broker, session, "echo"))
    const issued = state.issued.length
    const lasts = Math.max(leastSeconds, rounds * seconds)
    const sample = yield* Effect.promise(() => measure(broker, callers, { seconds: lasts, pause: pauseMs }))
    return {
      title: `${sessionCount} sessions of ${userCount} users that each call every ${pauseMs} ms for ${lasts} s, with Forgejo tokens of ${accessSeconds} s`,
      rows: [rowOf("broker", [sample], undefined, {
        endMiB: residentKiB(broker.pid) / 1024,
        more: { rotations: state.issued.length - issued, "children replaced, at least": (state.issued.length - issued - userCount) * sessionCount / userCount }
      })]
    }
  })
