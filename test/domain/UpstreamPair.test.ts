import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc, Option } from "effect"
import { decidePair, isStale, type PairClaims, staleAt } from "../../src/domain/UpstreamPair.ts"

const pair = (gnt: number | null, cnt: number | null, expiresAt = 1000): PairClaims => ({
  upstreamGrant: Option.fromNullable(gnt),
  counter: Option.fromNullable(cnt),
  expiresAt
})

describe("which pair wins", () => {
  it("is the first one where there is none", () => {
    assert.strictEqual(decidePair(Option.none(), pair(1, 1)), "replace")
    assert.strictEqual(decidePair(Option.none(), pair(null, null)), "replace")
  })

  it("is the one with the higher counter, in whatever order the answers of one grant arrive", () => {
    fc.assert(fc.property(fc.uniqueArray(fc.nat(), { minLength: 1 }), (counters) => {
      let stored = Option.none<PairClaims>()
      for (const counter of counters) {
        const next = pair(1, counter)
        if (decidePair(stored, next) !== "keep") stored = Option.some(next)
      }
      assert.strictEqual(Option.getOrThrow(Option.getOrThrow(stored).counter), Math.max(...counters))
    }))
  })

  it("is that of the other Forgejo grant, whatever its counter, and says so", () => {
    assert.strictEqual(decidePair(Option.some(pair(1, 9)), pair(2, 1)), "changed")
  })

  it("is the last one where there are no claims", () => {
    assert.strictEqual(decidePair(Option.some(pair(null, null, 2000)), pair(null, null, 1000)), "replace")
    assert.strictEqual(decidePair(Option.some(pair(1, null)), pair(1, 3)), "replace")
    assert.strictEqual(decidePair(Option.some(pair(null, 3)), pair(1, 4)), "replace")
  })

  it("is the longer-lived one where the server does not count, and the stored one if they are the same", () => {
    assert.strictEqual(decidePair(Option.some(pair(1, 0, 1000)), pair(1, 0, 2000)), "replace")
    assert.strictEqual(decidePair(Option.some(pair(1, 0, 2000)), pair(1, 0, 1000)), "keep")
    assert.strictEqual(decidePair(Option.some(pair(1, 5)), pair(1, 5)), "keep")
  })
})

describe("a stale access token", () => {
  it("has ten minutes of an hour left", () => {
    const hour = { obtainedAt: 0, expiresAt: 3_600_000 }
    assert.isFalse(isStale(hour, 2_999_999))
    assert.isTrue(isStale(hour, 3_000_000))
    assert.isTrue(isStale(hour, 9_000_000))
  })

  it("has a quarter of a short life left, so that it is of use at all", () => {
    const minute = { obtainedAt: 0, expiresAt: 60_000 }
    assert.isFalse(isStale(minute, 44_999))
    assert.isTrue(isStale(minute, 45_000))
  })

  it("is one from the millisecond on that is named", () => {
    fc.assert(fc.property(fc.nat(), fc.nat(), (obtainedAt, life) => {
      const pair = { obtainedAt, expiresAt: obtainedAt + life }
      const from = staleAt(pair)
      assert.isTrue(Number.isInteger(from) && from >= obtainedAt && from <= pair.expiresAt)
      assert.isFalse(isStale(pair, from - 1))
      assert.isTrue(isStale(pair, from))
    }))
  })

  it("is always one that has expired", () => {
    fc.assert(fc.property(fc.nat(), fc.nat(), fc.nat(), (obtainedAt, expiresAt, late) => {
      assert.isTrue(isStale({ obtainedAt, expiresAt }, expiresAt + late))
    }))
  })
})
