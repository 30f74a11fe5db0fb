import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { ben, children, guest, notification, rpc, SharedBroker, sharedBroker, toolCall } from "./TestBroker.ts"
import { response, toolResult } from "./Wire.ts"

layer(sharedBroker(), { excludeTestServices: true })("requests without a session id", (it) => {
  it.scoped("case 7: go to the newest session that initialize opened and whose id nobody has sent back", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      yield* broker.open(client)
      const list = yield* broker.post(client, rpc("l", "tools/list"))
      assert.deepStrictEqual([list.status, response(list).id, list.headers.get("mcp-session-id")], [200, "l", null])
      assert.strictEqual((yield* broker.post(client, notification("notifications/initialized"))).status, 202)
      assert.strictEqual(children().length, 1)
    }))

  it.scoped("without one, five at once start one child, and its id is in the answer to one of them", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const opened = broker.log.all("session.opened").length
      const requests = ["a", "b", "c", "d", "e"]
      const answers = yield* Effect.forEach(requests, (id) => broker.post(client, toolCall(id, "echo", { text: id })), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(
        answers.map((answer) => [answer.status, response(answer).id, toolResult(answer)]),
        requests.map((id) => [200, id, id])
      )
      assert.strictEqual(children().length, 1)
      assert.strictEqual(broker.log.all("session.opened").length, opened + 1)
      const ids = answers.flatMap(({ headers }) => headers.get("mcp-session-id") ?? [])
      assert.strictEqual(ids.length, 1)
      assert.strictEqual((yield* broker.post(client, rpc(1, "ping"), { session: ids[0] ?? "" })).status, 200)
    }))

  it.scoped("a session whose id was sent back is its client's own; other grants have other default sessions", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      const session = yield* broker.open(client)
      yield* broker.post(client, rpc(1, "ping"), { session })
      const first = yield* broker.post(client, rpc(2, "tools/list"))
      assert.match(first.headers.get("mcp-session-id") ?? "", /^[0-9a-f]{48}$/)
      assert.notStrictEqual(first.headers.get("mcp-session-id"), session)
      const other = yield* broker.post(yield* guest(broker, ben), toolCall(3, "get_my_user_info"))
      assert.match(other.headers.get("mcp-session-id") ?? "", /^[0-9a-f]{48}$/)
      assert.strictEqual((toolResult(other) as { login: string }).login, "ben")
      assert.strictEqual(children().length, 3)
    }))

  it.scoped("a notification alone starts nothing, and a default session whose child is gone gets another one", () =>
    Effect.gen(function*() {
      const { broker } = yield* SharedBroker
      const client = yield* guest(broker)
      assert.strictEqual((yield* broker.post(client, notification("notifications/initialized"))).status, 202)
      assert.deepStrictEqual(children(), [])
      const parked = broker.log.all("session.parked").length
      const crashed = yield* broker.post(client, toolCall("c", "crash"))
      assert.strictEqual(response(crashed).error?.code, -32603)
      yield* broker.log.until("session.parked", parked + 1)
      const next = yield* broker.post(client, rpc(1, "tools/list"))
      assert.deepStrictEqual([next.status, children().length, next.headers.get("mcp-session-id")], [200, 1, null])
    }))
})
