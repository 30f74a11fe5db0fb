import { describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import * as commands from "./SessionCommands.ts"
import type { Command, Real } from "./SessionCommands.ts"
import type { SessionModel } from "./SessionModel.ts"
import { agrees } from "./run.ts"

const nth = fc.nat(11)
const account = fc.nat(3)
const weighted = <A>(weight: number, arbitrary: fc.Arbitrary<A>) => ({ weight, arbitrary })
const anything: fc.Arbitrary<Command> = fc.oneof(
  weighted(8, fc.tuple(account, nth).map((args) => commands.opens(...args))),
  weighted(10, nth.map(commands.calls)),
  weighted(1, nth.map(commands.callsEnded)),
  weighted(4, fc.tuple(account, nth).map((args) => commands.callsDefault(...args))),
  weighted(2, nth.map(commands.pings)),
  weighted(2, nth.map(commands.touches)),
  weighted(1, fc.tuple(nth, nth).map((args) => commands.strangers(...args))),
  weighted(3, nth.map(commands.closes)),
  weighted(3, nth.map(commands.aborts)),
  weighted(6, nth.map(commands.replies)),
  weighted(2, fc.tuple(nth, fc.boolean()).map((args) => commands.refuses(...args))),
  weighted(1, nth.map(commands.repliesTooLate)),
  weighted(4, nth.map(commands.crashes)),
  weighted(2, nth.map(commands.crashesAtCall)),
  weighted(3, nth.map(commands.comesUp)),
  weighted(8, fc.constantFrom(1, 1, 1, 2, 5, 14, 15, 19).map(commands.passes)),
  weighted(3, fc.constantFrom("up" as const, "up" as const, "up" as const, "silent" as const, "silent" as const, "spawn fails" as const, "exits" as const, "refuses initialize" as const).map(commands.children)),
  weighted(1, fc.constantFrom(true, true, false).map(commands.forgejo)),
  weighted(1, fc.boolean().map(commands.stubborn)),
  weighted(1, account.map(commands.goes)),
  weighted(1, account.map(commands.signsIn)),
  weighted(1, nth.map(commands.revokes)),
  weighted(2, fc.tuple(fc.boolean(), fc.option(nth, { nil: undefined, freq: 2 })).map((args) => commands.restarts(...args)))
)

const numRuns = Number(process.env.FJMCP_MODEL_RUNS ?? 300)
/** Runs spend most of their time waiting for timers of the event loop: some go on side by side. */
const streams = 4

describe("the life of sessions", () => {
  it.concurrent.each(Array.from({ length: streams }, (_, n) => n + 1))("agrees with its model at every step, and leaves nothing behind (stream %i)", () =>
    fc.assert(
      fc.asyncProperty(fc.commands<SessionModel, Real, false>([anything], { maxCommands: 60, size: "max" }), agrees),
      { numRuns: Math.ceil(numRuns / streams), timeout: 20_000 }
    ), 3_600_000)
})
