import type { Effect, Scope } from "effect"
import type { Tool } from "./Calls.ts"
import { loading } from "./Loading.ts"
import { opening } from "./Opening.ts"
import { revival } from "./Revival.ts"
import { rotation } from "./Rotation.ts"
import type { Result } from "./Rows.ts"
import type { Places } from "./Target.ts"

/** How long it may take. */
export interface Effort {
  /** Of one round on one target. */
  readonly seconds: number
  readonly rounds: number
}

/** The targets of one scenario take turns in each round. */
export type Scenario = (places: Places, effort: Effort) => Effect.Effect<Omit<Result, "scenario">, never, Scope.Scope>

/** Callers that call without a pause. */
export interface LoadShape {
  readonly title: string
  readonly sessions: number
  /** Of each session. */
  readonly callers: number
  readonly tool: Tool
  /** Revision 2026-07-28, which has no sessions: then `sessions` is the number of users. */
  readonly isStateless?: boolean
  /** Sessions that are in the store besides. */
  readonly parked?: number
}

export const scenarios: Readonly<Record<string, Scenario>> = {
  "1x1": loading({ title: "one session, one caller", sessions: 1, callers: 1, tool: "echo" }),
  "8x4": loading({ title: "8 sessions, 4 callers each", sessions: 8, callers: 4, tool: "echo" }),
  "300": loading({ title: "300 sessions, one caller each", sessions: 300, callers: 1, tool: "echo" }),
  "64k": loading({ title: "8 sessions, 4 callers each, results of 64 KiB", sessions: 8, callers: 4, tool: "large" }),
  sse: loading({ title: "8 sessions, 4 callers each, three progress notifications before each result", sessions: 8, callers: 4, tool: "progress" }),
  modern: loading({ title: "revision 2026-07-28: 8 users, 4 callers each", sessions: 8, callers: 4, tool: "echo", isStateless: true }),
  opening,
  revival,
  rotation,
  parked: loading({ title: "8 sessions, 4 callers each, beside 20 000 parked sessions", sessions: 8, callers: 4, tool: "echo", parked: 20_000 })
}
