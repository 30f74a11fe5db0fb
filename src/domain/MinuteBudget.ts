import { HashMap, Option } from "effect"
import type { UserId } from "./Ids.ts"

/** When each user did something that is limited, within the last minute: epoch milliseconds, the oldest first. */
export type MinuteBudget = HashMap.HashMap<UserId, ReadonlyArray<number>>

const minute = 60_000

export const unspent: MinuteBudget = HashMap.empty()

/**
 * Takes one of a user's `perMinute`. `wait`: 0, or the milliseconds until there is one again, and then nothing is taken.
 * A clock that was set back makes nobody wait longer than a minute. Users who do nothing any more are forgotten, so that the budget is never larger than what was taken in a minute.
 */
export const spend = (budget: MinuteBudget, userId: UserId, now: number, perMinute: number): readonly [wait: number, budget: MinuteBudget] => {
  const recent = Option.getOrElse(HashMap.get(budget, userId), () => []).filter((at) => Math.abs(now - at) < minute)
  const [oldest = now] = recent
  if (recent.length >= perMinute) return [oldest + minute - now, budget]
  return [0, HashMap.set(HashMap.filter(budget, (times) => Math.abs(now - (times.at(-1) ?? 0)) < minute), userId, [...recent, now])]
}
