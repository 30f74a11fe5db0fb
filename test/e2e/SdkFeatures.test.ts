import { assert, describe, it } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import type { StreamableHTTPClientTransport, StreamableHTTPClientTransportOptions } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { ClientCapabilities, ElicitRequest, Notification, Progress } from "@modelcontextprotocol/sdk/types.js"
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema, McpError } from "@modelcontextprotocol/sdk/types.js"
import { Effect } from "effect"
import { everything } from "../process/Everything.ts"
import { connect, Provider, signInWith, transportOf } from "./SdkProvider.ts"

/** A client of the SDK with a session, what it was notified of, and a way to wait for that. */
class Connected {
  readonly client: Client
  readonly transport: StreamableHTTPClientTransport
  readonly notified: Array<Notification> = []
  #look = () => {}

  constructor(mcpUrl: string, provider: Provider, capabilities: ClientCapabilities, options: StreamableHTTPClientTransportOptions = {}) {
    this.client = new Client({ name: "sdk", version: "1" }, { capabilities })
    this.client.fallbackNotificationHandler = async (notification) => {
      this.notified.push(notification)
      this.#look()
    }
    this.transport = transportOf(mcpUrl, provider, options)
  }

  /** The text of a tool's result. */
  readonly call = async (name: string, args: Readonly<Record<string, unknown>> = {}): Promise<string> => {
    const { content } = await this.client.callTool({ name, arguments: args })
    return (content as ReadonlyArray<{ readonly text?: string }>).map(({ text }) => text).join("")
  }

  /** Waits for a notification of the method. */
  readonly until = async (method: string): Promise<Notification> => {
    for (;;) {
      const found = this.notified.find((notification) => notification.method === method)
      if (found !== undefined) return found
      await new Promise<void>((resolve) => (this.#look = resolve))
    }
  }
}

/** A moment that something waits for. */
const moment = () => {
  let come = () => {}
  const here = new Promise<void>((resolve) => (come = resolve))
  return { here, come }
}

/** Runs `use` with a client of a user who has signed in. */
const withClient = (
  use: (connected: Connected) => Promise<void>,
  capabilities: ClientCapabilities = {},
  options: StreamableHTTPClientTransportOptions = {}
) =>
  Effect.gen(function*() {
    const { daemon, settings } = yield* everything()
    yield* Effect.promise(async () => {
      const provider = new Provider()
      await signInWith(settings.mcpUrl, provider)
      const connected = new Connected(settings.mcpUrl, provider, capabilities, options)
      await connect(connected.client, connected.transport)
      await use(connected)
      await connected.transport.terminateSession()
      await connected.client.close()
    })
    assert.deepStrictEqual(daemon.children(), [])
  })

/** A `fetch` whose streams can be cut, as a network does that goes away. */
class Network {
  /** What the client has sent as `Last-Event-ID`. */
  readonly resumedFrom: Array<string> = []
  readonly #cuts = new Map<string, AbortController>()

  readonly fetch: typeof fetch = (url, init = {}) => {
    const last = new Headers(init.headers).get("last-event-id")
    if (last !== null) this.resumedFrom.push(last)
    const method = init.method ?? "GET"
    const cut = this.#cuts.get(method) ?? new AbortController()
    this.#cuts.set(method, cut)
    return fetch(url, { ...init, signal: AbortSignal.any([cut.signal, ...(init.signal == null ? [] : [init.signal])]) })
  }

  /** Ends what is under way with the method; what comes later is not concerned. */
  cut(method: "GET" | "POST"): void {
    this.#cuts.get(method)?.abort()
    this.#cuts.delete(method)
  }
}

describe("the client of the MCP SDK, with everything that a server of 2025 can do", () => {
  it.scopedLive("tools, prompts, resources, templates, completion and ping", () =>
    withClient(async ({ call, client }) => {
      assert.strictEqual(client.getServerVersion()?.name, "everything-stdio")
      assert.strictEqual(client.getInstructions(), "Fixture for conformance runs.")
      assert.deepStrictEqual(await client.ping(), {})

      const { tools } = await client.listTools()
      const schema = tools.find(({ name }) => name === "json_schema_2020_12_tool")?.inputSchema
      assert.strictEqual(schema?.["additionalProperties"], false)
      assert.deepStrictEqual(Object.keys(schema?.["$defs"] ?? {}), ["address"])
      assert.strictEqual((await client.callTool({ name: "test_error_handling" })).isError, true)
      assert.strictEqual(await call("test_simple_text"), "This is a simple text response for testing.")

      const { prompts } = await client.listPrompts()
      assert.include(prompts.map(({ name }) => name), "test_prompt_with_arguments")
      const { messages } = await client.getPrompt({ name: "test_prompt_with_arguments", arguments: { arg1: "ä", arg2: "b" } })
      assert.deepInclude(messages[0]?.content, { text: "Prompt with arguments: arg1='ä', arg2='b'" })
      const ref = { type: "ref/prompt" as const, name: "test_prompt_with_arguments" }
      const { completion } = await client.complete({ ref, argument: { name: "arg1", value: "par" } })
      assert.deepStrictEqual(completion.values, ["paris", "park", "party"])

      const { resources } = await client.listResources()
      assert.include(resources.map(({ uri }) => uri), "test://static-binary")
      const { resourceTemplates } = await client.listResourceTemplates()
      assert.deepStrictEqual(resourceTemplates.map(({ uriTemplate }) => uriTemplate), ["test://template/{id}/data"])
      const { contents } = await client.readResource({ uri: "test://template/7/data" })
      assert.deepInclude(contents[0], { uri: "test://template/7/data", text: "{\"id\":\"7\",\"templateTest\":true,\"data\":\"Data for ID: 7\"}" })
      const refused = await client.readResource({ uri: "test://nothing" }).catch((cause: McpError) => cause)
      assert.deepInclude(refused, { code: -32002, data: { uri: "test://nothing" } })
    }))

  it.scopedLive("progress in its order, log messages from the level on that was set", () =>
    withClient(async ({ call, client, notified }) => {
      const seen: Array<Progress> = []
      await client.callTool({ name: "test_tool_with_progress" }, undefined, { onprogress: (progress) => seen.push(progress) })
      assert.deepStrictEqual(seen, [0, 50, 100].map((progress) => ({ progress, total: 100 })))

      const messages = () => notified.filter(({ method }) => method === "notifications/message").map(({ params }) => params?.["data"])
      await client.setLoggingLevel("error")
      await call("test_tool_with_logging")
      assert.deepStrictEqual(messages(), [])
      await client.setLoggingLevel("debug")
      await call("test_tool_with_logging")
      assert.deepStrictEqual(messages(), ["Tool execution started", "Tool processing data", "Tool execution completed"])
    }))

  it.scopedLive("changed lists, and resources while they are subscribed to", () =>
    withClient(async ({ call, client, notified, until }) => {
      await call("test_trigger_tool_change")
      await until("notifications/tools/list_changed")
      await call("test_trigger_prompt_change")
      await until("notifications/prompts/list_changed")
      await call("change_resource_list")
      await until("notifications/resources/list_changed")

      const uri = "test://watched-resource"
      assert.strictEqual(await call("change_resource", { uri }), "nobody has subscribed")
      await client.subscribeResource({ uri })
      assert.strictEqual(await call("change_resource", { uri }), "announced")
      assert.deepStrictEqual((await until("notifications/resources/updated")).params, { uri })
      await client.unsubscribeResource({ uri })
      assert.strictEqual(await call("change_resource", { uri }), "nobody has subscribed")
      // Each of them once.
      assert.lengthOf(notified, 4)
    }))

  it.scopedLive("questions of the server: roots, sampling, elicitation by form and by URL, ping; what the client refuses is refused", () =>
    withClient(
      async ({ call, client, until }) => {
        const asked: Array<ElicitRequest["params"]> = []
        client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: "file:///work", name: "Work" }] }))
        client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => {
          const [message] = params.messages
          if (JSON.stringify(message).includes("secret")) throw new McpError(-1, "The user rejected it")
          return { role: "assistant", model: "stand-in", content: { type: "text", text: `Heard: ${JSON.stringify(message?.content)}` } }
        })
        client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
          asked.push(params)
          return params.mode === "url" ? { action: "accept" } : { action: "accept", content: { name: "Ada" } }
        })
        assert.strictEqual(await call("test_input_required_result_list_roots"), "[{\"uri\":\"file:///work\",\"name\":\"Work\"}]")
        assert.strictEqual(await call("test_sampling", { prompt: "Ciao" }), "LLM response: Heard: {\"type\":\"text\",\"text\":\"Ciao\"}")
        const refused = await call("test_sampling", { prompt: "secret" }).catch((cause: McpError) => cause.message)
        assert.include(refused, "The user rejected it")
        assert.strictEqual(await call("test_input_required_result_elicitation"), "Hello, Ada!")
        assert.include(await call("elicit_at_url"), "action=accept")
        assert.deepInclude(asked[1], { mode: "url", url: "https://example.com/sign-in", elicitationId: "elicitation-1" })
        assert.deepStrictEqual((await until("notifications/elicitation/complete")).params, { elicitationId: "elicitation-1" })
        assert.strictEqual(await call("ping_client"), "the client answered")
        // Three questions at once, of three kinds.
        assert.include(await call("test_input_required_result_multiple_inputs"), "Ada (1 roots)")
      },
      { roots: {}, sampling: {}, elicitation: { form: {}, url: {} } }
    ))

  it.scopedLive("a call that the client gives up is cancelled in the server, and no other", () =>
    withClient(async ({ call, client }) => {
      const controller = new AbortController()
      const [gone, kept] = [moment(), moment()]
      const cancelled = client.callTool({ name: "hold" }, undefined, { signal: controller.signal, onprogress: gone.come })
        .then(() => "answered", () => "cancelled")
      const held = client.callTool({ name: "hold" }, undefined, { onprogress: kept.come })
      await Promise.all([gone.here, kept.here])
      controller.abort("no longer wanted")
      assert.strictEqual(await cancelled, "cancelled")
      // The client does not wait for its notification to arrive.
      while (await call("cancelled_calls") === "0");
      assert.strictEqual(await call("let_go"), "1")
      assert.deepStrictEqual((await held).content, [{ type: "text", text: "let go" }])
      assert.strictEqual(await call("cancelled_calls"), "1")
    }))

  it.scopedLive("a call goes on when the network has cut its stream: the client resumes it with Last-Event-ID", () => {
    const network = new Network()
    return withClient(
      async ({ call, client }) => {
        const begun = moment()
        const held = client.callTool({ name: "hold" }, undefined, { onprogress: begun.come })
        await begun.here
        network.cut("POST")
        assert.strictEqual(await call("let_go"), "1")
        assert.deepStrictEqual((await held).content, [{ type: "text", text: "let go" }])
        assert.lengthOf(network.resumedFrom, 1)
        assert.strictEqual(await call("cancelled_calls"), "0")
      },
      {},
      { fetch: network.fetch }
    )
  })

  it.scopedLive("what belongs to no call arrives once, also when the network has cut the GET stream", () => {
    const network = new Network()
    return withClient(
      async ({ call, notified, until }) => {
        await call("change_resource_list")
        await until("notifications/resources/list_changed")
        network.cut("GET")
        await call("test_trigger_tool_change")
        await until("notifications/tools/list_changed")
        assert.lengthOf(network.resumedFrom, 1)
        await call("test_trigger_prompt_change")
        await until("notifications/prompts/list_changed")
        assert.lengthOf(notified, 3)
      },
      {},
      { fetch: network.fetch }
    )
  })
})
