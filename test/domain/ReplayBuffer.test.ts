import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import type { KeptStream, StreamEvent } from "../../src/domain/ReplayBuffer.ts"
import { ReplayBuffer, replayLimits } from "../../src/domain/ReplayBuffer.ts"

/** As small as an event can be, without its text. */
const overhead = 128

const stream = () => {
  const kept: Array<StreamEvent> = []
  const seen = { forgotten: 0 }
  const made: KeptStream = { kept, forgotten: () => void seen.forgotten++ }
  return { made, seen, said: new Array<StreamEvent>() }
}

describe("the replay buffer", () => {
  it("keeps the newest events of a session and of all, within its bounds: of each stream the end, oldest gone first", () => {
    const step = fc.record({ session: fc.nat(2), stream: fc.nat(2), length: fc.integer({ min: 0, max: 400 }), end: fc.integer({ min: 0, max: 30 }) })
    fc.assert(fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 600, max: 2500 }), (steps, inAll) => {
      const limits = { perSession: 1000, inAll }
      const buffer = new ReplayBuffer(limits)
      const sessions = [0, 1, 2].map(() => ({ replay: buffer.session(), streams: [stream(), stream(), stream()] }))
      /** What must be kept: each event with its session, oldest first. */
      let model: Array<{ readonly session: number; readonly event: StreamEvent }> = []
      const sizeOf = (some: typeof model) => some.reduce((sum, { event }) => sum + event.line.length + overhead, 0)
      const ended = new Set<number>()
      steps.forEach(({ end, length, session, stream }, n) => {
        const place = sessions[session]
        const to = place?.streams[stream]
        if (place === undefined || to === undefined || !place.replay.fits(length)) return
        if (end === 0) {
          place.replay.close()
          ended.add(session)
          model = model.filter((kept) => kept.session !== session)
        }
        const event = { seq: n, line: "x".repeat(length), final: false }
        place.replay.keep(to.made, event)
        if (ended.has(session)) return
        to.said.push(event)
        model.push({ session, event })
        const ofSession = () => model.filter((kept) => kept.session === session)
        while (sizeOf(ofSession()) > limits.perSession) model.splice(model.findIndex((kept) => kept.session === session), 1)
        while (sizeOf(model) > limits.inAll) model.shift()
        assert.isAtMost(buffer.total, limits.inAll)
        assert.strictEqual(buffer.total, sizeOf(model))
        sessions.forEach(({ replay, streams }, of) => {
          assert.isAtMost(replay.total, limits.perSession)
          const kept = streams.flatMap(({ made }) => made.kept).toSorted((a, b) => a.seq - b.seq)
          assert.deepStrictEqual(kept, model.filter(({ session }) => session === of).map(({ event }) => event))
          if (!ended.has(of)) for (const { made, said } of streams) assert.deepStrictEqual(made.kept, said.slice(said.length - made.kept.length))
        })
      })
    }))
  })

  it("tells a stream what was taken from it, and takes no event that would never fit", () => {
    const buffer = new ReplayBuffer({ perSession: 1000, inAll: 1500 })
    const session = buffer.session()
    const { made, seen } = stream()
    for (let seq = 1; seq <= 3; seq++) session.keep(made, { seq, line: "x".repeat(300), final: false })
    assert.deepStrictEqual([made.kept.map(({ seq }) => seq), seen.forgotten], [[2, 3], 1])
    assert.deepStrictEqual([session.fits(1000 - overhead), session.fits(1001 - overhead)], [true, false])
    session.close()
    assert.deepStrictEqual([made.kept.length, seen.forgotten, buffer.total, session.isEmpty], [0, 3, 0, true])
  })

  it("has the bounds that are promised, and forgets as quickly when it is full", () => {
    assert.deepStrictEqual(replayLimits, { perSession: 256 * 1024, inAll: 64 * 1024 * 1024 })
    const buffer = new ReplayBuffer()
    const sessions = Array.from({ length: 300 }, () => ({ replay: buffer.session(), to: stream().made }))
    const line = "x".repeat(20_000)
    for (let n = 0; n < 20_000; n++) {
      const session = sessions[n % sessions.length]
      session?.replay.keep(session.to, { seq: n, line, final: false })
    }
    assert.isAtMost(buffer.total, replayLimits.inAll)
    assert.isAbove(buffer.total, replayLimits.inAll - 30_000)
  })
})
