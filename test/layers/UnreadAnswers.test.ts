import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { closeUnread } from "../../src/layers/UnreadAnswers.ts"

it.effect("of what lies unread beyond the limit the largest goes first, of equal ones the oldest, and no more than needed", () =>
  Effect.gen(function*() {
    const closed: Array<string> = []
    const connections = ([["idle", 0], ["old", 10], ["new", 10], ["small", 1], ["large", 30]] as const).map(([name, writableLength]) => ({
      writableLength,
      destroy() {
        closed.push(name)
        return this as never
      }
    }))
    assert.strictEqual(yield* closeUnread(connections, 51), 0)
    assert.strictEqual(yield* closeUnread(connections, 50), 1)
    assert.strictEqual(yield* closeUnread(connections, 11), 2)
    assert.deepStrictEqual(closed, ["large", "large", "old"])
    assert.strictEqual(yield* closeUnread(connections, 0), 4)
  }))
