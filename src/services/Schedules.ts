import { Duration, Schedule } from "effect"

/** All waiting of the broker, by name. */

/**
 * Recurs after what its step says remains, and ends once nothing does: exact, and without polling. Each day it looks again:
 * a timer takes 24 days at most.
 */
export const untilNothingRemains = Schedule.identity<Duration.Duration>().pipe(
  Schedule.addDelay(Duration.min("1 day")),
  Schedule.whileOutput(Duration.greaterThan(Duration.zero))
)

/** Once, when the first deadline of a call is due. */
export const untilDeadline = (millis: number) => Schedule.fromDelay(millis)

/**
 * Once: how long output may still come after a child's exit, for a grandchild can hold the pipe open for ever; and how long
 * after the end of a pipe the exit may come, for a child can close its pipes and live.
 */
export const betweenEnds = Schedule.fromDelay("500 millis")

/** How often expired logins, codes and tokens are swept out. Nothing depends on it: expiry is checked on use. */
export const sweep = Schedule.jittered(Schedule.spaced("1 minute"))

/** How often the last-use times of grants are written: what a crash may lose of them. */
export const flushUse = Schedule.spaced("1 second")

/** A few more tries while a person waits. */
export const brief = Schedule.intersect(Schedule.spaced("300 millis"), Schedule.recurs(2))

/**
 * Between attempts to reach Forgejo while somebody waits: a quarter of a second, doubling, with jitter. None begins after
 * eight seconds, so that a Forgejo that hangs is not asked a second time.
 */
export const upstreamRetry = Schedule.exponential("250 millis").pipe(
  Schedule.jittered,
  // `upTo` looks before the delay, which may be as long again as all before it.
  Schedule.upTo("8 seconds"),
  Schedule.intersect(Schedule.recurs(5))
)

/** Once, when a question that is limited per minute may be asked again. */
export const untilAllowed = (millis: number) => Schedule.fromDelay(millis)

/**
 * When a child could not be replaced although its token nears its end: a second, doubling up to half a minute, with
 * jitter, for as long as the token serves.
 */
export const rotationRetry = Schedule.jittered(Schedule.union(Schedule.exponential("1 second"), Schedule.spaced("30 seconds")))

/** Once, at a random moment within `longest`: sessions whose tokens end together do not all start a child together. */
export const spread = (longest: Duration.Duration) => Schedule.jitteredWith(Schedule.fromDelay(longest), { min: 0, max: 1 })

/** Once: how long uses of sessions are gathered before they are written, and what a crash may lose of them. */
export const beforeUseIsWritten = Schedule.fromDelay("1 second")

/** For how long a stream says nothing before it sends a comment: proxies close what is silent, and a client that is gone is noticed. */
export const keepAlive = Duration.seconds(15)
/** The same for a batch, whose stream is its own. */
export const signsOfLife = Schedule.spaced(keepAlive)

/**
 * For how long a call may give nothing before it is answered with a stream, where the client takes one. Less than 200 ms: a
 * conformance test (`server-sse-polling`) wants a stream of a call that takes so long.
 */
export const beforeStream = Duration.millis(100)

/** How often it is counted what clients have not read of their answers. */
export const unreadCount = Schedule.spaced("250 millis")
/** How long `server/discover` waits for a child that has never been started here before: clients give up after ten seconds or so. */
export const discoveryPatience = Duration.seconds(5)

/** How long a child's question waits for others that are asked together with it. */
export const gatherQuestions = Duration.millis(20)

/**
 * How long the answer to a request of 2026-07-28 may take before it becomes a stream: an error has an HTTP status only
 * where nothing was sent before.
 */
export const beforeModernStream = Duration.seconds(5)

/** While draining: how often connections that have fallen idle are closed. */
export const idleSocketSweep = Schedule.spaced("50 millis")
