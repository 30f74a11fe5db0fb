import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc, HashMap } from "effect"
import { UserId } from "../../src/domain/Ids.ts"
import { spend, unspent } from "../../src/domain/MinuteBudget.ts"

const minute = 60_000
const user = (n: number) => UserId.make(`u${n}`)

describe("the budget of starts", () => {
  it("never lets a user start more than so many within any minute, and turns nobody away before that", () => {
    const after = fc.oneof(fc.nat(20_000), fc.constantFrom(0, 20_000, 30_000, minute))
    const tries = fc.array(fc.record({ after, by: fc.nat(2) }), { maxLength: 60, size: "max" })
    fc.assert(fc.property(tries, fc.integer({ min: 1, max: 5 }), (attempts, perMinute) => {
      let [budget, now] = [unspent, 0]
      const startsOf = new Map<number, ReadonlyArray<number>>()
      for (const { after, by } of attempts) {
        now += after
        const within = (startsOf.get(by) ?? []).filter((at) => now - at < minute)
        const [wait, next] = spend(budget, user(by), now, perMinute)
        assert.strictEqual(wait === 0, within.length < perMinute)
        if (wait === 0) startsOf.set(by, [...within, now])
        else assert.strictEqual(next, budget, "who is turned away has spent nothing")
        budget = next
      }
    }))
  })

  it("says exactly how long to wait", () => {
    fc.assert(fc.property(fc.array(fc.nat(minute), { maxLength: 20, size: "max" }), fc.integer({ min: 1, max: 5 }), (gaps, perMinute) => {
      let [budget, now] = [unspent, 0]
      for (const gap of gaps) {
        now += gap
        const [wait, next] = spend(budget, user(0), now, perMinute)
        budget = next
        if (wait === 0) continue
        assert.isAtMost(wait, minute)
        assert.strictEqual(spend(budget, user(0), now + wait - 1, perMinute)[0], 1)
        assert.strictEqual(spend(budget, user(0), now + wait, perMinute)[0], 0)
      }
    }))
  })

  it("of one user is nobody else's", () => {
    const [, spent] = spend(unspent, user(1), 0, 1)
    assert.deepStrictEqual([spend(spent, user(1), 10, 1)[0], spend(spent, user(2), 10, 1)[0]], [minute - 10, 0])
  })

  it("forgets those who have started nothing for a minute", () => {
    const [, one] = spend(unspent, user(1), 0, 5)
    const [, two] = spend(one, user(2), minute - 1, 5)
    assert.deepStrictEqual([...HashMap.keys(two)].sort(), ["u1", "u2"])
    const [, three] = spend(two, user(3), minute, 5)
    assert.deepStrictEqual([...HashMap.keys(three)].sort(), ["u2", "u3"])
  })
})
