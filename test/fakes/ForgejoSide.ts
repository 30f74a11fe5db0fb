import { Clock, Context, Deferred, Effect, Layer, Option, Redacted } from "effect"
import { UserId } from "../../src/domain/Ids.ts"
import { type TokenPair, Upstream, UpstreamRefused, UpstreamUnavailable } from "../../src/services/Upstream.ts"

/** Access tokens of the fake live for an hour. */
export const accessLife = 3_600_000

/** The user of the helpers that name none. */
export const ada = UserId.make("7")

/** What became of a refresh that arrived. `failed`: before it took effect; `lost`: after. */
export interface Refresh {
  readonly userId: UserId
  readonly token: string
  readonly outcome: "renewed" | "refused" | "failed" | "lost"
}

/**
 * Forgejo's side of the users' token pairs: for each a grant with a counter. Refresh tokens are `r-<user>-<gnt>-<cnt>`,
 * access tokens `a-<user>-<gnt>-<cnt>-<when>`. Tests turn the knobs, which are the same for all users.
 */
export class ForgejoSide extends Context.Tag("test/ForgejoSide")<ForgejoSide, {
  /** A completed sign-in: what its code exchange gives. */
  readonly signInOf: (userId: UserId) => Effect.Effect<TokenPair>
  readonly signIn: Effect.Effect<TokenPair>
  /** The user revokes the app: all its tokens are void, and the next sign-in gets another grant. */
  readonly revoke: Effect.Effect<void>
  /** Refreshes take effect, but their answers come only when the returned effect is run. */
  readonly holdAnswers: Effect.Effect<Effect.Effect<void>>
  /** The same for userinfo. */
  readonly holdUserinfo: Effect.Effect<Effect.Effect<void>>
  /** The next `n` refreshes fail before they take effect. */
  readonly failRefreshes: (n: number) => Effect.Effect<void>
  /** The answers to the next `n` refreshes are lost after they took effect. */
  readonly loseAnswers: (n: number) => Effect.Effect<void>
  /** Whether the client id and secret are refused. */
  readonly refuseClient: (refused: boolean) => Effect.Effect<void>
  /** Whether userinfo refuses access tokens that are otherwise good. */
  readonly refuseAccessTokens: (refused: boolean) => Effect.Effect<void>
  readonly userinfoDown: (down: boolean) => Effect.Effect<void>
  readonly introspectionDown: (down: boolean) => Effect.Effect<void>
  /** Without rotation: no claims, and the same refresh token for ever. */
  readonly rotates: (rotates: boolean) => Effect.Effect<void>
  /** Refreshes, in the order of their arrival. */
  readonly log: Effect.Effect<ReadonlyArray<Refresh>>
  /** Their tokens. */
  readonly refreshes: Effect.Effect<ReadonlyArray<string>>
  /** Waits for the first of them. */
  readonly refreshArrived: Effect.Effect<void>
  /** The tokens that userinfo, and introspection, were asked about, in order. */
  readonly userinfos: Effect.Effect<ReadonlyArray<string>>
  readonly introspections: Effect.Effect<ReadonlyArray<string>>
  /** Whether the API takes this access token now. */
  readonly takes: (token: Redacted.Redacted) => Effect.Effect<boolean>
  /** The last pair that was issued to a user, whether it arrived or not. */
  readonly newestOf: (userId: UserId) => Effect.Effect<TokenPair>
}>() {}

interface Account {
  readonly gnt: number
  cnt: number
  alive: boolean
  newest: Option.Option<TokenPair>
}

const refused = (kind: UpstreamRefused["kind"], error: string, description: string) =>
  new UpstreamRefused({ endpoint: "fake", kind, error, description })
const down = new UpstreamUnavailable({ endpoint: "fake", reason: "down" })

/** `r-7-1-2` and `a-7-1-2-0` taken apart. */
const parts = (token: string) => {
  const [, userId = "", gnt, cnt, when] = token.split("-")
  return { userId: UserId.make(userId), gnt: Number(gnt), cnt: Number(cnt), when: Number(when) }
}

/** What holds answers back until it is opened. */
const makeGate = () => {
  let held = Option.none<Deferred.Deferred<void>>()
  return {
    pass: Effect.suspend(() => Option.match(held, { onNone: () => Effect.void, onSome: Deferred.await })),
    hold: Effect.map(Deferred.make<void>(), (gate) => {
      held = Option.some(gate)
      return Effect.suspend(() => {
        held = Option.none()
        return Deferred.succeed(gate, undefined)
      })
    })
  }
}

const make = Effect.gen(function*() {
  const accounts = new Map<UserId, Account>()
  const knobs = {
    failing: 0,
    losing: 0,
    clientRefused: false,
    accessRefused: false,
    userinfoDown: false,
    introspectionDown: false,
    rotates: true
  }
  const set = (change: Partial<typeof knobs>) => Effect.sync(() => void Object.assign(knobs, change))
  const log: Array<Refresh> = []
  const userinfos: Array<string> = []
  const introspections: Array<string> = []
  const arrived = yield* Deferred.make<void>()
  const refreshGate = makeGate()
  const userinfoGate = makeGate()
  let grants = 0

  const issue = (userId: UserId, account: Account) =>
    Effect.map(Clock.currentTimeMillis, (now): TokenPair => {
      const { gnt } = account
      const { rotates } = knobs
      if (rotates || account.cnt === 0) account.cnt++
      const pair: TokenPair = {
        accessToken: Redacted.make(`a-${userId}-${gnt}-${account.cnt}-${Math.floor(now)}`),
        refreshToken: Option.some(Redacted.make(`r-${userId}-${gnt}-${account.cnt}`)),
        expiresAt: now + accessLife,
        upstreamGrant: rotates ? Option.some(gnt) : Option.none(),
        counter: rotates ? Option.some(account.cnt) : Option.none(),
        subject: Option.some(userId)
      }
      account.newest = Option.some(pair)
      return pair
    })

  /** The account that a token belongs to, unless its user has revoked it. */
  const accountOf = (token: string) => {
    const { gnt, userId } = parts(token)
    const account = accounts.get(userId)
    return account?.alive === true && account.gnt === gnt ? account : undefined
  }

  const takes = (token: string) =>
    Effect.map(Clock.currentTimeMillis, (now) => accountOf(token) !== undefined && now < parts(token).when + accessLife)

  const signInOf = (userId: UserId) =>
    Effect.suspend(() => {
      const known = accounts.get(userId)
      const account = known?.alive === true ? known : { gnt: ++grants, cnt: 0, alive: true, newest: Option.none() }
      accounts.set(userId, account)
      return issue(userId, account)
    })

  const refresh = Effect.fnUntraced(function*(token: string) {
    const { cnt, userId } = parts(token)
    const noted = (outcome: Refresh["outcome"]) => void log.push({ userId, token, outcome })
    const no = (...refusal: Parameters<typeof refused>) => Effect.zipRight(Effect.sync(() => noted("refused")), refused(...refusal))
    if (knobs.failing > 0) {
      knobs.failing--
      noted("failed")
      return yield* down
    }
    if (knobs.clientRefused) return yield* no("client", "invalid_client", "invalid client secret")
    const account = accountOf(token)
    if (account === undefined) return yield* no("grant", "invalid_grant", "grant does not exist")
    if (knobs.rotates && cnt !== account.cnt) return yield* no("grant", "unauthorized_client", "token was already used")
    const pair = yield* issue(userId, account)
    if (knobs.losing > 0) {
      knobs.losing--
      noted("lost")
      return yield* down
    }
    noted("renewed")
    return knobs.rotates ? pair : { ...pair, refreshToken: Option.none() }
  })

  const upstream = Layer.mock(Upstream, {
    version: Effect.succeed("15.0.3"),
    refresh: Effect.fnUntraced(function*(token) {
      const answer = yield* Effect.exit(refresh(Redacted.value(token)))
      yield* Deferred.succeed(arrived, undefined)
      yield* refreshGate.pass
      return yield* answer
    }),
    userinfo: Effect.fnUntraced(function*(token: Redacted.Redacted) {
      const text = Redacted.value(token)
      userinfos.push(text)
      yield* userinfoGate.pass
      if (knobs.userinfoDown) return yield* down
      if (knobs.accessRefused || !(yield* takes(text))) return yield* refused("token", "invalid_token", "")
      const { userId } = parts(text)
      return { userId, userName: `user ${userId}` }
    }),
    introspect: (token) =>
      Effect.suspend(() => {
        introspections.push(Redacted.value(token))
        // The counter is ignored here, as Forgejo does.
        const active = accountOf(Redacted.value(token)) !== undefined
        return knobs.introspectionDown ? down : Effect.succeed({ active, scope: Option.none() })
      })
  })

  const side = Layer.succeed(ForgejoSide, {
    signInOf,
    signIn: signInOf(ada),
    revoke: Effect.sync(() => {
      const account = accounts.get(ada)
      if (account !== undefined) account.alive = false
    }),
    holdAnswers: refreshGate.hold,
    holdUserinfo: userinfoGate.hold,
    failRefreshes: (failing) => set({ failing }),
    loseAnswers: (losing) => set({ losing }),
    refuseClient: (clientRefused) => set({ clientRefused }),
    refuseAccessTokens: (accessRefused) => set({ accessRefused }),
    userinfoDown: (userinfoDown) => set({ userinfoDown }),
    introspectionDown: (introspectionDown) => set({ introspectionDown }),
    rotates: (rotates) => set({ rotates }),
    log: Effect.sync(() => [...log]),
    refreshes: Effect.sync(() => log.map(({ token }) => token)),
    refreshArrived: Deferred.await(arrived),
    userinfos: Effect.sync(() => [...userinfos]),
    introspections: Effect.sync(() => [...introspections]),
    takes: (token) => takes(Redacted.value(token)),
    newestOf: (userId) => Effect.flatMap(Effect.sync(() => accounts.get(userId)), (account) => Effect.orDie(account?.newest ?? Option.none()))
  })
  return Layer.merge(upstream, side)
})

/** `Upstream` as tokens see it, and the knobs. */
export const ForgejoSideLive: Layer.Layer<Upstream | ForgejoSide> = Layer.unwrapEffect(make)
