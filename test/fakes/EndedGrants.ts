import { Context, Effect, Layer, PubSub, Ref } from "effect"
import type { GrantId, UserId } from "../../src/domain/Ids.ts"
import { type GrantEnd, Grants } from "../../src/services/Grants.ts"

/** What was asked of the fake. */
export class EndedGrants extends Context.Tag("test/EndedGrants")<EndedGrants, {
  /** Every call of `endOfUser`, in order. */
  readonly ofUsers: Effect.Effect<ReadonlyArray<readonly [UserId, GrantEnd]>>
}>() {}

/** Grants that only note which users' grants were ended; every other method dies with its name. */
export const EndedGrantsLive: Layer.Layer<Grants | EndedGrants> = Layer.unwrapEffect(
  Effect.gen(function*() {
    const calls = yield* Ref.make<ReadonlyArray<readonly [UserId, GrantEnd]>>([])
    const ended = yield* PubSub.unbounded<GrantId>()
    return Layer.merge(
      Layer.mock(Grants, { ended, endOfUser: (userId, reason) => Ref.update(calls, (all) => [...all, [userId, reason] as const]) }),
      Layer.succeed(EndedGrants, { ofUsers: Ref.get(calls) })
    )
  })
)
