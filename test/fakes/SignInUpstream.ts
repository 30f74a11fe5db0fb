import { Context, Effect, Layer, Option, Redacted, Ref } from "effect"
import { UserId } from "../../src/domain/Ids.ts"
import type { TokenPair, UpstreamRefused, UpstreamUnavailable, UserInfo } from "../../src/services/Upstream.ts"
import { Upstream } from "../../src/services/Upstream.ts"
import { UpstreamTokens } from "../../src/services/UpstreamTokens.ts"

type Answer<A> = Effect.Effect<A, UpstreamRefused | UpstreamUnavailable>

/** What a test changes of Forgejo, and what it sees of the calls that came. */
export class UpstreamControl extends Context.Tag("test/UpstreamControl")<UpstreamControl, {
  readonly exchange: Ref.Ref<Answer<TokenPair>>
  readonly userinfo: Ref.Ref<Answer<UserInfo>>
  readonly introspect: Ref.Ref<Answer<{ readonly active: boolean; readonly scope: Option.Option<string> }>>
  readonly isSiteAdmin: Ref.Ref<Effect.Effect<boolean, UpstreamUnavailable>>
  /** In order: `exchange CODE VERIFIER`, `store USER`, `scope USER SCOPE`, `userinfo`. */
  readonly log: Ref.Ref<ReadonlyArray<string>>
}>() {}

export const somePair: TokenPair = {
  accessToken: Redacted.make("upstream-access"),
  refreshToken: Option.some(Redacted.make("upstream-refresh")),
  expiresAt: 3_600_000,
  upstreamGrant: Option.some(1),
  counter: Option.some(1),
  subject: Option.some(UserId.make("7"))
}

/** Forgejo and the token pairs, without a network. Alice (id 7) signs in, with exactly the scope that is configured. */
export const SignInUpstream = Layer.effectContext(Effect.gen(function*() {
  const exchange = yield* Ref.make<Answer<TokenPair>>(Effect.succeed(somePair))
  const userinfo = yield* Ref.make<Answer<UserInfo>>(Effect.succeed({ userId: UserId.make("7"), userName: "alice" }))
  const introspect = yield* Ref.make<Answer<{ readonly active: boolean; readonly scope: Option.Option<string> }>>(
    Effect.succeed({ active: true, scope: Option.some("openid profile read:user write:repository write:issue") })
  )
  const isSiteAdmin = yield* Ref.make<Effect.Effect<boolean, UpstreamUnavailable>>(Effect.succeed(false))
  const log = yield* Ref.make<ReadonlyArray<string>>([])
  const note = (line: string) => Ref.update(log, (lines) => [...lines, line])
  return Context.make(UpstreamControl, { exchange, userinfo, introspect, isSiteAdmin, log }).pipe(
    Context.add(Upstream, {
      authorizeUrl: ({ codeChallenge, state }) =>
        Effect.succeed(`https://git.example/login/oauth/authorize?${new URLSearchParams({
          client_id: "fj-client",
          state: Redacted.value(state),
          code_challenge: codeChallenge,
          code_challenge_method: "S256"
        }).toString()}`),
      exchange: ({ code, verifier }) =>
        Effect.zipRight(note(`exchange ${Redacted.value(code)} ${Redacted.value(verifier)}`), Effect.flatten(Ref.get(exchange))),
      refresh: () => Effect.die("not used here"),
      userinfo: () => Effect.zipRight(note("userinfo"), Effect.flatten(Ref.get(userinfo))),
      introspect: () => Effect.flatten(Ref.get(introspect)),
      isSiteAdmin: () => Effect.flatten(Ref.get(isSiteAdmin)),
      version: Effect.succeed("15.0.3")
    }),
    Context.add(UpstreamTokens, {
      store: (userId) => note(`store ${userId}`),
      duringSignIn: (signIn) => signIn,
      recordScope: (userId, scope) => note(`scope ${userId} ${scope}`),
      current: () => Effect.die("not used here"),
      recheck: () => Effect.die("not used here"),
      suspect: () => Effect.die("not used here"),
      forgetUngranted: Effect.void
    })
  )
}))
