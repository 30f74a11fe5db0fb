import { assert, describe, it } from "@effect/vitest"
import type { ClientCapabilities, ClientOptions, OAuthDiscoveryState, Progress, VersionNegotiationMode } from "@modelcontextprotocol/client"
import { Client, ProtocolError, StreamableHTTPClientTransport } from "@modelcontextprotocol/client"
import { Effect } from "effect"
import { everything } from "../process/Everything.ts"
import { allowing } from "../process/Person.ts"
import { ada } from "../process/Serving.ts"
import { Provider, redirectUri } from "./SdkProvider.ts"

const modern = "2026-07-28"
const onlyModern: VersionNegotiationMode = { pin: modern }

/** It also keeps which authorization server it asked, so that no other one can answer. */
class BindingProvider extends Provider {
  discovered: OAuthDiscoveryState | undefined

  saveDiscoveryState = (state: OAuthDiscoveryState) => {
    this.discovered = state
  }
  discoveryState = () => this.discovered
}

/** First contact: refused whatever the era, asked in the browser, code redeemed; then connected. */
const connected = async (mcpUrl: string, mode: VersionNegotiationMode, options: ClientOptions = {}) => {
  const provider = new BindingProvider()
  const transport = () => new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider: provider })
  const client = () => new Client({ name: "sdk", version: "2" }, { ...options, versionNegotiation: { mode } })
  const first = transport()
  const refusal = await client().connect(first).then(() => "connected", (cause: Error) => cause.constructor.name)
  assert.strictEqual(refusal, "UnauthorizedError")
  const { searchParams } = await allowing(provider.asked.at(-1)?.href ?? "", redirectUri, ada)
  // It compares `iss` with the issuer that it has discovered.
  await first.finishAuth(searchParams)
  const second = client()
  await second.connect(transport())
  return second
}

const call = async (client: Client, name: string, args: Readonly<Record<string, unknown>> = {}): Promise<string> => {
  const { content } = await client.callTool({ name, arguments: args })
  return content.map((part) => part.type === "text" ? part.text : "").join("")
}

const everyCapability: ClientCapabilities = { elicitation: { form: {} }, sampling: {}, roots: {} }

/** Answers what the server asks for, in whatever era it does. */
const answering = (client: Client): void => {
  client.setRequestHandler("elicitation/create", ({ params }) => {
    const [field = ""] = Object.keys("requestedSchema" in params ? params.requestedSchema.properties : {})
    return { action: "accept", content: { [field]: field === "ok" ? true : `my ${field}` } }
  })
  client.setRequestHandler("sampling/createMessage", () => ({ role: "assistant", model: "stand-in", content: { type: "text", text: "Ciao" } }))
  client.setRequestHandler("roots/list", () => ({ roots: [{ uri: "file:///work" }] }))
}

const modes: ReadonlyArray<readonly [title: string, mode: VersionNegotiationMode, era: string]> = [
  ["in legacy mode", "legacy", "legacy"],
  ["in auto mode, which finds the newest era", "auto", "modern"],
  ["in modern-only mode", onlyModern, "modern"]
]

describe("the client of the MCP SDK v2", () => {
  for (const [title, mode, era] of modes) {
    it.scopedLive(`${title}: tools, prompts, resources, templates, completion, progress`, () =>
      Effect.gen(function*() {
        const { settings } = yield* everything()
        yield* Effect.promise(async () => {
          const client = await connected(settings.mcpUrl, mode)
          assert.strictEqual(client.getProtocolEra(), era)
          assert.strictEqual(client.getNegotiatedProtocolVersion(), era === "modern" ? modern : "2025-11-25")
          assert.strictEqual(client.getServerVersion()?.name, "everything-stdio")
          assert.strictEqual(client.getInstructions(), "Fixture for conformance runs.")

          const { tools } = await client.listTools()
          assert.include(tools.map(({ name }) => name), "json_schema_2020_12_tool")
          assert.strictEqual(await call(client, "test_simple_text"), "This is a simple text response for testing.")
          // In the modern era the argument travels in a header as well.
          assert.strictEqual(await call(client, "test_x_mcp_header", { region: "Zürich 1" }), "region=Zürich 1")
          const { messages } = await client.getPrompt({ name: "test_prompt_with_arguments", arguments: { arg1: "ä", arg2: "b" } })
          assert.deepInclude(messages[0]?.content, { text: "Prompt with arguments: arg1='ä', arg2='b'" })
          assert.isNotEmpty((await client.listResources()).resources)
          assert.lengthOf((await client.listResourceTemplates()).resourceTemplates, 1)
          const { contents } = await client.readResource({ uri: "test://template/7/data" })
          assert.deepInclude(contents[0], { uri: "test://template/7/data", mimeType: "application/json" })
          const ref = { type: "ref/prompt" as const, name: "test_prompt_with_arguments" }
          const { completion } = await client.complete({ ref, argument: { name: "arg1", value: "par" } })
          assert.deepStrictEqual(completion.values, ["paris", "park", "party"])

          const seen: Array<Progress> = []
          await client.callTool({ name: "test_tool_with_progress" }, { onprogress: (progress) => seen.push(progress) })
          assert.deepStrictEqual(seen, [0, 50, 100].map((progress) => ({ progress, total: 100 })))
          await client.close()
        })
      }))

    it.scopedLive(`${title}: answers what the server asks for, in rounds or at once`, () =>
      Effect.gen(function*() {
        const { settings } = yield* everything()
        yield* Effect.promise(async () => {
          const client = await connected(settings.mcpUrl, mode, { capabilities: everyCapability })
          answering(client)
          assert.strictEqual(await call(client, "test_input_required_result_elicitation"), "Hello, my name!")
          assert.strictEqual(await call(client, "test_input_required_result_sampling"), "Ciao")
          assert.strictEqual(await call(client, "test_input_required_result_list_roots"), "[{\"uri\":\"file:///work\"}]")
          assert.strictEqual(await call(client, "test_input_required_result_multi_round"), "my name likes my color")
          assert.strictEqual(await call(client, "test_input_required_result_multiple_inputs"), "Ciao my name (1 roots)")
          const { messages } = await client.getPrompt({ name: "test_input_required_result_prompt" })
          assert.deepInclude(messages[0]?.content, { text: "Use this context: my context" })
          // Two at once, each with rounds of its own.
          assert.deepStrictEqual(
            await Promise.all([call(client, "test_input_required_result_multi_round"), call(client, "test_input_required_result_elicitation")]),
            ["my name likes my color", "Hello, my name!"]
          )
          await client.close()
        })
      }))
  }

  it.scopedLive("a question that the client has not declared to answer is refused, and says what is missing", () =>
    Effect.gen(function*() {
      const { settings } = yield* everything()
      yield* Effect.promise(async () => {
        const client = await connected(settings.mcpUrl, onlyModern)
        const refusal = await call(client, "test_missing_capability").then(() => undefined, (cause: unknown) => cause)
        assert.instanceOf(refusal, ProtocolError)
        assert.deepInclude(refusal, { code: -32021, data: { requiredCapabilities: { sampling: {} } } })
        // The client goes on.
        assert.strictEqual(await call(client, "test_simple_text"), "This is a simple text response for testing.")
        await client.close()
      })
    }))

  it.scopedLive("listens to changed lists and to resources, and to nothing after it has closed", () =>
    Effect.gen(function*() {
      const { settings } = yield* everything([], { FJMCP_CHILD_INTERACTIVE: "false" })
      yield* Effect.promise(async () => {
        const client = await connected(settings.mcpUrl, onlyModern)
        const uri = "test://watched-resource"
        const notified: Array<string> = []
        let come = () => {}
        const next = () => new Promise<void>((resolve) => (come = resolve))
        client.fallbackNotificationHandler = async ({ method }) => {
          notified.push(method)
          come()
        }
        const subscription = await client.listen({ toolsListChanged: true, resourceSubscriptions: [uri] })
        assert.deepStrictEqual(subscription.honoredFilter, { toolsListChanged: true, resourceSubscriptions: [uri] })
        let arrived = next()
        await call(client, "test_trigger_tool_change")
        await arrived
        // Not asked for.
        await call(client, "test_trigger_prompt_change")
        arrived = next()
        assert.strictEqual(await call(client, "change_resource", { uri }), "announced")
        await arrived
        assert.deepStrictEqual(notified, ["notifications/tools/list_changed", "notifications/resources/updated"])
        await subscription.close()
        assert.strictEqual(await subscription.closed, "local")
        while (await call(client, "change_resource", { uri }) === "announced");
        assert.lengthOf(notified, 2)
        await client.close()
      })
    }))

  it.scopedLive("a call that it gives up is cancelled in the server, and no other", () =>
    Effect.gen(function*() {
      const { settings } = yield* everything([], { FJMCP_CHILD_INTERACTIVE: "false" })
      yield* Effect.promise(async () => {
        const client = await connected(settings.mcpUrl, onlyModern)
        const controller = new AbortController()
        let begin = () => {}
        const begun = new Promise<void>((resolve) => (begin = resolve))
        const cancelled = client.callTool({ name: "hold" }, { signal: controller.signal, onprogress: () => begin() })
          .then(() => "answered", () => "cancelled")
        await begun
        const held = new Promise<string>((resolve, reject) => {
          const later = client.callTool({ name: "hold" }, {
            onprogress: () => {
              controller.abort("no longer wanted")
              resolve(later.then(({ content }) => JSON.stringify(content)))
            }
          })
          later.catch(reject)
        })
        assert.strictEqual(await cancelled, "cancelled")
        while (await call(client, "cancelled_calls") === "0");
        assert.strictEqual(await call(client, "let_go"), "1")
        assert.include(await held, "let go")
        await client.close()
      })
    }))
})
