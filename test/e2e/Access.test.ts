import { assert, layer } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { ada, ben, children, guest, initialize, rpc, SharedBroker, sharedBroker, type TestBroker, toolCall } from "./TestBroker.ts"
import { openStream, response } from "./Wire.ts"

const invalidToken = /^Bearer error="invalid_token"/

/** Waits until `count` sessions more have ended, and gives the reasons. */
const ends = (broker: TestBroker, count: number) => {
  const before = broker.log.all("session.ended").length
  return Effect.map(Effect.suspend(() => broker.log.until("session.ended", before + count)), () =>
    broker.log.all("session.ended").slice(before).map(({ reason }) => reason))
}

layer(sharedBroker({ refreshGrace: Duration.zero }), { excludeTestServices: true })("the end of access", (it) => {
  it.scoped("revoking a refresh token ends the grant: its sessions, their calls and children, and nobody else's", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const [session, idle] = [yield* broker.open(client), yield* broker.open(client)]
      const other = yield* guest(broker, ben)
      const his = yield* broker.open(other)
      const call = toolCall("s", "progress", { steps: 6, ms: 100 }, "t")
      const stream = yield* openStream(broker.mcpUrl, broker.init(client, call, { session }))
      const ended = ends(broker, 2)
      const revoked = yield* broker.form("/oauth/revoke", client, { token: client.refreshToken })
      assert.strictEqual(revoked.status, 200)
      const last = /"id":"s","error":\{"code":-32603,"message":"The sign-in with which this was called is over\."\}\}\n\n$/
      assert.match(yield* stream.rest, last)
      assert.deepStrictEqual(yield* ended, ["grant_ended", "grant_ended"])
      assert.strictEqual(children().length, 1)
      for (const id of [session, idle]) {
        const after = yield* broker.post(client, rpc(1, "tools/list"), { session: id })
        assert.strictEqual(after.status, 401)
        assert.match(after.headers.get("www-authenticate") ?? "", invalidToken)
      }
      assert.strictEqual((yield* broker.refresh(client)).status, 400)
      assert.strictEqual((yield* broker.post(other, rpc(1, "ping"), { session: his })).status, 200)
    }))

  it.scoped("revoking an access token ends that token only; a refreshed one goes on with the session", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      const refreshed = yield* broker.refresh(client)
      assert.strictEqual(refreshed.status, 200)
      assert.strictEqual((yield* broker.form("/oauth/revoke", client, { token: client.token })).status, 200)
      assert.strictEqual((yield* broker.post(client, rpc(1, "ping"), { session })).status, 401)
      assert.strictEqual((yield* broker.post(refreshed.client, rpc(1, "tools/list"), { session })).status, 200)
      assert.strictEqual(children().length, 1)
    }))

  it.scoped("case 30: a spent refresh token after its grace ends the grant, and its session with it", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      yield* broker.open(client)
      const ended = ends(broker, 1)
      const refreshed = yield* broker.refresh(client)
      assert.strictEqual(refreshed.status, 200)
      assert.strictEqual((yield* broker.refresh(client)).status, 400)
      assert.deepStrictEqual(yield* ended, ["grant_ended"])
      assert.deepStrictEqual(children(), [])
      assert.strictEqual((yield* broker.post(refreshed.client, initialize())).status, 401)
    }))

  it.scoped("a grant that was revoked at Forgejo: the first call that Forgejo refuses ends it, with all that still ran", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const [session, other] = [yield* broker.open(client), yield* broker.open(client)]
      broker.forgejo.revokeGrant(ada.login, broker.forgejoApp)
      const ended = ends(broker, 2)
      const refused = yield* broker.post(client, toolCall("r", "get_my_user_info"), { session })
      assert.deepStrictEqual([refused.status, response(refused).error?.code], [200, -32603])
      assert.deepStrictEqual(yield* ended, ["grant_ended", "grant_ended"])
      assert.deepStrictEqual(children(), [])
      assert.strictEqual((yield* broker.post(client, rpc(1, "ping"), { session: other })).status, 401)
    }))

  it.scoped("case 32: a grant that was revoked at Forgejo: the next start is 401, and what still ran ends", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const second = yield* guest(broker)
      yield* broker.open(client)
      broker.forgejo.revokeGrant(ada.login, broker.forgejoApp)
      const ended = ends(broker, 2)
      const refused = yield* broker.post(second, initialize("2025-11-25", "again"))
      assert.deepStrictEqual([refused.status, response(refused).id], [401, "again"])
      assert.match(refused.headers.get("www-authenticate") ?? "", invalidToken)
      assert.strictEqual(response(refused).error?.message, "Your sign-in is over: it was revoked, here or at Forgejo. Sign in again.")
      assert.include(yield* ended, "grant_ended")
      assert.deepStrictEqual(children(), [])
      for (const each of [client, second]) {
        assert.strictEqual((yield* broker.post(each, rpc(1, "ping"))).status, 401)
        assert.strictEqual((yield* broker.refresh(each)).status, 400)
      }
      const anew = yield* guest(broker)
      assert.strictEqual((yield* broker.post(anew, initialize())).status, 200)
    }))
})
