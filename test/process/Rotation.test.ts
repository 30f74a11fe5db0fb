/**
 * Sessions outlive their Forgejo tokens. A hundred sessions of five users call without a pause, so that each has one or two
 * calls in flight at any time, while every user's token comes near its end four times. Proved: no call fails, none is answered twice
 * or run twice, each child has the token that it was started with and no child another's, every new token reaches every
 * session, and no child of an old token is left.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { readFileSync } from "node:fs"
import { startLoad } from "./Load.ts"
import { ground, issuedTo, signedInUsers } from "./Loaded.ts"
import { serve } from "./Serving.ts"

/** Tokens are stale after three quarters of this: in the last 2.5 seconds the 20 children of a user must be replaced. */
const accessSeconds = 10
/** The users' first tokens live longer, one by one, so that they take turns. */
const firstSeconds = (at: number) => accessSeconds + 2 * at
/** Half of them may be replacements at one time. */
const env = { FJMCP_MAX_STARTS: "32" }
const rotationsPerUser = 4

describe("serve, when Forgejo's tokens come near their end", () => {
  it.scopedLive("100 calling sessions lose no call in 20 rotations (4 of each of 5 users)", () =>
    Effect.gen(function*() {
      const at = yield* ground({}, env)
      const daemon = yield* serve(at.settings)
      const clients = (yield* Effect.forEach(["ann", "bob", "cyd", "dan", "eve"], (login, turn) => {
        at.forgejo.knobs.accessSeconds = firstSeconds(turn)
        return signedInUsers(at, [login])
      })).flat()
      at.forgejo.knobs.accessSeconds = accessSeconds
      const load = yield* startLoad({
        mcpUrl: at.settings.mcpUrl,
        clients,
        sessionsPerClient: 20,
        callers: [{ tool: "slow", ms: 200 }, { tool: "slow", ms: 500 }]
      })
      const issued = (userId: number) => issuedTo(at.forgejo, userId)
      const begun = new Map(clients.map(({ userId }) => [userId, issued(userId).length]))
      const rotations = (userId: number) => issued(userId).length - (begun.get(userId) ?? 0)
      const rotated = (times: number) => () => clients.every(({ userId }) => rotations(userId) >= times)

      yield* load.until("all but one rotation of each user", rotated(rotationsPerUser - 1), 45)
      // The next one is the last: what comes now lives for an hour.
      at.forgejo.knobs.accessSeconds = 3600
      yield* load.until("one more rotation of each user", rotated(rotationsPerUser), 15)
      const newest = (userId: number) => issued(userId).at(-1)
      const isNew = () => load.sessions.every(({ client, generations }) => generations.at(-1)?.token === newest(client.userId))
      yield* load.until("an answer of each session under its newest token", isNew, 15)
      yield* Effect.promise(() => load.stop())

      assert.strictEqual(load.failed, 0, load.summary)
      assert.strictEqual(load.duplicated, 0, load.summary)
      assert.isAbove(load.ok, 2000)
      for (const { client, generations } of load.sessions) {
        const order = generations.map(({ token }) => issued(client.userId).indexOf(token))
        assert.deepStrictEqual(order, [...order].sort((a, b) => a - b), "tokens come in the order in which Forgejo issued them")
        assert.notInclude(order, -1, "no child has the token of another user")
        assert.lengthOf(new Set(order), order.length, "one child for each token")
        assert.lengthOf(new Set(generations.map(({ pid }) => pid)), order.length, "one token for each child")
        // The first one may have been renewed while the sessions were opened.
        assert.isAtLeast(order.length, rotationsPerUser)
      }
      const ran = readFileSync(at.journal, "utf8").trim().split("\n")
      assert.lengthOf(ran, load.ok)
      assert.lengthOf(new Set(ran), load.ok)
      yield* Effect.sync(() => daemon.children().length).pipe(
        Effect.repeat({ until: (children) => children === load.sessions.length, schedule: Schedule.spaced("50 millis") }),
        Effect.timeout("8 seconds")
      )
    }), 120_000)
})
