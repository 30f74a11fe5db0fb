import { Clock, Context, Deferred, Effect, Layer, Option, Redacted, Ref } from "effect"
import { UserId } from "../../src/domain/Ids.ts"
import { type TokenPair, Upstream, UpstreamRefused, UpstreamUnavailable } from "../../src/services/Upstream.ts"

/** Access tokens of the fake live for an hour. */
export const accessLife = 3_600_000

/**
 * Forgejo's side of one user's token pairs: a grant with a counter. Refresh tokens are `r-<gnt>-<cnt>`, access tokens
 * `a-<gnt>-<cnt>-<when>`. Tests turn the knobs.
 */
export class ForgejoSide extends Context.Tag("test/ForgejoSide")<ForgejoSide, {
  /** A completed sign-in: what its code exchange gives. */
  readonly signIn: Effect.Effect<TokenPair>
  /** The user revokes the app: all its tokens are void, and the next sign-in gets another grant. */
  readonly revoke: Effect.Effect<void>
  /** Refreshes take effect, but their answers come only when the returned effect is run. */
  readonly holdAnswers: Effect.Effect<Effect.Effect<void>>
  /** The next `n` refreshes fail before they take effect. */
  readonly failRefreshes: (n: number) => Effect.Effect<void>
  /** The answers to the next `n` refreshes are lost after they took effect. */
  readonly loseAnswers: (n: number) => Effect.Effect<void>
  /** Whether the client id and secret are refused. */
  readonly refuseClient: (refused: boolean) => Effect.Effect<void>
  /** Whether userinfo refuses access tokens that are otherwise good. */
  readonly refuseAccessTokens: (refused: boolean) => Effect.Effect<void>
  readonly introspectionDown: (down: boolean) => Effect.Effect<void>
  /** Without rotation: no claims, and the same refresh token for ever. */
  readonly rotates: (rotates: boolean) => Effect.Effect<void>
  /** The refresh tokens that arrived, in order. */
  readonly refreshes: Effect.Effect<ReadonlyArray<string>>
  /** Waits for the first of them. */
  readonly refreshArrived: Effect.Effect<void>
}>() {}

interface State {
  readonly gnt: number
  readonly cnt: number
  readonly alive: boolean
  readonly failing: number
  readonly losing: number
  readonly clientRefused: boolean
  readonly accessRefused: boolean
  readonly introspectionDown: boolean
  readonly rotates: boolean
  readonly refreshes: ReadonlyArray<string>
}

const fresh: State = {
  gnt: 1,
  cnt: 0,
  alive: true,
  failing: 0,
  losing: 0,
  clientRefused: false,
  accessRefused: false,
  introspectionDown: false,
  rotates: true,
  refreshes: []
}

const refused = (kind: UpstreamRefused["kind"], error: string, description: string) =>
  new UpstreamRefused({ endpoint: "fake", kind, error, description })
const down = new UpstreamUnavailable({ endpoint: "fake", reason: "down" })

const make = Effect.gen(function*() {
  const state = yield* Ref.make(fresh)
  const gate = yield* Ref.make(Option.none<Deferred.Deferred<void>>())
  const arrived = yield* Deferred.make<void>()
  const set = (change: Partial<State>) => Ref.update(state, (s) => ({ ...s, ...change }))

  const issue = Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const { cnt, gnt, rotates } = yield* Ref.updateAndGet(state, (s) => ({ ...s, cnt: s.rotates || s.cnt === 0 ? s.cnt + 1 : s.cnt }))
    const pair: TokenPair = {
      accessToken: Redacted.make(`a-${gnt}-${cnt}-${Math.floor(now)}`),
      refreshToken: Option.some(Redacted.make(`r-${gnt}-${cnt}`)),
      expiresAt: now + accessLife,
      upstreamGrant: rotates ? Option.some(gnt) : Option.none(),
      counter: rotates ? Option.some(cnt) : Option.none(),
      subject: Option.some(UserId.make("7"))
    }
    return pair
  })

  const process = Effect.fnUntraced(function*(token: string) {
    const s = yield* Ref.updateAndGet(state, (each) => ({ ...each, refreshes: [...each.refreshes, token] }))
    if (s.failing > 0) {
      yield* set({ failing: s.failing - 1 })
      return yield* down
    }
    if (s.clientRefused) return yield* refused("client", "invalid_client", "invalid client secret")
    if (!s.alive || !token.startsWith(`r-${s.gnt}-`)) return yield* refused("grant", "invalid_grant", "grant does not exist")
    if (s.rotates && token !== `r-${s.gnt}-${s.cnt}`) return yield* refused("grant", "unauthorized_client", "token was already used")
    const pair = yield* issue
    if (s.losing > 0) {
      yield* set({ losing: s.losing - 1 })
      return yield* down
    }
    return s.rotates ? pair : { ...pair, refreshToken: Option.none() }
  })

  const upstream = Layer.mock(Upstream, {
    version: Effect.succeed("15.0.3"),
    refresh: Effect.fnUntraced(function*(token) {
      const answer = yield* Effect.exit(process(Redacted.value(token)))
      yield* Deferred.succeed(arrived, undefined)
      const held = yield* Ref.get(gate)
      if (Option.isSome(held)) yield* Deferred.await(held.value)
      return yield* answer
    }),
    userinfo: () =>
      Effect.flatMap(Ref.get(state), (s) =>
        s.alive && !s.accessRefused
          ? Effect.succeed({ userId: UserId.make("7"), userName: "ada" })
          : Effect.fail(refused("token", "invalid_token", ""))),
    introspect: (token) =>
      Effect.flatMap(Ref.get(state), (s) =>
        s.introspectionDown
          ? Effect.fail(down)
          // The counter is ignored here, as Forgejo does.
          : Effect.succeed({ active: s.alive && Redacted.value(token).startsWith(`r-${s.gnt}-`), scope: Option.none() }))
  })

  const side = Layer.succeed(ForgejoSide, {
    signIn: Effect.zipRight(Ref.update(state, (s) => s.alive ? s : { ...s, alive: true, gnt: s.gnt + 1, cnt: 0 }), issue),
    revoke: set({ alive: false }),
    holdAnswers: Effect.gen(function*() {
      const held = yield* Deferred.make<void>()
      yield* Ref.set(gate, Option.some(held))
      return Effect.zipRight(Ref.set(gate, Option.none()), Deferred.succeed(held, undefined))
    }),
    failRefreshes: (failing) => set({ failing }),
    loseAnswers: (losing) => set({ losing }),
    refuseClient: (clientRefused) => set({ clientRefused }),
    refuseAccessTokens: (accessRefused) => set({ accessRefused }),
    introspectionDown: (introspectionDown) => set({ introspectionDown }),
    rotates: (rotates) => set({ rotates }),
    refreshes: Effect.map(Ref.get(state), (s) => s.refreshes),
    refreshArrived: Deferred.await(arrived)
  })
  return Layer.merge(upstream, side)
})

/** `Upstream` as tokens see it, and the knobs. */
export const ForgejoSideLive: Layer.Layer<Upstream | ForgejoSide> = Layer.unwrapEffect(make)
