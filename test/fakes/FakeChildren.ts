import { Clock, Context, Deferred, Effect, Exit, Fiber, Layer, Mailbox, Redacted } from "effect"
import type { Child } from "../../src/services/Children.ts"
import { ChildGone, Children, SpawnFailed } from "../../src/services/Children.ts"

type Json = { readonly [key: string]: unknown }

/** A child that a test plays. */
export interface FakeChild {
  readonly token: string
  /** Of its session: the beginning of its key. */
  readonly label: string
  /** What the broker sent, parsed. */
  readonly received: Array<Json>
  alive: boolean
  /** Whether it was ended without a stop ladder. */
  killed: boolean
  /** Whether it has answered `initialize` with a result. */
  greeted: boolean
  readonly startedAt: number
  /** When the scope that it was started in began to let it go, and the how many-th it was. */
  stopsSince: number | undefined
  stopsAs: number
  /** Whether the scope that it was started in has let it go. */
  released: boolean
  /** Writes one line to the broker. */
  readonly emit: (message: Json | string) => void
  /** Ends as a crashed process does. */
  readonly crash: () => void
  /** A silent one answers `initialize` after all. */
  readonly comeUp: () => void
}

/** What a child answers to `initialize`, besides the protocol version that it was asked for. */
export interface Server {
  readonly version: string
  readonly capabilities: Json
  readonly name: string
  /** In the place of the version that was asked for. */
  readonly protocolVersion?: string
}

export interface Play {
  /** Every child that was ever started, the oldest first. */
  readonly children: Array<FakeChild>
  /** What the next children do: come up, fail to spawn, exit before they answer, or never answer. */
  mode: "up" | "spawn fails" | "exits" | "silent" | "refuses initialize"
  /** Whether children answer calls by themselves. What a broker asks while it replays a handshake is always answered. */
  answers: boolean
  /** What children answer to these methods whatever `answers` says; with `error`, an error; `later` is for the test to answer. */
  readonly results: Map<string, (params: Json) => Json | "later">
  server: Server
  /** What every line to a child waits for, as for a full pipe. */
  pipe: Effect.Effect<void>
  /** Milliseconds that a child takes to stop when it is asked to. One that has not come up stops at once. */
  stopTakes: number
}

/** The test's hand on the children. */
export class FakeChildren extends Context.Tag("test/FakeChildren")<FakeChildren, Play>() {}

export const living = (play: Play): number => play.children.filter((child) => child.alive).length

const replayed = new Set(["logging/setLevel", "resources/subscribe"])
const gone = new ChildGone({ code: 1, signal: null })

const start = (play: Play, token: string, label: string) =>
  Effect.gen(function*() {
    if (play.mode === "spawn fails") return yield* new SpawnFailed({ category: "binary missing", detail: "not there" })
    const lines = yield* Mailbox.make<string, ChildGone>()
    const exited = yield* Deferred.make<ChildGone>()
    const { mode } = play
    const end = () => {
      child.alive = false
      lines.unsafeDone(Exit.fail(gone))
      Deferred.unsafeDone(exited, Exit.succeed(gone))
    }
    const startedAt = yield* Clock.currentTimeMillis
    const child: FakeChild = {
      token,
      label,
      startedAt,
      stopsSince: undefined,
      stopsAs: 0,
      received: [],
      alive: true,
      killed: false,
      greeted: false,
      released: false,
      emit: (message) => lines.unsafeOffer(typeof message === "string" ? message : JSON.stringify(message)),
      crash: end,
      comeUp: () => {
        for (const { id, method, params } of child.received) if (method === "initialize") greet(id, params as Json)
      }
    }
    const greet = (id: unknown, params: Json) => {
      child.greeted = true
      child.emit({
        jsonrpc: "2.0",
        id,
        result: {
          protocolVersion: play.server.protocolVersion ?? params.protocolVersion,
          capabilities: play.server.capabilities,
          serverInfo: { name: play.server.name, version: play.server.version }
        }
      })
    }
    // A fiber of its own: the one that releases has often been interrupted, and could not be a second time.
    const stopSlowly = Effect.suspend(() => Effect.forkDaemon(Effect.interruptible(Effect.delay(Effect.sync(end), play.stopTakes)))).pipe(
      Effect.flatMap((stopping) => Effect.zipRight(Deferred.await(exited), Fiber.interrupt(stopping)))
    )
    const answer = ({ id, method, params }: Json) => {
      if (id === undefined || method === undefined) return
      if (method === "initialize") {
        if (mode === "exits") return end()
        if (mode === "silent") return
        if (mode === "refuses initialize") return child.emit({ jsonrpc: "2.0", id, error: { code: -32602, message: "no" } })
        return greet(id, params as Json)
      }
      const result = play.results.get(String(method))?.(params as Json ?? {})
      if (result === "later") return
      if (result !== undefined) return child.emit({ jsonrpc: "2.0", id, ...("error" in result ? result : { result }) })
      if (play.answers || replayed.has(String(method))) child.emit({ jsonrpc: "2.0", id, result: { method, params: params ?? null } })
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => play.children.push(child)),
      () =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          child.stopsSince = now
          child.stopsAs = play.children.filter(({ stopsSince }) => stopsSince !== undefined).length
          return play.stopTakes === 0 || !child.alive || !child.greeted ? Effect.sync(end) : stopSlowly
        }).pipe(
          Effect.zipRight(Effect.sync(() => {
            child.released = true
          }))
        )
    )
    return {
      pid: play.children.length,
      kill: Effect.sync(() => {
        child.killed = true
        end()
      }),
      exited: Deferred.await(exited),
      takeLines: Effect.map(lines.takeAll, ([taken]) => taken),
      send: (line) =>
        Effect.flatMap(play.pipe, () => {
          if (!child.alive) return gone
          const message = JSON.parse(line) as Json
          child.received.push(message)
          answer(message)
          return Effect.void
        })
    } satisfies Child
  })

export const FakeChildrenLive = Layer.effectContext(Effect.sync(() => {
  const play: Play = {
    children: [],
    mode: "up",
    answers: true,
    results: new Map(),
    server: { name: "fake", version: "1", capabilities: { tools: { listChanged: true }, tasks: {} } },
    pipe: Effect.void,
    stopTakes: 0
  }
  return Context.make(FakeChildren, play).pipe(
    Context.add(Children, { check: Effect.void, spawn: ({ token, label }) => start(play, Redacted.value(token), label) })
  )
}))
