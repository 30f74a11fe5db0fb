import { Clock, Data, Duration, Effect, Option, Queue, Redacted } from "effect"
import type { UserId } from "../domain/Ids.ts"
import type { Departure } from "../domain/SessionState.ts"
import { forChild, park } from "../domain/SessionState.ts"
import { rotationRetry, spread, untilNothingRemains } from "../services/Schedules.ts"
import type { AccessToken, UpstreamTokens } from "../services/UpstreamTokens.ts"
import type { Generations } from "./Generations.ts"
import type { Started } from "./SessionStart.ts"

export interface Rotation {
  /** Never ends while the session's child holds a token that Forgejo takes; else gives how the session leaves. */
  readonly keepFresh: Effect.Effect<Departure>
  /** A call was answered with an error: the reason may be a token that Forgejo does not take any more. Does not wait. */
  readonly doubt: Effect.Effect<void>
}

export interface RotationOptions {
  readonly userId: UserId
  readonly generations: Generations
  readonly tokens: UpstreamTokens["Type"]
  readonly isStateful: boolean
  /** Parks the session unless it is in use, in one step with the look. Gives whether it was parked. */
  readonly parkUnlessInUse: Effect.Effect<boolean>
  /** The token is over: the session leaves in the same moment, however long its next child takes to stop. */
  readonly expire: Effect.Effect<void>
  readonly onReplaced: (next: Started) => Effect.Effect<void>
}

/** Forgejo could not be asked for another token, and the present one still serves. */
class NotRenewed extends Data.TaggedError("NotRenewed") {}

const forgejoSays: ReadonlySet<string> = new Set(["NotRenewed", "UpstreamGone", "UpstreamUnavailable"])

/** The longest that a session waits for its turn, of the time that its token still has. */
const spreadOver = (remaining: Duration.Duration): Duration.Duration => Duration.min(Duration.seconds(30), Duration.times(remaining, 0.1))

/** Again and again, until there is something. */
const untilSome = <A>(step: Effect.Effect<Option.Option<A>>): Effect.Effect<A> =>
  Effect.flatMap(step, Option.match({ onNone: () => Effect.suspend(() => untilSome(step)), onSome: Effect.succeed }))

/**
 * Rotation of one session: its child holds one token for life, so a new token means a new child. Sessions in use get it
 * before the old token ends, without a call failing; the others are parked and get theirs when they are used again.
 */
export const makeRotation = (options: RotationOptions): Effect.Effect<Rotation> =>
  Effect.gen(function*() {
    const { generations, isStateful, parkUnlessInUse, tokens, userId } = options
    const doubts = yield* Queue.sliding<void>(1)

    const remainingUntil = (at: (token: AccessToken) => number) =>
      Effect.map(Clock.currentTimeMillis, (now) => Duration.millis(at(generations.token()) - now))
    const isHeld = (token: AccessToken) => Redacted.value(token.token) === Redacted.value(generations.token().token)

    const again = <A, E extends { readonly _tag: string }>(step: Effect.Effect<A, E>): Effect.Effect<A> =>
      step.pipe(
        // The race below would not notice that one of its watches has died.
        Effect.catchAllDefect((defect) => Effect.zipRight(Effect.logError("session.rotation_died", defect), new NotRenewed())),
        // That Forgejo gives no token is logged once for the user, where it is asked.
        Effect.tapError(({ _tag }) =>
          Effect.annotateLogs(forgejoSays.has(_tag) ? Effect.logDebug("session.rotation_failed") : Effect.logWarning("session.rotation_failed"), { reason: _tag })),
        Effect.retry(rotationRetry),
        // The schedule has no end.
        Effect.orDie
      )

    /** Once there is another token: the next child has to come up, however often that takes; the old one serves meanwhile. */
    const replace = generations.replace(tokens.current(userId)).pipe(
      Effect.tap(Option.match({ onNone: () => Effect.void, onSome: options.onReplaced })),
      again
    )
    /** Whether the session is in use is asked once, and before it waits for its turn. */
    const renew = (turn: Effect.Effect<void>): Effect.Effect<Option.Option<Departure>> =>
      Effect.gen(function*() {
        if (yield* parkUnlessInUse) return Option.some<Departure>(park("rotated"))
        yield* turn
        yield* replace
        return Option.none()
      })

    const untilStale = Effect.repeat(remainingUntil((token) => token.staleAt), untilNothingRemains)
    const anotherToken = again(Effect.filterOrFail(tokens.current(userId), (token) => !isHeld(token), () => new NotRenewed()))
    const turn = Effect.flatMap(remainingUntil((token) => token.expiresAt), (remaining) => Effect.asVoid(Effect.schedule(Effect.void, spread(spreadOver(remaining)))))
    // A stateful child cannot be replaced: it goes on for as long as its token does.
    const renewing = isStateful ? Effect.never : untilSome(untilStale.pipe(Effect.zipRight(anotherToken), Effect.zipRight(renew(turn))))

    const suspicion = Effect.suspend(() => tokens.suspect(userId, generations.token().token)).pipe(
      // Gone ends the grant, and the session with it; of the rest the next refused call reminds us.
      Effect.orElseSucceed(() => Option.none<AccessToken>()),
      Effect.catchAllDefect((defect) => Effect.as(Effect.logError("session.suspicion_died", defect), Option.none<AccessToken>()))
    )
    const doubting = untilSome(Effect.flatMap(Effect.zipRight(Queue.take(doubts), suspicion), (other) =>
      isStateful || Option.isNone(other) || isHeld(other.value) ? Effect.succeedNone : renew(Effect.void)))

    const expired = Effect.as(Effect.repeat(remainingUntil((token) => token.expiresAt), untilNothingRemains).pipe(Effect.zipRight(options.expire)), forChild(park("token_expired"), isStateful))

    return {
      keepFresh: Effect.raceAll([renewing, doubting, expired]),
      doubt: Effect.asVoid(Queue.offer(doubts, undefined))
    }
  })
