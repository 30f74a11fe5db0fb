import { Context, Effect, HashSet, Layer, PubSub, Ref } from "effect"
import { ClientKey, GrantId, UserId } from "../../src/domain/Ids.ts"
import type { Grant } from "../../src/services/Grants.ts"
import { Grants } from "../../src/services/Grants.ts"

/** A grant of user `user` for client `client`; the number tells several of one pair apart. */
export const fakeGrant = (user: string, client = "client", n = 1): Grant => ({
  id: GrantId.make(`grant-${user}-${client}-${n}`),
  userId: UserId.make(user),
  userName: `name-${user}`,
  clientKey: ClientKey.make(client),
  scope: "mcp"
})

/** The test's hand on the grants: ends one, as a revocation does. */
export class FakeGrants extends Context.Tag("test/FakeGrants")<FakeGrants, { readonly revoke: (grant: Grant) => Effect.Effect<void> }>() {}

/** Only what sessions use of `Grants`; anything else dies with its name. */
export const FakeGrantsLive = Layer.unwrapEffect(Effect.gen(function*() {
  const ended = yield* PubSub.unbounded<GrantId>()
  const over = yield* Ref.make(HashSet.empty<GrantId>())
  return Layer.merge(
    Layer.mock(Grants, { ended, isLive: (id) => Effect.map(Ref.get(over), (set) => !HashSet.has(set, id)) }),
    Layer.succeed(FakeGrants, {
      revoke: ({ id }) => Effect.zipRight(Ref.update(over, HashSet.add(id)), Effect.asVoid(PubSub.publish(ended, id)))
    })
  )
}))
