import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { bundleChild, StandInChild } from "./ChildProcess.ts"
import { world as makeWorld } from "./Visitor.ts"

let bundle: Awaited<ReturnType<typeof bundleChild>>
beforeAll(async () => {
  bundle = await bundleChild()
})
afterAll(() => bundle.remove())

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const start = (url: string, token: string, ...args: ReadonlyArray<string>): StandInChild => {
  const env = { FORGEJO_URL: url, FORGEJO_ACCESS_TOKEN: token, FORGEJO_USER_AGENT: "test/1" }
  const child = new StandInChild(bundle.file, args, env)
  cleanups.push(() => {
    child.process.kill("SIGKILL")
    return child.exit
  })
  return child
}

const world = async (...options: Parameters<typeof makeWorld>) => {
  const made = await makeWorld(...options)
  cleanups.push(made.forgejo.stop)
  return made
}

const ready = async (...args: ReadonlyArray<string>) => {
  const made = await world()
  const { access_token: token } = await made.login()
  return { ...made, token, child: start(made.forgejo.url, token, ...args) }
}

describe("the stand-in child's start", () => {
  it("prints its version without settings", async () => {
    const child = new StandInChild(bundle.file, ["--version"], {})
    assert.deepStrictEqual(await child.exit, { code: 0, signal: null })
    assert.deepStrictEqual(child.messages.map(({ method }) => method), ["forgejo-mcp 2.34.1"])
  })

  it("asks for the version twice, with token and user agent, before it reads anything", async () => {
    const { child, forgejo, token } = await ready()
    await child.initialize()
    const probes = forgejo.requests.all.filter(({ path }) => path === "/api/v1/version")
    assert.deepStrictEqual(probes.map(({ authorization, userAgent }) => [authorization, userAgent]), [
      [`token ${token}`, "test/1"],
      [`token ${token}`, "test/1"]
    ])
  })

  it("ends with exit code 1, a coloured line and nothing on stdout when the token is refused", async () => {
    const { forgejo } = await world()
    const child = start(forgejo.url, "a.b.c")
    child.send("initialize", {})
    assert.deepStrictEqual(await child.exit, { code: 1, signal: null })
    assert.include(child.stderr, "\x1b[31mFATAL\x1b[0m")
    assert.include(child.stderr, "connection test failed")
    assert.lengthOf(child.messages, 0)
  })

  it("ends with exit code 1 for a server that is down, too old or not Forgejo, and for a URL that is none", async () => {
    const { forgejo } = await world()
    for (const version of ["1.10.9", "development"]) {
      forgejo.knobs.version = version
      assert.strictEqual((await start(forgejo.url, "").exit).code, 1)
    }
    forgejo.faults.add({ path: /./, action: { kind: "answer", status: 502, body: "<html>", contentType: "text/html" } })
    assert.strictEqual((await start(forgejo.url, "").exit).code, 1)
    await forgejo.stop()
    assert.strictEqual((await start(forgejo.url, "").exit).code, 1)
    assert.strictEqual((await start("ftp://x", "").exit).code, 1)
  })

  it("hangs when Forgejo hangs, and then dies of SIGTERM at once", async () => {
    const { forgejo } = await world()
    forgejo.faults.add({ path: "/api/v1/version", action: { kind: "hang" } })
    const child = start(forgejo.url, "")
    child.send("initialize", {})
    while (forgejo.requests.count("/api/v1/version") === 0) await new Promise(setImmediate)
    assert.lengthOf(child.messages, 0)
    child.process.kill("SIGTERM")
    assert.deepStrictEqual(await child.exit, { code: null, signal: "SIGTERM" })
  })
})

describe("the stand-in child's protocol", () => {
  it("echoes known versions, gives 2025-03-26 for an empty one and 2025-11-25 for others", async () => {
    const { child } = await ready()
    const versions = { "2024-11-05": "2024-11-05", "": "2025-03-26", "2026-07-28": "2025-11-25", "2024-10-07": "2025-11-25" }
    for (const [asked, given] of Object.entries(versions)) {
      const { result } = await child.initialize(asked)
      assert.strictEqual(result?.["protocolVersion"], given)
      assert.deepStrictEqual(result?.["capabilities"], { tools: { listChanged: true }, logging: {}, resources: {} })
      assert.deepStrictEqual(result?.["serverInfo"], { name: "Forgejo MCP Server", version: "2.34.1" })
    }
  })

  it("lists 141 tools, sorted, on one line of more than 64 KiB", async () => {
    const { child } = await ready()
    const tools = (await child.request("tools/list")).result?.["tools"] as ReadonlyArray<{ readonly name: string }>
    const names = tools.map(({ name }) => name)
    assert.strictEqual(new Set(names).size, 141)
    assert.deepStrictEqual(names, [...names].sort())
    assert.lengthOf(names.filter((name) => /^(list|get|search|download|check)_/.test(name)), 67)
    assert.isAbove(child.lineSizes[0] ?? 0, 64 * 1024)
    assert.notInclude(names, "crash")
  })

  it("answers ping, logging/setLevel, the resource lists and unknown methods", async () => {
    const { child } = await ready()
    assert.deepStrictEqual((await child.request("ping")).result, {})
    assert.deepStrictEqual((await child.request("logging/setLevel", { level: "debug" })).result, {})
    assert.deepStrictEqual((await child.request("resources/list")).result, { resources: [] })
    assert.lengthOf((await child.request("resources/templates/list")).result?.["resourceTemplates"] as ReadonlyArray<unknown>, 17)
    const { result } = await child.request("resources/read", { uri: "forgejo://repo/alice/notes" })
    assert.include(JSON.stringify(result), "alice/notes")
    assert.strictEqual((await child.request("prompts/list")).error?.code, -32601)
  })

  it("answers a line that is no JSON with -32700 and goes on", async () => {
    const { child } = await ready()
    child.write("{nonsense")
    assert.strictEqual((await child.answer(null)).error?.code, -32700)
    assert.deepStrictEqual((await child.request("ping")).result, {})
  })

  it("reads a line of a megabyte", async () => {
    const { child } = await ready("--extras")
    const text = "ü".repeat(512 * 1024)
    // Not strictEqual: its report would show both.
    assert.isTrue(await child.tool("echo", { text }) === text)
  })
})

describe("the stand-in child's tools", () => {
  it("act on Forgejo as the user of the token", async () => {
    const { child, forgejo } = await ready()
    assert.deepInclude(await child.tool("get_my_user_info"), { login: "alice" })
    const [repo] = await child.tool("list_my_repos", { page: 1, limit: 10 }) as ReadonlyArray<object>
    assert.deepInclude(repo, { full_name: "alice/notes" })
    assert.deepInclude(await child.tool("create_issue", { owner: "alice", repo: "notes", title: "Hello", body: "World" }), { number: 1 })
    assert.deepInclude(await child.tool("get_issue_by_index", { owner: "alice", repo: "notes", index: 1 }), { body: "World" })
    assert.lengthOf(await child.tool("list_repo_issues", { owner: "alice", repo: "notes" }) as ReadonlyArray<unknown>, 1)
    assert.include(forgejo.requests.all.at(-1)?.query, "type=")
    await child.tool("issue_state_change", { owner: "alice", repo: "notes", index: 1, state: "closed" })
    assert.strictEqual(forgejo.issues("alice", "notes")[0]?.state, "closed")
    assert.deepInclude(await child.tool("create_issue_comment", { owner: "alice", repo: "notes", index: 1, body: "Hm" }), { body: "Hm" })
    const before = forgejo.requests.all.length
    assert.deepStrictEqual(await child.tool("get_forgejo_mcp_server_version"), { version: "2.34.1" })
    assert.lengthOf(forgejo.requests.all, before)
  })

  it("fail with -32603 and Forgejo's words, also where the stand-in has no such endpoint; an unknown tool with -32602", async () => {
    const { child } = await ready()
    const failure = async (name: string, args: Record<string, unknown>) => (await child.answer(child.startTool(name, args))).error
    const empty = await failure("create_issue", { owner: "alice", repo: "notes", title: "", body: "" })
    assert.deepStrictEqual(empty, { code: -32603, message: "create_issue err: [Title]: Required" })
    assert.strictEqual((await failure("get_issue_by_index", { owner: "alice" }))?.message, "get_issue_by_index err: repo is required")
    const missing = await failure("list_branches", { owner: "alice", repo: "notes" })
    assert.deepStrictEqual(missing, { code: -32603, message: "list_branches err: The target couldn't be found." })
    assert.strictEqual((await failure("make_coffee", {}))?.code, -32602)
    assert.include(child.stderr, "\x1b[31mERROR\x1b[0m")
  })

  it("give the token away, in answer and log, when Forgejo echoes it", async () => {
    const { app, child, forgejo, token } = await ready()
    await child.initialize()
    forgejo.knobs.unauthorizedStyle = 16
    forgejo.revokeGrant("alice", app.clientId)
    const { error } = await child.answer(child.startTool("get_my_user_info"))
    assert.include(error?.message, token)
    await child.until(() => child.stderr.includes(token) || undefined)
  })

  it("give the token away to the server of an external release asset", async () => {
    const { child, forgejo, token } = await ready()
    const seen: Array<string | undefined> = []
    const recorder = createServer((request, response) => {
      seen.push(request.headers.authorization)
      response.end("file")
    })
    await new Promise<void>((resolve) => recorder.listen(0, "127.0.0.1", resolve))
    cleanups.push(() => recorder.close())
    const url = `http://127.0.0.1:${(recorder.address() as AddressInfo).port}/file.bin`
    const { assetId, releaseId } = forgejo.addExternalAsset("alice", "notes", { name: "file.bin", url })
    const args = { owner: "alice", repo: "notes", release_id: releaseId, attachment_id: assetId }
    assert.deepInclude(await child.tool("download_release_attachment", args), { name: "file.bin", size: 4 })
    assert.deepStrictEqual(seen, [`token ${token}`])
  })

  it("answer out of order, five at a time", async () => {
    const { child, forgejo } = await ready()
    await child.initialize()
    forgejo.faults.add({ path: "/api/v1/user", times: 5, action: { kind: "hang" } })
    for (let call = 0; call < 4; call++) child.startTool("get_my_user_info")
    const quick = child.startTool("get_forgejo_mcp_server_version")
    assert.isDefined((await child.answer(quick)).result)
    child.startTool("get_my_user_info")
    const waiting = child.startTool("get_forgejo_mcp_server_version")
    // The answer of a call comes a little after that of a ping which was sent later, so one round trip proves nothing.
    for (let round = 0; round < 3; round++) await child.request("ping")
    assert.isUndefined(child.messages.find(({ id }) => id === waiting))
  })
})

describe("the stand-in child's extra tools", () => {
  it("report progress, log, ask the client, and tell about token and environment", async () => {
    const { child, token } = await ready("--extras")
    await child.initialize()
    await child.answer(child.startTool("progress", { steps: 3 }, { progressToken: "p" }))
    const steps = child.messages.filter(({ method }) => method === "notifications/progress").map(({ params }) => params?.["progress"])
    assert.deepStrictEqual(steps, [1, 2, 3])
    await child.tool("log", { text: "hi" })
    assert.deepInclude(child.messages.find(({ method }) => method === "notifications/message")?.params, { data: "hi" })
    const asking = child.startTool("ask", { text: "who?" })
    const question = await child.until(() => child.messages.find(({ method }) => method === "sampling/createMessage"))
    child.write(JSON.stringify({ jsonrpc: "2.0", id: question.id, error: { code: -32601, message: "no" } }))
    assert.include(JSON.stringify((await child.answer(asking)).result), "-32601")
    assert.strictEqual(await child.tool("token_fingerprint"), createHash("sha256").update(token).digest("hex").slice(0, 16))
    assert.includeMembers(await child.tool("env") as Array<string>, ["FORGEJO_ACCESS_TOKEN", "FORGEJO_URL", "FORGEJO_USER_AGENT"])
  })

  it("crash with exit code 2 and without an answer", async () => {
    const { child } = await ready("--extras")
    child.startTool("crash")
    assert.deepStrictEqual(await child.exit, { code: 2, signal: null })
    assert.lengthOf(child.messages, 0)
  })
})

describe("the stand-in child's end", () => {
  it("comes with exit code 0 at the end of its input, after the calls in flight, without the last half line", async () => {
    const { child } = await ready("--extras")
    const slow = child.startTool("slow", { ms: 20 })
    const slower = child.startTool("slow", { ms: 400 })
    child.process.stdin.end("{\"jsonrpc\":\"2.0\",\"id\":99,\"method\":\"ping\"}")
    assert.deepStrictEqual(await child.exit, { code: 0, signal: null })
    assert.deepStrictEqual(child.messages.map(({ id }) => id), [slow, slower])
  })

  it("does not come at the end of the input while a call hangs", async () => {
    const { child } = await ready("--extras")
    child.startTool("never")
    child.process.stdin.end()
    const first = await Promise.race([child.exit.then(() => "exit"), new Promise((resolve) => setTimeout(() => resolve("alive"), 800))])
    assert.strictEqual(first, "alive")
  })

  it("waits for calls in flight after SIGTERM and ignores a second one", async () => {
    const { child } = await ready("--extras")
    const never = child.startTool("never")
    const slow = child.startTool("slow", { ms: 300 })
    await child.request("ping")
    child.process.kill("SIGTERM")
    await child.until(() => child.stderr.includes("shutting down") || undefined)
    child.process.kill("SIGTERM")
    assert.isDefined((await child.answer(slow)).result)
    assert.isNull(child.process.exitCode)
    assert.isUndefined(child.messages.find(({ id }) => id === never))
  })

  it("comes with exit code 0 after SIGTERM when nothing is in flight", async () => {
    const { child } = await ready()
    await child.request("ping")
    child.process.kill("SIGTERM")
    assert.deepStrictEqual(await child.exit, { code: 0, signal: null })
  })
})
