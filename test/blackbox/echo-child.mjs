// A child on stdio whose every message says which call it is about: each call brings a `nonce`, and all that comes of the
// call has it. It speaks any legacy revision, has no dependencies, and tells on request what it has been sent.
import { createInterface } from "node:readline"

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

const tools = ["work", "ask", "cancelled", "seen"].map((name) => ({ name, inputSchema: { type: "object" } }))
/** What has come in, as the child sees it. */
const seen = []
/** Calls at work, by the id that the child knows them under. */
const atWork = new Map()
const cancelled = new Set()
let watchers = []

const answer = (id, value) => send({ id, result: { content: [{ type: "text", text: JSON.stringify(value) }] } })

/** `steps` times progress, log messages where `log` is set, one list_changed where `changed` is; then the result. */
const work = async (id, { changed, log, nonce, pause: ms, steps }, progressToken) => {
  atWork.set(id, nonce)
  // It has no prompts: what it says of them is for nobody who asked.
  if (changed) for (const list of ["tools", "prompts"]) send({ method: `notifications/${list}/list_changed`, params: { _meta: { nonce } } })
  for (let progress = 1; progress <= steps; progress++) {
    await pause(ms)
    if (!atWork.has(id)) return
    if (progressToken !== undefined) send({ method: "notifications/progress", params: { progressToken, progress, total: steps, message: nonce } })
    if (log) send({ method: "notifications/message", params: { level: "info", data: `${nonce}/${progress}` } })
  }
  await pause(ms)
  if (!atWork.delete(id)) return
  answer(id, { nonce, id, progressToken })
}

/** Calls that wait for the answer to a question, by the question's id. */
const asking = new Map()
let questions = 0

const call = (id, { arguments: args = {}, name, _meta }) => {
  if (name === "work") return void work(id, args, _meta?.progressToken)
  if (name === "ask") {
    const question = `q${++questions}`
    asking.set(question, { id, mustKnow: args.mustKnow })
    const requestedSchema = { type: "object", properties: { answer: { type: "string" } } }
    return send({ id: question, method: "elicitation/create", params: { message: args.nonce, requestedSchema } })
  }
  if (name === "seen") return answer(id, seen)
  if (name !== "cancelled") return send({ id, error: { code: -32602, message: `no tool ${name}` } })
  // Answers when the call with this nonce has been cancelled.
  const look = () => {
    if (!cancelled.has(args.nonce)) return
    watchers = watchers.filter((watcher) => watcher !== look)
    answer(id, true)
  }
  watchers.push(look)
  look()
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const { error, id, method, params, result } = JSON.parse(line)
  seen.push({ id, method, nonce: params?.arguments?.nonce, progressToken: params?._meta?.progressToken, requestId: params?.requestId })
  if (method === undefined) {
    const { id: callId, mustKnow } = asking.get(id)
    asking.delete(id)
    return error !== undefined && mustKnow ? send({ id: callId, error }) : answer(callId, { result, refused: error?.code })
  }
  if (method === "initialize") {
    const capabilities = { tools: { listChanged: true }, logging: {} }
    return send({ id, result: { protocolVersion: params.protocolVersion, capabilities, serverInfo: { name: "echo", version: "1" } } })
  }
  if (method === "tools/list") return send({ id, result: { tools } })
  if (method === "tools/call") return call(id, params)
  if (method === "notifications/cancelled") {
    cancelled.add(atWork.get(params.requestId))
    atWork.delete(params.requestId)
    for (const watcher of watchers) watcher()
    return undefined
  }
  if (id !== undefined) send(method === "ping" ? { id, result: {} } : { id, error: { code: -32601, message: `no method ${method}` } })
}).on("close", () => process.exit(0))
