// The floor: the least that a Node process can do and still bridge Streamable HTTP to one stdio child per session. No
// authorization, no check, no limit, no timeout, no log. It is what can be reached at all, and so what ratios are taken against.
// usage: node bench/floor.mjs PORT CHILD...
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { createServer } from "node:http"

const [, , port, program, ...args] = process.argv
const sessions = new Map()

const endsWith = (done, line) => {
  if (done.streams) return done.response.end(`data: ${line}\n\n`)
  done.response.writeHead(200, { "content-type": "application/json", "mcp-session-id": done.session })
  done.response.end(line)
}

const progressed = (pending, line, { progressToken }) => {
  const asked = [...pending.values()].find((each) => each.progressToken === progressToken)
  if (asked === undefined) return
  if (!asked.streams) asked.response.writeHead(200, { "content-type": "text/event-stream", "mcp-session-id": asked.session })
  asked.streams = true
  asked.response.write(`data: ${line}\n\n`)
}

const open = () => {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] })
  const session = { child, pending: new Map(), lastId: 0 }
  let rest = ""
  child.stdout.setEncoding("utf8").on("data", (piece) => {
    const lines = (rest + piece).split("\n")
    rest = lines.pop()
    for (const line of lines) {
      const message = JSON.parse(line)
      if (message.id === undefined) {
        if (message.method === "notifications/progress") progressed(session.pending, line, message.params)
        continue
      }
      const asked = session.pending.get(message.id)
      session.pending.delete(message.id)
      // Clients that share a child have ids of their own.
      if (asked !== undefined) endsWith(asked, asked.id === undefined ? line : JSON.stringify({ ...message, id: asked.id }))
    }
  })
  return session
}

/** Requests of 2026-07-28 belong to no session; a child is kept for each bearer. */
const stateless = (headers) => {
  const key = headers.authorization ?? ""
  if (!sessions.has(key)) {
    const session = open()
    session.child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: "initialize", method: "initialize", params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "floor", version: "1" } } })}\n`)
    sessions.set(key, session)
  }
  return sessions.get(key)
}

const take = (request, response, body) => {
  const message = JSON.parse(body)
  const { headers } = request
  const isStateless = headers["mcp-method"] !== undefined
  const known = isStateless ? undefined : headers["mcp-session-id"]
  const id = known ?? randomBytes(24).toString("hex")
  const session = isStateless ? stateless(headers) : sessions.get(id) ?? open()
  if (!isStateless && known === undefined) sessions.set(id, session)
  const childId = isStateless ? ++session.lastId : message.id
  session.child.stdin.write(isStateless ? `${JSON.stringify({ ...message, id: childId })}\n` : `${body}\n`)
  if (message.id === undefined) return response.writeHead(202).end()
  session.pending.set(childId, {
    response,
    session: id,
    id: isStateless ? message.id : undefined,
    progressToken: message.params?._meta?.progressToken,
    streams: false
  })
}

createServer((request, response) => {
  const id = request.headers["mcp-session-id"]
  if (request.method === "DELETE") {
    sessions.get(id)?.child.stdin.end()
    sessions.delete(id)
    return response.writeHead(204).end()
  }
  if (request.method !== "POST") return response.writeHead(405).end()
  let body = ""
  request.setEncoding("utf8").on("data", (piece) => body += piece)
  request.on("end", () => take(request, response, body))
}).listen(Number(port), "127.0.0.1")
