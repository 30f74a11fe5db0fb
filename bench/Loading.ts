import { Effect, type Scope } from "effect"
import { type BrokerRun, brokerGround, type Ground, logins, signInUsers } from "./Broker.ts"
import { type Caller, closeSessions, measure, openSessions, type Sample, sessionCaller, statelessCaller } from "./Calls.ts"
import { parkMany } from "./Parked.ts"
import { residentKiB } from "./Process.ts"
import { rowOf } from "./Rows.ts"
import type { LoadShape, Scenario } from "./Scenarios.ts"
import { type Places, startFloor, startPeers, type Target } from "./Target.ts"

const users = 8
/** Before the first round, so that the code is compiled. */
const warmSeconds = 2
/** An access line is longer. */
const leastLogged = 60

interface Loaded {
  readonly target: Target
  readonly callers: ReadonlyArray<Caller>
  readonly idleMiB: number
  readonly perSessionKiB?: number
  readonly more?: Readonly<Record<string, number>>
}

const startBroker = (ground: Ground, parked: number): Effect.Effect<BrokerRun, never, Scope.Scope> =>
  Effect.gen(function*() {
    if (parked === 0) {
      const broker = yield* ground.start()
      return { ...broker, bearers: yield* signInUsers(ground, logins(users)) }
    }
    const bearers = yield* Effect.scoped(Effect.gen(function*() {
      const first = yield* ground.start()
      const signedIn = yield* signInUsers(ground, logins(users))
      yield* Effect.promise(() => openSessions({ ...first, bearers: signedIn }, users))
      return signedIn
    }))
    yield* Effect.sync(() => parkMany(ground.settings.dataDir, parked))
    return yield* ground.start(bearers)
  })

const load = (target: Target, shape: LoadShape, more?: Readonly<Record<string, number>>): Effect.Effect<Loaded, never, Scope.Scope> =>
  Effect.gen(function*() {
    const idleKiB = residentKiB(target.pid)
    const idle = { target, idleMiB: idleKiB / 1024, ...(more === undefined ? {} : { more }) }
    const each = Array.from({ length: shape.callers })
    if (shape.isStateless === true) {
      return { ...idle, callers: each.flatMap(() => Array.from({ length: shape.sessions }, (_, at) => statelessCaller(target, at))) }
    }
    const sessions = yield* Effect.acquireRelease(
      Effect.promise(() => openSessions(target, shape.sessions)),
      (opened) => Effect.promise(() => closeSessions(target, opened))
    )
    return {
      ...idle,
      perSessionKiB: (residentKiB(target.pid) - idleKiB) / shape.sessions,
      callers: sessions.flatMap((session) => each.map(() => sessionCaller(target, session, shape.tool)))
    }
  })

/** Fails where the access log was not written: then less was measured than is said. */
const checkLog = (ground: Ground, calls: number): Effect.Effect<void> =>
  ground.logged() < calls * leastLogged ? Effect.dieMessage(`the broker's log has ${ground.logged()} bytes after ${calls} calls`) : Effect.void

/** The broker, the floor and the peers, as far as they can do it. */
const startAll = (places: Places, shape: LoadShape, ground: Ground): Effect.Effect<ReadonlyArray<Loaded>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const floor = yield* startFloor(places, users)
    const broker = yield* startBroker(ground, shape.parked ?? 0)
    const takesPart = shape.isStateless !== true && shape.parked === undefined
    const peers = takesPart ? yield* startPeers(places) : []
    return [
      yield* load(floor, shape),
      yield* load(broker, shape, { "ready after ms": broker.readyMs }),
      ...yield* Effect.forEach(peers, (peer) => load(peer, shape))
    ]
  })

/** Callers that call without a pause, on one target after the other. */
export const loading = (shape: LoadShape): Scenario => (places, { rounds, seconds }) =>
  Effect.gen(function*() {
    const ground = yield* brokerGround(places, shape.parked === undefined ? {} : { FJMCP_MAX_PARKED: "100000" })
    const loaded = yield* startAll(places, shape, ground)
    for (const { callers, target } of loaded) yield* Effect.promise(() => measure(target, callers, { seconds: warmSeconds }))
    const samples = loaded.map((): Array<Sample> => [])
    for (let round = 0; round < rounds; round++) {
      for (const [at, { callers, target }] of loaded.entries()) {
        samples[at]?.push(yield* Effect.promise(() => measure(target, callers, { seconds })))
      }
    }
    const rows = loaded.map(({ callers: _, target, ...more }, at) =>
      rowOf(target.name, samples[at] ?? [], at === 0 ? undefined : samples[0], { ...more, endMiB: residentKiB(target.pid) / 1024 }))
    yield* checkLog(ground, rows.find(({ target }) => target === "broker")?.calls ?? 0)
    return { title: shape.title, rows }
  })
