import { Duration, Schedule } from "effect"

/** All waiting of the broker, by name. */

/** Recurs after what its step says remains, and ends once nothing does: exact, and without polling. */
export const untilNothingRemains = Schedule.identity<Duration.Duration>().pipe(
  Schedule.addDelay((remaining) => remaining),
  Schedule.whileOutput(Duration.greaterThan(Duration.zero))
)

/** How often expired logins, codes and tokens are swept out. Nothing depends on it: expiry is checked on use. */
export const sweep = Schedule.jittered(Schedule.spaced("1 minute"))
