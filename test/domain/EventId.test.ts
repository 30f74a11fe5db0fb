import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc, Option } from "effect"
import type { EventId } from "../../src/domain/EventId.ts"
import { decodeEventId, encodeEventId } from "../../src/domain/EventId.ts"

const read = (text: string) => Option.getOrUndefined(decodeEventId(text))
const short = fc.oneof(fc.string({ maxLength: 30 }).filter((id) => JSON.stringify(id).length <= 64), fc.maxSafeInteger())
const of: fc.Arbitrary<EventId["of"]> = fc.oneof(fc.constantFrom("standing" as const, "answered" as const, "unnamed" as const), fc.record({ request: short }))
const eventId = fc.record({ run: fc.constantFrom("00000000", "8fe4769b"), stream: fc.nat(2 ** 40), seq: fc.nat(2 ** 40), of })

describe("event ids", () => {
  it("are read as they were written, in characters that SSE and headers leave alone; a request's id keeps its type", () => {
    fc.assert(fc.property(eventId, (id) => {
      const text = encodeEventId(id)
      assert.match(text, /^[A-Za-z0-9._-]+$/)
      assert.deepStrictEqual(read(text), id)
    }))
    assert.notStrictEqual(
      encodeEventId({ run: "ab", stream: 1, seq: 1, of: { request: 7 } }),
      encodeEventId({ run: "ab", stream: 1, seq: 1, of: { request: "7" } })
    )
  })

  it("leave a request's id out that is too long for each event", () => {
    const text = encodeEventId({ run: "ab", stream: 1, seq: 2, of: { request: "x".repeat(63) } })
    assert.deepStrictEqual(read(text), { run: "ab", stream: 1, seq: 2, of: "unnamed" })
  })

  it("are nothing where they were not made here", () => {
    const bad = ["", "x", "1", "event-1", "ab.1.1", "ab.1.1.", "ab.1.1.x", "ab.1.1.g ", " ab.1.1.g", "AB.1.1.g", "ab.-1.1.g", "ab.1.1.r!", "ab.1.1.rbnVsbA", "ab.1.1.re30", `ab.1.1.r${"A".repeat(300)}`]
    for (const text of bad) assert.isUndefined(read(text), text)
    fc.assert(fc.property(fc.string(), (text) => {
      const id = read(text)
      if (id !== undefined) assert.deepStrictEqual(read(encodeEventId(id)), id)
    }))
  })
})
