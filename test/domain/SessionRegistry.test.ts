import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc, HashMap, Option } from "effect"
import { ClientKey, GrantId, SessionKey, UserId } from "../../src/domain/Ids.ts"
import * as Registry from "../../src/domain/SessionRegistry.ts"

const entry = (n: number, user = 1, openedBy: "client" | "broker" = "client") => ({
  key: SessionKey.make(`s${n}`),
  userId: UserId.make(`u${user}`),
  clientKey: ClientKey.make("c"),
  grantId: GrantId.make(`g${user}`),
  openedBy,
  handle: n
})

describe("SessionRegistry", () => {
  it("never holds more than its caps, and its indexes always agree with its entries", () => {
    const caps = { total: 5, perUser: 2 }
    const op = fc.tuple(fc.constantFrom("reserve", "publish", "claim", "retire", "release"), fc.nat(9), fc.nat(3))
    fc.assert(fc.property(fc.array(op, { maxLength: 60 }), (ops) => {
      let registry = Registry.empty<number>()
      for (const [what, n, user] of ops) {
        const key = SessionKey.make(`s${n}`)
        if (what === "reserve") {
          if (Option.isSome(Registry.find(registry, key))) continue
          registry = Either.getOrElse(Registry.reserve(registry, entry(n, user), caps), () => registry)
        } else registry = Registry[what as "publish"](registry, key)
        const entries = [...HashMap.values(registry.entries)]
        assert.isAtMost(entries.length, caps.total)
        for (const id of [0, 1, 2, 3]) {
          const ofUser = entries.filter((one) => one.userId === `u${id}`).map((one) => one.key).sort()
          assert.isAtMost(ofUser.length, caps.perUser)
          assert.deepStrictEqual(Registry.ofUser(registry, UserId.make(`u${id}`)).map((one) => one.key).sort(), ofUser)
          assert.deepStrictEqual(Registry.ofGrant(registry, GrantId.make(`g${id}`)).map((one) => one.key).sort(), ofUser)
        }
      }
    }))
  })

  it("the default is the newest live and unclaimed session, else one that the broker is starting", () => {
    const grant = GrantId.make("g1")
    const caps = { total: 9, perUser: 9 }
    const take = (registry: Registry.Registry<number>, n: number, by: "client" | "broker" = "client") => Either.getOrThrow(Registry.reserve(registry, entry(n, 1, by), caps))
    const defaultKey = (registry: Registry.Registry<number>) => Option.getOrUndefined(Registry.defaultOf(registry, grant))?.key
    let registry = take(take(take(Registry.empty<number>(), 1), 2), 3)
    assert.isUndefined(defaultKey(registry), "a client's own session that is starting is nobody else's")
    registry = Registry.publish(Registry.publish(Registry.publish(registry, entry(1).key), entry(2).key), entry(3).key)
    assert.strictEqual(defaultKey(registry), "s3")
    registry = Registry.claim(registry, entry(3).key)
    assert.strictEqual(defaultKey(registry), "s2")
    registry = Registry.retire(registry, entry(2).key)
    assert.strictEqual(defaultKey(registry), "s1")
    registry = Registry.release(registry, entry(1).key)
    assert.isUndefined(defaultKey(registry))
    assert.strictEqual(defaultKey(take(registry, 4, "broker")), "s4")
  })
})
