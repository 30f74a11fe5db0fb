import type { Option } from "effect"
import { Clock, Context, Effect, Layer, Redacted } from "effect"
import type { UserId } from "../../src/domain/Ids.ts"
import { UpstreamUnavailable } from "../../src/services/Upstream.ts"
import type { AccessToken } from "../../src/services/UpstreamTokens.ts"
import { UpstreamGone, UpstreamTokens } from "../../src/services/UpstreamTokens.ts"

type Answer = Effect.Effect<AccessToken, UpstreamGone | UpstreamUnavailable>

/** The test's hand on what Forgejo says about the users' tokens. */
export class FakeTokens extends Context.Tag("test/FakeTokens")<FakeTokens, {
  /** Answers of `current`, and of `recheck` after a child exited early. */
  current: "good" | "gone" | "unavailable"
  recheck: "same" | "renewed" | "gone" | "unavailable"
  /** What comes of a suspicion: "renewed" raises `serial` where the suspected token is the present one. */
  suspect: "fine" | "renewed" | "gone" | "unavailable"
  /** Epoch milliseconds. */
  expiresAt: number
  /** Epoch milliseconds; follows `expiresAt` until it is set. */
  staleAt: number
  /** Tokens are `token-<user>` while it is 1, and `token-<user>-<serial>` then. To raise it is to renew them all. */
  serial: number
  /**
   * Where it is set, a stale token is renewed when somebody asks for it, and one that is not over serves while Forgejo is
   * away, as with the real ones. Gives until when the new one serves.
   */
  renewal: ((now: number) => { readonly staleAt: number; readonly expiresAt: number }) | undefined
  /** Users whose authorization at Forgejo is over, and what the real one does about their grants when it sees it. */
  readonly goneUsers: Set<UserId>
  endGrants: (userId: UserId) => Effect.Effect<void>
  /** How often `current` was called. */
  asked: number
  /** The tokens that were suspected, in order. */
  readonly suspected: Array<string>
}>() {}

export const FakeUpstreamTokensLive = Layer.effectContext(Effect.sync(() => {
  let staleAt: number | undefined
  const play: FakeTokens["Type"] = {
    current: "good",
    recheck: "same",
    suspect: "fine",
    expiresAt: 30 * 24 * 3_600_000,
    get staleAt() {
      return staleAt ?? play.expiresAt
    },
    set staleAt(at) {
      staleAt = at
    },
    serial: 1,
    renewal: undefined,
    goneUsers: new Set(),
    endGrants: () => Effect.void,
    asked: 0,
    suspected: []
  }
  const present = (userId: UserId) => play.serial === 1 ? `token-${userId}` : `token-${userId}-${play.serial}`
  const access = (token: string): AccessToken => ({ token: Redacted.make(token), expiresAt: play.expiresAt, staleAt: play.staleAt })
  const unavailable = new UpstreamUnavailable({ endpoint: "test", reason: "down" })

  const gone = (userId: UserId): Effect.Effect<never, UpstreamGone> => Effect.zipRight(play.endGrants(userId), new UpstreamGone({ userId }))
  const renew = (now: number) => {
    play.serial++
    if (play.renewal !== undefined) Object.assign(play, play.renewal(now))
  }
  const current = (userId: UserId): Answer =>
    Effect.flatMap(Clock.currentTimeMillis, (now): Answer => {
      if (play.goneUsers.has(userId)) return gone(userId)
      if (play.current === "gone") return new UpstreamGone({ userId })
      if (play.current === "unavailable" && (play.renewal === undefined || now >= play.expiresAt)) return unavailable
      if (play.current === "good" && play.renewal !== undefined && now >= play.staleAt) renew(now)
      return Effect.succeed(access(present(userId)))
    })

  const tokens: Pick<UpstreamTokens["Type"], "current" | "recheck" | "suspect"> = {
    current: (userId) =>
      Effect.suspend(() => {
        play.asked++
        return current(userId)
      }),
    recheck: (userId) =>
      Effect.suspend((): Answer => {
        if (play.recheck === "unavailable") return unavailable
        if (play.recheck === "gone") return new UpstreamGone({ userId })
        return Effect.succeed(access(play.recheck === "renewed" ? `renewed-${userId}` : present(userId)))
      }),
    suspect: (userId, token) =>
      Effect.suspend((): Effect.Effect<Option.Option<AccessToken>, UpstreamGone | UpstreamUnavailable> => {
        const name = Redacted.value(token)
        play.suspected.push(name)
        if (play.suspect === "unavailable") return unavailable
        if (play.goneUsers.has(userId)) return gone(userId)
        if (play.suspect === "gone") return new UpstreamGone({ userId })
        // As the real one does without a question: another token has taken its place.
        if (name.startsWith("token-") && name !== present(userId)) return Effect.asSome(current(userId))
        if (play.suspect === "fine") return Effect.succeedNone
        return Effect.flatMap(Clock.currentTimeMillis, (now) => {
          renew(now)
          return Effect.asSome(current(userId))
        })
      })
  }
  return Context.make(FakeTokens, play).pipe(Context.add(UpstreamTokens, tokens as UpstreamTokens["Type"]))
}))
