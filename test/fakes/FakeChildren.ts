import { Context, Deferred, Effect, Exit, Layer, Mailbox, Redacted } from "effect"
import type { Child } from "../../src/services/Children.ts"
import { ChildGone, Children, SpawnFailed } from "../../src/services/Children.ts"

type Json = { readonly [key: string]: unknown }

/** A child that a test plays. */
export interface FakeChild {
  readonly token: string
  /** What the broker sent, parsed. */
  readonly received: Array<Json>
  alive: boolean
  /** Whether it was ended without a stop ladder. */
  killed: boolean
  /** Writes one line to the broker. */
  readonly emit: (message: Json | string) => void
  /** Ends as a crashed process does. */
  readonly crash: () => void
}

export interface Play {
  /** Every child that was ever started, the oldest first. */
  readonly children: Array<FakeChild>
  /** What the next children do: come up, fail to spawn, exit before they answer, or never answer. */
  mode: "up" | "spawn fails" | "exits" | "silent" | "refuses initialize"
  /** Whether children answer calls by themselves. */
  answers: boolean
}

/** The test's hand on the children. */
export class FakeChildren extends Context.Tag("test/FakeChildren")<FakeChildren, Play>() {}

export const living = (play: Play): number => play.children.filter((child) => child.alive).length

const gone = new ChildGone({ code: 1, signal: null })

const start = (play: Play, token: string) =>
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
    const child: FakeChild = {
      token,
      received: [],
      alive: true,
      killed: false,
      emit: (message) => lines.unsafeOffer(typeof message === "string" ? message : JSON.stringify(message)),
      crash: end
    }
    const answer = ({ id, method, params }: Json) => {
      if (id === undefined || method === undefined) return
      if (method === "initialize") {
        if (mode === "exits") return end()
        if (mode === "silent") return
        if (mode === "refuses initialize") return child.emit({ jsonrpc: "2.0", id, error: { code: -32602, message: "no" } })
        return child.emit({
          jsonrpc: "2.0",
          id,
          result: { protocolVersion: (params as Json).protocolVersion, capabilities: { tools: {}, tasks: {} }, serverInfo: { name: "fake", version: "1" } }
        })
      }
      if (play.answers) child.emit({ jsonrpc: "2.0", id, result: { method, params: params ?? null } })
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => play.children.push(child)),
      () => Effect.sync(end)
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
        Effect.suspend(() => {
          if (!child.alive) return gone
          const message = JSON.parse(line) as Json
          child.received.push(message)
          answer(message)
          return Effect.void
        })
    } satisfies Child
  })

export const FakeChildrenLive = Layer.effectContext(Effect.sync(() => {
  const play: Play = { children: [], mode: "up", answers: true }
  return Context.make(FakeChildren, play).pipe(
    Context.add(Children, { check: Effect.void, spawn: ({ token }) => start(play, Redacted.value(token)) })
  )
}))
