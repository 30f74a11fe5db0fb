import { Effect, Layer, Redacted, TestClock } from "effect"
import { SealingLive } from "../../src/layers/SealingLive.ts"
import { SqliteMemory } from "../../src/layers/SqliteLive.ts"
import { UpstreamTokensLive } from "../../src/layers/UpstreamTokensLive.ts"
import type { Settings } from "../../src/services/AppConfig.ts"
import { UpstreamTokens } from "../../src/services/UpstreamTokens.ts"
import { EndedGrants, EndedGrantsLive } from "./EndedGrants.ts"
import { accessLife, ada, ForgejoSide, ForgejoSideLive } from "./ForgejoSide.ts"
import { tempDirectory } from "./TempDirectory.ts"
import { TestConfig } from "./TestConfig.ts"

const Sealed = Layer.unwrapScoped(
  Effect.map(tempDirectory, (dataDir) => Layer.provide(SealingLive, TestConfig({ dataDir, sealingKeyFile: `${dataDir}/sealing.key` })))
)

/** All that the users' tokens need, with Forgejo's side in the test's hand. */
export const tokensWorld = (changes: Partial<Settings> = {}) =>
  Layer.mergeAll(ForgejoSideLive, EndedGrantsLive, Layer.provideMerge(Sealed, SqliteMemory), TestConfig(changes))

export const testTokens = (changes: Partial<Settings> = {}) => Layer.provideMerge(UpstreamTokensLive, tokensWorld(changes))

/** Ada signs in, and her pair is stored. */
export const signIn = Effect.gen(function*() {
  const pair = yield* (yield* ForgejoSide).signIn
  yield* (yield* UpstreamTokens).store(ada, pair)
  return pair
})

export const current = Effect.flatMap(UpstreamTokens, (tokens) => tokens.current(ada))
export const text = (access: { readonly token: Redacted.Redacted }) => Redacted.value(access.token)

/** The users whose grants were ended, with the reasons. */
export const ended = Effect.flatMap(EndedGrants, (grants) => grants.ofUsers)

/** The refresh tokens that came to Forgejo. */
export const refreshes = Effect.flatMap(ForgejoSide, (forgejo) => forgejo.refreshes)

export const nearExpiry = TestClock.adjust(accessLife - 60_000)
export const afterExpiry = TestClock.adjust(accessLife)
