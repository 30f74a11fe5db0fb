import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { OAuthClient } from "../../demo/OAuthClient.ts"
import { openSession, refresh, serving, signIn } from "./Serving.ts"
import { wiretap } from "./Wiretap.ts"

describe("what a running daemon shows", () => {
  it.scopedLive("its log is JSON and holds no secret, even at the most talkative level", () =>
    Effect.gen(function*() {
      const tap = yield* wiretap
      const { daemon, forgejo, settings } = yield* serving({ FJMCP_LOG_LEVEL: "trace" })
      tap.note("FORGEJO_CLIENT_SECRET", settings.clientSecret)
      tap.note("sealing key", readFileSync(join(settings.dataDir, "sealing.key"), "utf8").trim())
      const { access_token, clientId, refresh_token } = yield* signIn(settings.mcpUrl)
      const client = yield* openSession(settings.mcpUrl, access_token)
      const refreshed = yield* refresh(settings.url, clientId, refresh_token)
      tap.note("refreshed", refreshed.tokens.access_token)
      yield* Effect.promise(async () => {
        await client.request("tools/call", { name: "get_my_user_info", arguments: {} })
        // Forgejo 16 repeats the token in the body of a 401, and the child copies it to its answer and to stderr.
        forgejo.knobs.unauthorizedStyle = 16
        forgejo.rotateKey()
        await client.request("tools/call", { name: "get_my_user_info", arguments: {} })
        await client.request("tools/call", { name: "crash", arguments: {} })
        // What goes wrong is logged too.
        const server = await new OAuthClient(settings.mcpUrl).discover()
        const form = (values: Record<string, string>) => ({ method: "POST", body: new URLSearchParams(values) })
        const wrongCode = { grant_type: "authorization_code", code: "c-that-nobody-gave", code_verifier: "v".repeat(43) }
        await fetch(server.token_endpoint, form({ ...wrongCode, client_id: clientId }))
        await fetch(server.token_endpoint, form({ grant_type: "refresh_token", client_id: clientId, refresh_token: "r-that-nobody-gave" }))
        await fetch(`${settings.url}/oauth/callback?code=code-that-nobody-gave&state=0123456789abcdef.state-that-nobody-gave`)
        const wrongForm = { flow: "0123456789abcdef", form_token: "form-that-nobody-made", decision: "allow" }
        await fetch(`${settings.url}/oauth/consent`, form(wrongForm))
        await fetch(settings.mcpUrl, { method: "POST", headers: { authorization: "Bearer token-that-nobody-gave" }, body: "{}" })
      })
      for (const { authorization } of forgejo.requests.all) tap.note("at Forgejo", authorization?.split(" ")[1])
      assert.strictEqual((yield* daemon.end()).code, 0)

      const kinds = ["access_token", "at Forgejo", "authorization", "code", "code_verifier", "form_token", "mcp-session-id"]
        .concat(["refresh_token", "set-cookie", "state"])
      assert.deepStrictEqual(kinds.filter((kind) => !tap.kinds.has(kind)), [], "the run held one of each kind")
      assert.deepStrictEqual(tap.foundIn(daemon.stderr.text), [])
      // Whatever the wiretap missed between daemon and Forgejo: tokens there are JWTs, codes and secrets have a prefix.
      assert.notMatch(daemon.stderr.text, /eyJ[\w-]{8,}\.|gt[aop]_[\w-]{8,}/)
      assert.isAbove(daemon.log.length, 10)
      for (const line of daemon.log) {
        assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
        // Below info the runtime has its say too.
        if (!["trace", "debug"].includes(line.level)) assert.match(line.event, /^[a-z_]+(\.[a-z_]+)+$/)
      }
      assert.strictEqual(daemon.stdout.text, "")
    }))

  it.scopedLive("the arguments of its children hold no token, and their environment nothing of the broker's", () =>
    Effect.gen(function*() {
      const { daemon, forgejo, settings } = yield* serving()
      const { access_token } = yield* signIn(settings.mcpUrl)
      yield* openSession(settings.mcpUrl, access_token)
      const children = daemon.children()
      assert.lengthOf(children, 1)
      const environment = readFileSync(`/proc/${children[0]}/environ`, "utf8").split("\0")
      const token = environment.find((line) => line.startsWith("FORGEJO_ACCESS_TOKEN="))?.slice("FORGEJO_ACCESS_TOKEN=".length) ?? ""
      assert.include(forgejo.requests.all.map(({ authorization }) => authorization?.split(" ")[1]), token)
      const words = [daemon.pid, ...children].map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8")).join("\n")
      assert.include(words, "demo-child.js")
      assert.deepStrictEqual([token, access_token, settings.clientSecret].filter((secret) => words.includes(secret)), [])
      const isOurs = (line: string) => line.startsWith("FJMCP_") || line.includes(access_token) || line.includes(settings.clientSecret)
      assert.deepStrictEqual(environment.filter(isOurs), [])
    }))
})
