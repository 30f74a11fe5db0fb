// What child.c is, for machines without a C compiler. It takes CPU that the bridge then does not get, and longer to start.
import { createInterface } from "node:readline"

const large = "x".repeat(65536)
const tools = ["echo", "large", "progress"].map((name) => ({ name, inputSchema: { type: "object" } }))
const say = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)

const call = (params) => {
  const progressToken = params._meta?.progressToken
  if (params.name === "progress" && progressToken !== undefined) {
    for (const progress of [1, 2, 3]) say({ method: "notifications/progress", params: { progressToken, progress, total: 3 } })
  }
  return { content: [{ type: "text", text: params.name === "large" ? large : "ok" }], structuredContent: { pid: process.pid, params } }
}

const answers = {
  initialize: () => ({ protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: { name: "bench", version: "1" } }),
  ping: () => ({}),
  "tools/list": () => ({ tools }),
  "tools/call": call
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line)
  if (id === undefined || method === undefined) return
  const answer = answers[method]
  say(answer === undefined ? { id, error: { code: -32601, message: "Method not found" } } : { id, result: answer(params) })
})
