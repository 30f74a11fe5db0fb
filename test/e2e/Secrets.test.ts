import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { initialize, rpc, testBroker, toolCall } from "./TestBroker.ts"
import { errorOf } from "./Wire.ts"

describe("secrets", () => {
  it.scopedLive("a Forgejo that repeats the token in its 401 (16 does) gives it to nobody: not to the client, not to the log", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker()
      const client = yield* broker.signIn()
      const session = yield* broker.open(client)
      broker.forgejo.knobs.unauthorizedStyle = 16
      broker.forgejo.rotateKey()
      const refused = yield* broker.post(client, toolCall(1, "get_my_user_info"), { session })
      const token = broker.childTokens().at(-1) ?? ""
      assert.isAbove(token.length, 100)
      assert.notInclude(refused.text, token)
      const { message } = errorOf(refused)
      assert.match(message, /^get_my_user_info err: user does not exist .*access token does not exist \[sha: \[secret removed\]\]/s)
      // The next child is refused at its start, and says so on stderr.
      const next = yield* broker.post(client, initialize())
      assert.strictEqual(next.status, 401)
      assert.notInclude(next.text, token)
      const words = broker.log.all("child.stderr").map(({ line }) => String(line))
      assert.isTrue(words.some((line) => line.includes("[secret removed]")), words.join("\n"))
      assert.deepStrictEqual(broker.leaks(), [])
    }))

  it.scopedLive("nothing that comes in as a query, a header or a body is logged; the access log has paths alone", () =>
    Effect.gen(function*() {
      const broker = yield* testBroker()
      const client = yield* broker.signIn()
      const session = yield* broker.open(client)
      const secret = "s3cr3t-7f2c9d41"
      broker.secrets.add(secret)
      const bearer = { authorization: `Bearer ${secret}` }
      const post = (body: string | URLSearchParams, headers: Readonly<Record<string, string>> = {}) => ({ method: "POST", body, headers })
      const code = { grant_type: "authorization_code", client_id: client.clientId, code: secret, code_verifier: secret }
      const refresh = { grant_type: "refresh_token", refresh_token: secret }
      const answers = [
        yield* broker.get(`/oauth/authorize?client_id=${secret}&state=${secret}&code_challenge=${secret}`),
        yield* broker.get(`/oauth/callback?code=${secret}&state=0123456789abcdef.${secret}`),
        yield* broker.get(`/oauth/callback?error=${secret}&error_description=${secret}`),
        yield* broker.get(`/nowhere?token=${secret}`),
        yield* broker.get(`/mcp?access_token=${secret}`, post("{}", bearer)),
        yield* broker.get("/oauth/token", post(new URLSearchParams(code))),
        yield* broker.get("/oauth/token", post(new URLSearchParams(refresh), { authorization: `Basic ${btoa(`${secret}:${secret}`)}` })),
        yield* broker.form("/oauth/revoke", client, { token: secret }),
        yield* broker.get("/oauth/consent", post(new URLSearchParams({ flow: secret, form_token: secret }), { cookie: `x=${secret}` })),
        yield* broker.get("/oauth/register", post(`{"client_secret":"${secret}"`, { "content-type": "application/json" })),
        yield* broker.post(client, `{"jsonrpc":"2.0","params":"${secret}"`),
        yield* broker.post(client, rpc(1, "tools/list"), { session: secret }),
        yield* broker.post(client, toolCall(2, "echo", { text: secret }), { session }),
        yield* broker.post(client, rpc(3, secret, { secret }), { session })
      ]
      assert.deepStrictEqual(answers.map(({ status }) => status), [400, 400, 400, 404, 401, 400, 401, 200, 403, 400, 400, 410, 200, 200])
      assert.deepStrictEqual(broker.leaks(), [])
      const requests = broker.log.all("http.request")
      for (const entry of requests) {
        assert.hasAllKeys(entry, ["time", "level", "event", "method", "path", "status", "ms"])
        assert.notMatch(String(entry["path"]), /[?#]/)
      }
      const paths = requests.map(({ path }) => path)
      for (const path of ["/mcp", "/oauth/authorize", "/oauth/callback", "/oauth/token", "/nowhere"]) assert.include(paths, path)
    }))
})
