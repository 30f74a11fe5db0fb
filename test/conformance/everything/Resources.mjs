import { McpError } from "@modelcontextprotocol/sdk/types.js"
import { png } from "./Content.mjs"

export const resources = [
  { uri: "test://static-text", name: "Static text", description: "A fixed text", mimeType: "text/plain" },
  { uri: "test://static-binary", name: "Static binary", description: "A fixed PNG", mimeType: "image/png" },
  { uri: "test://watched-resource", name: "Watched", description: "One to subscribe to", mimeType: "text/plain" }
]

const contents = {
  "test://static-text": () => ({ text: "This is the content of the static text resource." }),
  "test://static-binary": () => ({ blob: png }),
  "test://watched-resource": () => ({ text: `Read at ${new Date().toISOString()}` })
}

export const resourceTemplates = [
  { uriTemplate: "test://template/{id}/data", name: "Template", description: "Data by id", mimeType: "application/json" }
]

/** The code for what is not there, as it was until 2025-11-25. */
const resourceNotFound = -32002

export const read = (uri) => {
  const known = resources.find((resource) => resource.uri === uri)
  if (known !== undefined) return { contents: [{ uri, mimeType: known.mimeType, ...contents[uri]() }] }
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1]
  if (id === undefined) throw new McpError(resourceNotFound, "Resource not found", { uri })
  const text = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` })
  return { contents: [{ uri, mimeType: "application/json", text }] }
}
