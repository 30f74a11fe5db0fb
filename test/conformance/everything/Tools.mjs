// What the scenarios of both revisions call and what asks the client nothing: name, description, schema, run(arguments, context).
import { noArguments, object, png, says, schema2020, string, text, wait, wav } from "./Content.mjs"

export const tools = [
  ["test_simple_text", "Returns one text block", noArguments, () => says("This is a simple text response for testing.")],
  ["test_image_content", "Returns one PNG image", noArguments, () => ({ content: [{ type: "image", data: png, mimeType: "image/png" }] })],
  ["test_audio_content", "Returns one WAV clip", noArguments, () => ({ content: [{ type: "audio", data: wav, mimeType: "audio/wav" }] })],
  ["test_embedded_resource", "Returns an embedded text resource", noArguments, () => ({
    content: [{ type: "resource", resource: { uri: "test://embedded-resource", mimeType: "text/plain", text: "This is an embedded resource content." } }]
  })],
  ["test_multiple_content_types", "Returns text, image and resource together", noArguments, () => ({
    content: [
      text("Multiple content types test:"),
      { type: "image", data: png, mimeType: "image/png" },
      {
        type: "resource",
        resource: { uri: "test://mixed-content-resource", mimeType: "application/json", text: JSON.stringify({ test: "data", value: 123 }) }
      }
    ]
  })],
  ["test_error_handling", "Always fails, as a tool error", noArguments, () => ({
    isError: true,
    content: [text("This tool intentionally returns an error for testing")]
  })],
  ["test_tool_with_logging", "Sends three log messages while it runs", noArguments, async (_, { log }) => {
    await log("Tool execution started")
    await wait(50)
    await log("Tool processing data")
    await wait(50)
    await log("Tool execution completed")
    return says("Logging tool done")
  }],
  ["test_tool_with_progress", "Reports progress 0, 50, 100 of 100", noArguments, async (_, { progress }) => {
    await progress(0, 100)
    await wait(50)
    await progress(50, 100)
    await wait(50)
    await progress(100, 100)
    return says("Progress tool done")
  }],
  ["test_reconnection", "Drops its response stream where the transport can, then answers", noArguments, async (_, { extra }) => {
    await wait(100)
    // Only there on Streamable HTTP with an event store.
    extra.closeSSEStream?.()
    await wait(100)
    return says("Answer sent after the stream was closed")
  }],
  ["json_schema_2020_12_tool", "Has JSON Schema 2020-12 keywords in its input schema", schema2020, (args) => says(`Received ${JSON.stringify(args)}`)],
  ["test_logging_tool", "Sends one log message", noArguments, async (_, { log }) => {
    await log("test_logging_tool was called")
    return says("logged")
  }],
  ["test_trigger_tool_change", "Announces a changed tool list", noArguments, async (_, { server }) => {
    await server.sendToolListChanged()
    return says("announced")
  }],
  ["test_trigger_prompt_change", "Announces a changed prompt list", noArguments, async (_, { server }) => {
    await server.sendPromptListChanged()
    return says("announced")
  }],
  [
    "test_x_mcp_header",
    "Has a parameter that 2026-07-28 mirrors into a request header",
    object({ region: { type: "string", "x-mcp-header": "Region" }, query: string() }, ["region"]),
    ({ region }) => says(`region=${region}`)
  ]
]
