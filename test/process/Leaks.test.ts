/**
 * Nothing stays behind. A thousand sessions are opened and ended by DELETE, by the end of their grant, by children that
 * crash or are killed, by clients that hang up during `initialize` or during a call; others are called all the time while
 * their token rotates. Proved, after a warm-up and after each of three equal rounds: no child is left, the daemon's open
 * descriptors are back where they were, and its memory does not grow from the second round to the third.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Fate, live } from "./Fates.ts"
import { startLoad } from "./Load.ts"
import { ground, issuedTo, signedInUsers } from "./Loaded.ts"
import { seeded } from "./Random.ts"
import { resources, untilResources } from "./Resources.ts"
import { serve } from "./Serving.ts"

const ways: ReadonlyArray<Fate> = ["ended", "ended", "childKilled", "childCrashed", "crashedAndEnded", "callAborted", "openAborted"]

/** Sessions of a round: those that are called through a rotation, those whose grant ends, and the rest. */
const sizes = { warmUp: { rotated: 10, left: 10, others: 80 }, round: { rotated: 20, left: 30, others: 250 } }

/**
 * Connections to Forgejo stay open for some seconds after the last request, and there may be some more or fewer than after
 * the warm-up: one refresh per user, and one sign-in at a time. A leak of one descriptor per session would be 300 per round.
 */
const descriptorsTolerated = 6
/**
 * With all the heap that it likes V8 lets 30 MiB come and go between two rounds. So small a heap is cleaned all the time:
 * what is left differs by 1 or 2 MiB from round to round. The bound is 20 KiB for each session of a round.
 */
const smallHeap = { NODE_OPTIONS: "--max-semi-space-size=1 --max-old-space-size=96" }
const mebibytesTolerated = 6

describe("serve, after 1000 sessions", () => {
  it.scopedLive("has no child, no descriptor and no memory left of them", () =>
    Effect.gen(function*() {
      const random = seeded()
      const at = yield* ground({ accessSeconds: 10 }, { ...smallHeap, FJMCP_MAX_STARTS: "16" })
      const { mcpUrl } = at.settings
      const daemon = yield* serve(at.settings)
      const [resident, passing] = yield* signedInUsers(at, ["resident", "passing"])
      if (resident === undefined || passing === undefined) return assert.fail("two users")

      const round = (name: string, size: typeof sizes.round) =>
        Effect.scoped(Effect.gen(function*() {
          const load = yield* startLoad({ mcpUrl, clients: [resident], sessionsPerClient: size.rotated, callers: [{ tool: "echo", pause: 50 }] })
          const rotated = issuedTo(at.forgejo, resident.userId).length
          const [leaving] = yield* signedInUsers(at, [name])
          if (leaving === undefined) return assert.fail("one user")
          const lived = yield* Effect.promise(() =>
            Promise.all([
              live({ mcpUrl, daemon, random, client: passing }, ways, size.others),
              live({ mcpUrl, daemon, random, client: leaving }, ["left"], size.left)
            ]))
          const isRotated = () => issuedTo(at.forgejo, resident.userId).length > rotated && load.sessions.every(({ generations }) => generations.length > 1)
          yield* load.until("a rotation of each session", isRotated, 20)
          yield* Effect.promise(() => load.stop())
          assert.strictEqual(load.failed + load.duplicated, 0, load.summary)
          yield* Effect.promise(() => Promise.all([load.close(), leaving.revoke()]))
          const after = yield* untilResources(daemon, ({ children }) => children === 0)
          console.log(name, JSON.stringify(lived), load.ok, JSON.stringify(after))
          return assert.strictEqual(after.children, 0)
        }))

      yield* round("warm-up", sizes.warmUp)
      const baseline = resources(daemon).descriptors
      const memory: Array<number> = []
      for (const name of ["first", "second", "third"]) {
        yield* round(name, sizes.round)
        const after = yield* untilResources(daemon, ({ descriptors }) => descriptors <= baseline + descriptorsTolerated)
        assert.isAtMost(after.descriptors, baseline + descriptorsTolerated, name)
        memory.push(after.residentMiB)
      }
      const [, second = 0, third = Infinity] = memory
      assert.isAtMost(third - second, mebibytesTolerated, `MiB after each round: ${memory.join(", ")}`)
    }), 300_000)
})
