import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc, Option } from "effect"
import { decodeEventId } from "../../src/domain/EventId.ts"
import type { ReplayLimits } from "../../src/domain/ReplayBuffer.ts"
import { ReplayBuffer } from "../../src/domain/ReplayBuffer.ts"
import type { EventReader } from "../../src/layers/EventLog.ts"
import { EventLog } from "../../src/layers/EventLog.ts"
import type { CallEvent } from "../../src/services/Sessions.ts"

const unlimited: ReplayLimits = { perSession: 1e9, inAll: 1e9 }
const never = { start: () => {}, stop: () => {}, has: () => false }
const idOf = ({ id }: CallEvent) => Option.getOrThrow(decodeEventId(id ?? ""))

/** Calls of one session, numbered from 1. */
const callsWithin = (limits: ReplayLimits) => {
  const replay = new ReplayBuffer(limits).session()
  const spent: Array<number> = []
  const make = (stream: number): EventLog =>
    new EventLog({
      stream: { run: "ab", stream, of: { request: `call ${stream}` } },
      revision: { hasIds: true, takesPriming: true },
      replay,
      silence: never,
      onSpent: () => void spent.push(stream)
    })
  return { make, replay, spent }
}

type Step = { readonly on: number } & (
  | { readonly does: "say"; readonly length: number }
  | { readonly does: "answer"; readonly length: number }
  | { readonly does: "read" | "hang up" }
  | { readonly does: "come back"; readonly behind: number }
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ on: fc.nat(1), does: fc.constant("say" as const), length: fc.nat(200) }) },
  { weight: 1, arbitrary: fc.record({ on: fc.nat(1), does: fc.constant("answer" as const), length: fc.nat(1500) }) },
  { weight: 4, arbitrary: fc.record({ on: fc.nat(1), does: fc.constantFrom("read" as const, "hang up" as const) }) },
  { weight: 4, arbitrary: fc.record({ on: fc.nat(1), does: fc.constant("come back" as const), behind: fc.nat(60) }) }
)

/** Plays the steps on two calls, and gives them with what each has said and what its readers got. */
const play = (steps: ReadonlyArray<Step>, limits: ReplayLimits) => {
  const { make, replay, spent } = callsWithin(limits)
  const calls = [1, 2].map((stream) => ({
    log: make(stream),
    said: new Array<string>(),
    isOver: false,
    reader: undefined as EventReader | undefined,
    readers: new Array<Array<CallEvent>>()
  }))
  for (const call of calls) {
    call.reader = call.log.attach()
    call.readers.push([])
  }
  for (const step of steps) {
    const call = calls[step.on]
    if (call === undefined) continue
    switch (step.does) {
      case "say":
      case "answer": {
        const isAnswer = step.does === "answer"
        if (!call.isOver) call.said.push(`${step.on} says ${call.said.length + 1} ${"x".repeat(step.length)}`)
        call.log.put(call.isOver ? "too late" : call.said.at(-1) ?? "", isAnswer)
        call.isOver ||= isAnswer
        break
      }
      case "read":
        if (call.reader !== undefined) call.readers.at(-1)?.push(...call.log.read(call.reader))
        break
      case "hang up":
        call.reader?.detach()
        call.reader = undefined
        break
      case "come back": {
        const before = call.reader
        call.reader = call.log.attach(step.behind)
        if (before !== undefined) assert.deepStrictEqual(call.log.read(before), [], "who was replaced gets nothing")
        call.readers.push([])
      }
    }
  }
  return { calls, replay, spent }
}

describe("a stream that is resumed", () => {
  it("gives behind any event exactly what followed on that stream, each once, whatever has happened meanwhile", () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), fc.nat(60), (steps, cut) => {
      const { calls } = play(steps, unlimited)
      for (const [n, { log, readers, said }] of calls.entries()) {
        for (const got of readers) {
          const seqs = got.map((event) => idOf(event).seq)
          assert.deepStrictEqual(seqs, seqs.map((_, index) => (seqs[0] ?? 0) + index), "no gaps, and nothing twice")
          for (const event of got) assert.deepStrictEqual([event.line, idOf(event).stream], [said[idOf(event).seq - 1], n + 1])
        }
        const given = Math.max(0, ...readers.flat().map((event) => idOf(event).seq))
        const reader = log.attach(cut)
        assert.deepStrictEqual(log.read(reader).map(({ line }) => line), said.slice(Math.min(cut, given)))
      }
    }), { numRuns: 300 })
  })

  it("within its bounds gives the end of what followed; the response, or an error under the request's id that says so", () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const limits = { perSession: 1200, inAll: 1200 }
      const { calls, replay } = play(steps, limits)
      assert.isAtMost(replay.total, limits.perSession)
      for (const [n, { isOver, log, said }] of calls.entries()) {
        const got = log.read(log.attach(0)).map(({ final, line }) => ({ final, line }))
        const [last] = got.slice(-1)
        if (isOver) assert.isTrue(last?.final)
        const error = last !== undefined && last.line.startsWith("{") ? JSON.parse(last.line) as { readonly id: string; readonly error: { readonly message: string } } : undefined
        const lines = got.map(({ line }) => line)
        if (error === undefined) assert.isTrue(lines.every((line) => said.includes(line)) && lines.at(-1) === (lines.length === 0 ? undefined : said.at(-1)))
        else {
          assert.strictEqual(error.id, `call ${n + 1}`)
          assert.match(error.error.message, /longer than what is kept|no longer kept/)
        }
        assert.isAtMost(replay.total, limits.perSession)
      }
    }), { numRuns: 300 })
  })

  it("keeps an answer of any length for one who listens, and drops what precedes it beyond 1 MiB", () => {
    const { make } = callsWithin({ perSession: 1000, inAll: 1000 })
    const log = make(1)
    const reader = log.attach()
    const [half, long] = ["h".repeat(512 * 1024), "l".repeat(5_000_000)]
    for (let n = 0; n < 5; n++) log.put(half, false)
    log.put(long, true)
    assert.deepStrictEqual(log.read(reader).map(({ line }) => line.length), [half.length, half.length, long.length])
    reader.detach()
    const [again] = log.read(log.attach(2))
    assert.include(again?.line, "longer than what is kept")
  })

  it("is spent when nobody listens and nothing of it is left, and not before its answer", () => {
    const { make, replay, spent } = callsWithin(unlimited)
    const [open, over] = [make(1), make(2)]
    open.attach().detach()
    over.attach()
    over.put("answer", true)
    over.reader?.detach()
    assert.deepStrictEqual(spent, [])
    assert.deepStrictEqual([over.isDone(0), over.isDone(1), open.isDone(5)], [false, true, false])
    replay.forgetOldest()
    assert.deepStrictEqual(spent, [2])
  })
})
