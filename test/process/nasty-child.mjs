/**
 * A stdio MCP server that does what none should. Its tools say how: `amount` is in KiB. While it floods it goes on reading
 * its input and answering `echo`, so that a test sees whether anybody else is held up.
 */
import { Buffer } from "node:buffer"
import { writeSync } from "node:fs"
import { createInterface } from "node:readline"
import { setImmediate, setInterval } from "node:timers"

const write = (fd, text) => {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
}
const say = (message) => write(1, `${typeof message === "string" ? message : JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)
const padding = "x".repeat(1000)

const oneLine = {
  notifications: () => ({ method: "notifications/message", params: { level: "info", data: padding } }),
  unrelated: () => ({ method: "notifications/resources/updated", params: { uri: `x:${padding}` } }),
  requests: (n) => ({ id: n, method: "sampling/createMessage", params: { padding } }),
  pings: (n) => ({ id: `${n}${padding}`, method: "ping" }),
  responses: (n) => ({ id: [n + 1_000_000, `${n}`, 1.5, null, {}, -n, 1e300][n % 7], result: { padding } }),
  garbage: () => `{"jsonrpc":"2.0",\u0000${padding}`,
  tiny: () => "1\n".repeat(500)
}

/** The lines a MiB at a time, so that what is asked meanwhile is answered between. */
const flood = (what, amount, then) => {
  let left = amount
  const some = () => {
    for (let n = 0; n < 1024 && left > 0; n++, left--) {
      if (what === "stderr") write(2, `ERROR ${padding}\n`)
      else say(oneLine[what](left))
    }
    if (left > 0) setImmediate(some)
    else then()
  }
  some()
}

const input = createInterface({ input: process.stdin })
input.on("line", (line) => {
  const { id, method, params } = JSON.parse(line)
  if (id === undefined || method === undefined) return
  if (method === "initialize") {
    const capabilities = { tools: {}, logging: {}, resources: { subscribe: true } }
    return say({ id, result: { protocolVersion: params.protocolVersion, capabilities, serverInfo: { name: "nasty", version: "1" } } })
  }
  const { arguments: { amount } = {}, name } = params ?? {}
  if (name === "big") return say({ id, result: { content: [{ type: "text", text: "é".repeat(amount * 512) }] } })
  if (name === "deaf") {
    setInterval(() => {}, 60_000)
    return input.pause()
  }
  if (name === "silent") return
  if (name in oneLine || name === "stderr") return flood(name, amount, () => say({ id, result: { content: [] } }))
  say({ id, result: { content: [] } })
})
