import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import type { Departure, EndReason, ParkReason, SessionState } from "../../src/domain/SessionState.ts"
import {
  ask, begin, closeAsk, crash, end, finish, forChild, isIdle, isInUse, lastActivityOf, leave, park, started, starting, touch, untilIdle
} from "../../src/domain/SessionState.ts"

const windows = { used: 900_000, handshakeOnly: 60_000 }
const limit = 3

type Live = SessionState & { readonly _tag: "Live" }
const live = (changes: Partial<Live> = {}): Live => ({ _tag: "Live", inFlight: 0, asked: 0, lastActivity: 0, used: true, ...changes })
const begun = (state: SessionState, now: number, isActivity = true): SessionState => {
  const [how, next] = begin(state, now, limit, isActivity)
  assert.strictEqual(how, "begun")
  return next
}

const departure: fc.Arbitrary<Departure> = fc.oneof(
  fc.constantFrom<ParkReason>("idle", "evicted", "superseded", "crashed", "rotated", "token_expired", "start_failed", "shutdown").map(park),
  fc.constantFrom<EndReason>("closed", "grant_ended", "crashed_again", "incompatible", "idle").map(end)
)
/** What can happen to a session, at any time. A call is finished only by whoever began it, and a request of the child closed once. */
interface PlainStep {
  readonly what: "started" | "touch" | "finish call" | "finish ping" | "begin call" | "begin ping" | "ask" | "close ask"
  readonly after: number
}
type Step =
  | PlainStep
  | { readonly what: "leave"; readonly to: Departure; readonly after: number }
const after = fc.nat(200_000)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ what: fc.constantFrom<PlainStep["what"]>("started", "touch", "finish call", "finish ping", "begin call", "begin ping", "ask", "close ask"), after })
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("leave" as const), to: departure, after }) }
)

/** A step, and what somebody knows of the session who kept books. */
interface View {
  readonly before: SessionState
  readonly each: Step
  readonly state: SessionState
  readonly now: number
  readonly calls: number
  readonly pings: number
  readonly asks: number
  readonly hadCalls: boolean
}

const walk = (steps: ReadonlyArray<Step>, look: (view: View) => void) => {
  let [now, calls, pings, asks, hadCalls] = [0, 0, 0, 0, false]
  let state = starting(now)
  for (const each of steps) {
    now += each.after
    const before = state
    switch (each.what) {
      case "started":
        state = started(state, now)
        break
      case "touch":
        state = touch(state, now)
        break
      case "leave":
        state = leave(state, each.to)
        break
      case "begin call":
      case "begin ping": {
        const isCall = each.what === "begin call"
        const [how, next] = begin(state, now, limit, isCall)
        if (how === "full" || how === "over") assert.strictEqual(next, state)
        else if (isCall) [calls, hadCalls] = [calls + 1, hadCalls || how === "begun"]
        else pings++
        state = next
        break
      }
      case "finish call":
        if (calls === 0) continue
        calls--
        state = finish(state, now, true)
        break
      case "finish ping":
        if (pings === 0) continue
        pings--
        state = finish(state, now, false)
        break
      case "ask":
        asks++
        state = ask(state)
        break
      case "close ask":
        if (asks === 0) continue
        asks--
        state = closeAsk(state)
    }
    look({ before, each, state, now, calls, pings, asks, hadCalls })
  }
}

describe("the state of a session", () => {
  it("counts what is in flight, never past the limit, and is never idle meanwhile", () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
      walk(steps, ({ asks, calls, now, pings, state }) => {
        assert.strictEqual(state.inFlight, calls + pings, "also of those who wait for one that is leaving")
        assert.strictEqual(state.asked, asks)
        assert.isAtMost(state.inFlight, limit)
        if (calls + pings + asks === 0 || state._tag === "Leaving") return
        assert.isFalse(isIdle(state))
        assert.isTrue(isInUse(state, now, 60_000))
        assert.isAbove(untilIdle(state, now, windows), 0)
      })
    }))
  })

  it("that is leaving is never brought back, and an end outweighs parking: else the first word stays", () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
      walk(steps, ({ before, each, state }) => {
        if (before._tag !== "Leaving") return
        assert.strictEqual(state._tag, "Leaving")
        if (state._tag !== "Leaving") return
        const outweighs = each.what === "leave" && each.to._tag === "Ended" && before.to._tag === "Parked"
        assert.deepStrictEqual({ ...state, inFlight: 0, asked: 0 }, { ...before, inFlight: 0, asked: 0, ...(outweighs ? { to: each.to } : {}) })
        assert.isFalse(isIdle(state))
        assert.isFalse(isInUse(state, 0, Infinity))
      })
    }))
  })

  it("is used from its first call on, and neither a ping nor what its child asks is activity, however many there are", () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
      walk(steps, ({ before, each, hadCalls, state }) => {
        if (state._tag === "Leaving") return
        assert.strictEqual(state.used, hadCalls)
        if (["begin ping", "finish ping", "ask", "close ask"].includes(each.what)) assert.strictEqual(lastActivityOf(state), lastActivityOf(before))
      })
    }))
  })

  it("says to a call that finds it leaving whether it will be back", () => {
    assert.strictEqual(begin(leave(live(), park("idle")), 1, limit, true)[0], "leaving")
    assert.strictEqual(begin(leave(live(), end("closed")), 1, limit, true)[0], "over")
  })

  it("takes calls while its child comes up, and they are in flight when it is there", () => {
    const state = started(begun(starting(0), 5), 10)
    assert.deepStrictEqual(state, live({ inFlight: 1, lastActivity: 10, used: true }))
    assert.strictEqual(begin(live({ inFlight: limit }), 1, limit, true)[0], "full")
  })

  it("keeps the time of its last activity when it leaves, for its row", () => {
    assert.strictEqual(lastActivityOf(leave(live({ lastActivity: 7 }), park("idle"))), 7)
    assert.strictEqual(lastActivityOf(leave(starting(3), park("start_failed"))), 3)
  })
})

describe("idleness", () => {
  it("comes a whole window after the last activity, and not a millisecond earlier", () => {
    fc.assert(fc.property(fc.nat(10_000_000), fc.nat(2_000_000), fc.boolean(), (lastActivity, later, used) => {
      const window = used ? windows.used : windows.handshakeOnly
      assert.strictEqual(untilIdle(live({ lastActivity, used }), lastActivity + later, windows), Math.max(0, window - later))
    }))
  })

  it("of a session that got only its handshake comes sooner, and pings do not put it off", () => {
    const pinged = finish(begun(started(starting(0), 0), 59_000, false), 59_500, false)
    assert.strictEqual(untilIdle(pinged, 60_000, windows), 0)
    assert.strictEqual(untilIdle(touch(pinged, 59_900), 60_000, windows), 59_900, "a notification of the client does")
  })

  it("is looked for again a whole window later where something is in flight, or the child is not up", () => {
    assert.strictEqual(untilIdle(live({ inFlight: 1, lastActivity: 0 }), 5_000_000, windows), windows.used)
    assert.strictEqual(untilIdle(starting(0), 5_000_000, windows), windows.handshakeOnly)
  })

  it("comes at once when the child asks no longer, where nobody has done anything for the window", () => {
    const asking = ask(live({ lastActivity: 0 }))
    assert.strictEqual(untilIdle(asking, windows.used * 2, windows), windows.used)
    assert.isTrue(isInUse(ask(live({ used: false })), windows.used * 2, 60_000))
    assert.strictEqual(untilIdle(closeAsk(asking), windows.used * 2, windows), 0)
    assert.strictEqual(untilIdle(closeAsk(asking), windows.used - 1, windows), 1)
  })

  it("of one that leaves is there at once: nobody has to wait for it", () => {
    assert.strictEqual(untilIdle(leave(live({ lastActivity: 9 }), park("idle")), 10, windows), 0)
  })
})

describe("a session in use when its token nears the end", () => {
  it("has something in flight, be it only a ping, or had a call within the window", () => {
    assert.isTrue(isInUse(live({ inFlight: 1, used: false, lastActivity: 0 }), 1_000_000, 60_000))
    assert.isTrue(isInUse(live({ lastActivity: 0 }), 59_999, 60_000))
    assert.isFalse(isInUse(live({ lastActivity: 0 }), 60_000, 60_000))
  })

  it("is not one that got only its handshake", () => {
    assert.isFalse(isInUse(live({ used: false, lastActivity: 0 }), 1, 60_000))
  })
})

describe("crashes", () => {
  const minute = 60_000
  /** The departures that crashes at these times lead to, each child being started again at once. */
  const through = (times: ReadonlyArray<number>) => {
    let earlier: ReadonlyArray<number> = []
    return times.map((at) => {
      const [departure, next] = crash(earlier, at)
      earlier = next
      return departure
    })
  }

  it("end a session exactly where three are within a minute", () => {
    fc.assert(fc.property(fc.array(fc.nat(50_000), { maxLength: 12, size: "max" }), (gaps) => {
      let at = 0
      const times = gaps.map((gap) => at += gap)
      const third = times.findIndex((time, index) => index >= 2 && time - (times[index - 2] ?? 0) < minute)
      const found = through(times)
      assert.strictEqual(found.findIndex(({ _tag }) => _tag === "Ended"), third)
    }))
  })

  it("of which three take a whole minute or longer just park it", () => {
    assert.deepStrictEqual(through([0, 30_000, 59_999]), [park("crashed"), park("crashed"), end("crashed_again")])
    assert.deepStrictEqual(through([0, 30_000, minute, 2 * minute]), [park("crashed"), park("crashed"), park("crashed"), park("crashed")])
  })

  it("are forgotten after a minute, so that what is remembered stays small", () => {
    fc.assert(fc.property(fc.array(fc.nat(10_000_000)), fc.nat(20_000_000), (earlier, now) => {
      const [, times] = crash(earlier.filter((at) => at <= now), now)
      assert.strictEqual(times.at(-1), now)
      for (const at of times) assert.isBelow(now - at, minute)
    }))
  })
})

describe("a session with a stateful child", () => {
  it("ends for the reason for which another would be parked, and ends as others do", () => {
    fc.assert(fc.property(departure, (to) => {
      assert.deepStrictEqual(forChild(to, true), end(to.reason))
      assert.strictEqual(forChild(to, false), to)
    }))
  })
})
