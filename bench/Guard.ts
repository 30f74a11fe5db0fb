import { Effect } from "effect"
import { loading } from "./Loading.ts"
import type { Row } from "./Rows.ts"
import type { Places } from "./Target.ts"

/**
 * How much more CPU than the floor the broker may take for a call, 8 sessions with 4 callers each: the median of the rounds'
 * ratios. Both are measured in the same rounds on the same machine, so that it says about the same on a slow or busy one. On
 * two cores it was 2.9 to 3.6, and up to 5.2 where others used them as well (docs/performance.md).
 */
export const most = 8
const effort = { rounds: 5, seconds: 1.5 }

/** Gives the broker's figures. */
export const guard = (places: Places): Effect.Effect<Row | undefined> =>
  Effect.scoped(loading({ title: "regression guard", sessions: 8, callers: 4, tool: "echo" })({ ...places, peers: undefined }, effort)).pipe(
    Effect.map(({ rows }) => rows.find(({ target }) => target === "broker"))
  )
