import { Context, Effect, Layer, Redacted } from "effect"
import { UpstreamUnavailable } from "../../src/services/Upstream.ts"
import type { AccessToken } from "../../src/services/UpstreamTokens.ts"
import { UpstreamGone, UpstreamTokens } from "../../src/services/UpstreamTokens.ts"

type Answer = Effect.Effect<AccessToken, UpstreamGone | UpstreamUnavailable>

/** The test's hand on what Forgejo says about the users' tokens. */
export class FakeTokens extends Context.Tag("test/FakeTokens")<FakeTokens, {
  /** Answers of `current`, and of `recheck` after a child exited early. */
  current: "good" | "gone" | "unavailable"
  recheck: "same" | "renewed" | "gone" | "unavailable"
  /** Epoch milliseconds. */
  expiresAt: number
}>() {}

export const FakeUpstreamTokensLive = Layer.effectContext(Effect.sync(() => {
  const play: FakeTokens["Type"] = { current: "good", recheck: "same", expiresAt: 30 * 24 * 3_600_000 }
  const access = (token: string): Answer => Effect.succeed({ token: Redacted.make(token), expiresAt: play.expiresAt })
  const unavailable: Answer = new UpstreamUnavailable({ endpoint: "test", reason: "down" })
  const gone = (userId: string): Answer => new UpstreamGone({ userId })
  const tokens: Pick<UpstreamTokens["Type"], "current" | "recheck"> = {
    current: (userId) =>
      Effect.suspend(() => ({ good: access(`token-${userId}`), gone: gone(userId), unavailable })[play.current]),
    recheck: (userId) =>
      Effect.suspend(() => ({ same: access(`token-${userId}`), renewed: access(`renewed-${userId}`), gone: gone(userId), unavailable })[play.recheck])
  }
  return Context.make(FakeTokens, play).pipe(Context.add(UpstreamTokens, tokens as UpstreamTokens["Type"]))
}))
