// Requests to the client in the middle of a call.
import { CreateMessageResultSchema, ElicitResultSchema, ListRootsResultSchema } from "@modelcontextprotocol/sdk/types.js"
import { says, text, user } from "./Content.mjs"

/**
 * `key` is what a bridge to 2026-07-28 shall call the question in `inputRequests`. It travels as `_meta["bridge/inputKey"]`,
 * and not at all where `keyHint` is false.
 */
export const asking = (extra, keyHint) => {
  const meta = (key) => key !== undefined && keyHint ? { _meta: { "bridge/inputKey": key } } : {}
  // Through `extra`, so that a transport that can relate them to the running call does so.
  const request = (method, params, schema) => extra.sendRequest({ method, params }, schema)
  return {
    elicit: (message, requestedSchema, key) =>
      request("elicitation/create", { message, requestedSchema, ...meta(key) }, ElicitResultSchema),
    elicitAt: (message, url, elicitationId) =>
      request("elicitation/create", { mode: "url", message, url, elicitationId }, ElicitResultSchema),
    sample: (prompt, maxTokens = 100, key) =>
      request("sampling/createMessage", { messages: [user(text(prompt))], maxTokens, ...meta(key) }, CreateMessageResultSchema),
    roots: (key) => request("roots/list", meta(key), ListRootsResultSchema)
  }
}

export const words = (sampled) => [].concat(sampled.content).map((part) => part.text ?? `[${part.type}]`).join(" ")

export const elicitationReport = ({ action, content = {} }) =>
  says(`Elicitation completed: action=${action}, content=${JSON.stringify(content)}`)
