import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import { brokerOn, children, forgejoWith, type SignedIn, type TestBroker, toolCall } from "./TestBroker.ts"
import { openStream, response, toolResult } from "./Wire.ts"

/** Access tokens of six seconds: replaced after four and a half. */
const rotating = Effect.gen(function*() {
  const forgejo = yield* forgejoWith({ knobs: { accessSeconds: 6 } })
  return yield* brokerOn(forgejo, yield* tempDirectory)
})
const fingerprint = (broker: TestBroker, client: SignedIn, session: string) =>
  Effect.map(broker.post(client, toolCall("f", "token_fingerprint"), { session }), (answer) => String(toolResult(answer)))
const refreshes = (broker: TestBroker) => broker.forgejo.requests.all.filter(({ path }) => path === "/login/oauth/access_token").length - 1

describe("while Forgejo's tokens end", () => {
  it.scopedLive("sessions in use go on with other children, a slow call is answered by the old one, and the user is refreshed once each time", () =>
    Effect.gen(function*() {
      const broker = yield* rotating
      const client = yield* broker.signIn()
      const sessions = [yield* broker.open(client), yield* broker.open(client)]
      const before = yield* Effect.forEach(sessions, (session) => fingerprint(broker, client, session))
      assert.strictEqual(new Set(before).size, 1)
      const stream = yield* openStream(broker.mcpUrl, broker.init(client, toolCall("slow", "progress", { steps: 8, ms: 1000 }, "t"), { session: sessions[0] ?? "" }))
      yield* broker.log.until("session.rotated", 2)
      const after = yield* Effect.forEach(sessions, (session) => fingerprint(broker, client, session))
      assert.strictEqual(new Set([...before, ...after]).size, 2)
      assert.strictEqual(refreshes(broker), 1)
      const last = (yield* stream.rest).split("\n").findLast((line) => line.startsWith("data: "))?.slice(6) ?? "{}"
      const { id, result } = JSON.parse(last) as { readonly id?: unknown; readonly result?: unknown }
      assert.strictEqual(id, "slow")
      assert.include(JSON.stringify(result), "done")
      assert.deepStrictEqual(broker.log.all("session.ended"), [])
      // The old children go once they have nothing left to do.
      yield* broker.log.until("session.rotated", 4)
      assert.isAtMost(children().length, 4)
      assert.strictEqual(response(yield* broker.post(client, toolCall(1, "get_my_user_info"), { session: sessions[1] ?? "" })).error, undefined)
    }))
})
