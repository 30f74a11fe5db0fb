import { assert, it } from "@effect/vitest"
import { Effect, Layer, Ref, TestClock } from "effect"
import { SweepLive } from "../../src/layers/SweepLive.ts"
import { Clients } from "../../src/services/Clients.ts"
import { GrantUpkeep } from "../../src/services/GrantUpkeep.ts"
import { PendingLogins } from "../../src/services/PendingLogins.ts"
import { UpstreamTokens } from "../../src/services/UpstreamTokens.ts"

it.effect("sweeps about once a minute although a step dies, flushes uses each second and at the end, and stops with its scope", () =>
  Effect.gen(function*() {
    const counts = yield* Ref.make({ logins: 0, clients: 0, grants: 0, pairs: 0, flushes: 0 })
    const count = (name: "logins" | "clients" | "grants" | "pairs" | "flushes") => Ref.update(counts, (it) => ({ ...it, [name]: it[name] + 1 }))
    const services = Layer.mergeAll(
      Layer.mock(PendingLogins, { sweep: Effect.zipRight(count("logins"), Effect.die("broken")) }),
      Layer.mock(Clients, { sweep: count("clients") }),
      Layer.mock(UpstreamTokens, { forgetUngranted: count("pairs") }),
      Layer.succeed(GrantUpkeep, { sweepExpired: count("grants"), flushUse: count("flushes") })
    )
    yield* Effect.scoped(Effect.gen(function*() {
      yield* Layer.build(SweepLive.pipe(Layer.provide(services)))
      yield* TestClock.adjust("5 minutes")
      const { clients, flushes, grants, logins, pairs } = yield* Ref.get(counts)
      assert.isAtLeast(logins, 5)
      assert.isAtMost(logins, 8)
      assert.strictEqual(grants, logins)
      assert.strictEqual(clients, logins)
      assert.strictEqual(pairs, logins)
      assert.strictEqual(flushes, 301)
    }))
    const atEnd = yield* Ref.get(counts)
    assert.strictEqual(atEnd.flushes, 302)
    yield* TestClock.adjust("5 minutes")
    assert.deepStrictEqual(yield* Ref.get(counts), atEnd)
  }))
