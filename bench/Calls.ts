import type { Agent } from "node:http"
import { type Answer, callBody, mcpHeaders, oneConnection, openLean, send } from "../test/process/LeanClient.ts"
import { cpuMs } from "./Process.ts"
import type { Target } from "./Target.ts"

export type Tool = "echo" | "large" | "progress"

/** One round on one target. Times in milliseconds, of one call each. */
export interface Sample {
  readonly calls: number
  readonly callsPerSecond: number
  readonly p50: number
  readonly p99: number
  /** The target's own CPU time for one call; its children have their own. */
  readonly cpuMs: number
  readonly errors: number
  readonly firstError?: string
}

/** Does one thing, again and again, and checks what comes back. Throws where that is wrong. */
export type Caller = () => Promise<void>

/** Of ascending values. */
const quantile = (values: ReadonlyArray<number>, part: number): number =>
  values[Math.min(values.length - 1, Math.floor(values.length * part))] ?? Number.NaN

/** Lets each of them do its thing for so many seconds, or so many times. */
export const measure = async (
  { pid }: Target,
  callers: ReadonlyArray<Caller>,
  { after, pause, seconds, times = Infinity }: {
    readonly seconds: number
    readonly times?: number
    /** Between two calls of a caller. */
    readonly pause?: number
    /** Follows each call, outside of its time. */
    readonly after?: () => Promise<void>
  }
): Promise<Sample> => {
  const took: Array<number> = []
  let errors = 0
  let firstError: string | undefined
  const cpuBefore = cpuMs(pid)
  const began = performance.now()
  const end = began + seconds * 1000
  await Promise.all(callers.map(async (call) => {
    for (let left = times; left > 0 && performance.now() < end; left--) {
      const since = performance.now()
      try {
        await call()
        took.push(performance.now() - since)
      } catch (cause) {
        errors += 1
        firstError ??= String(cause).slice(0, 300)
      }
      await after?.()
      if (pause !== undefined) await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }))
  const lasted = (performance.now() - began) / 1000
  const cpu = cpuMs(pid) - cpuBefore
  took.sort((a, b) => a - b)
  return {
    calls: took.length,
    callsPerSecond: took.length / lasted,
    p50: quantile(took, 0.5),
    p99: quantile(took, 0.99),
    cpuMs: cpu / took.length,
    errors,
    ...(firstError === undefined ? {} : { firstError })
  }
}

/** Runs `count` of them, `atOnce` at one time. */
export const several = async (count: number, atOnce: number, one: (at: number) => Promise<void>): Promise<void> => {
  let next = 0
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (next < count) await one(next++)
  }))
}

/** A session of the eras with sessions. */
export interface Session {
  readonly id: string
  readonly bearer: string
}

const bearerOf = ({ bearers }: Target, at: number): string => bearers[at % bearers.length] ?? ""

export const openSessions = async (target: Target, count: number): Promise<ReadonlyArray<Session>> => {
  const sessions: Array<Session> = []
  await several(count, 8, async (at) => {
    const bearer = bearerOf(target, at)
    sessions[at] = { bearer, id: await openLean(target.mcpUrl, bearer) }
  })
  return sessions
}

export const closeSessions = (target: Target, sessions: ReadonlyArray<Session>): Promise<void> =>
  several(sessions.length, 8, async (at) => {
    const session = sessions[at]
    if (session !== undefined) await send(target.mcpUrl, mcpHeaders(session.bearer, session.id), { method: "DELETE" })
  })

/** About the length of a usual call's arguments. */
const pad = "x".repeat(200)
const largeBytes = 65536

const check = (tool: Tool, id: number, { messages, status, text }: Answer): void => {
  const last = messages.at(-1)
  const seen = last?.result?.["structuredContent"] as { readonly params: { readonly arguments: { readonly n: number } } } | undefined
  if (status !== 200 || last?.id !== id || seen?.params.arguments.n !== id) throw new Error(`${tool}: HTTP ${status} ${text.slice(0, 200)}`)
  if (tool === "large" && text.length < largeBytes) throw new Error(`large: ${text.length} bytes`)
  if (tool === "progress" && messages.length !== 4) throw new Error(`progress: ${messages.length} messages in place of 4`)
}

let lastId = 0

/** Calls a tool in a session, on a connection of its own. */
export const sessionCaller = (target: Target, session: Session, tool: Tool, agent: Agent = oneConnection()): Caller => {
  const headers = mcpHeaders(session.bearer, session.id)
  return async () => {
    const id = ++lastId
    const meta = tool === "progress" ? { _meta: { progressToken: id } } : {}
    const body = tool === "progress"
      ? JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params: { name: tool, arguments: { n: id, pad }, ...meta } })
      : callBody(id, tool, { n: id, pad })
    check(tool, id, await send(target.mcpUrl, headers, { body, agent }))
  }
}

/** Calls `echo` as revision 2026-07-28 does: without a session, and with everything in each request. */
export const statelessCaller = (target: Target, at: number): Caller => {
  const agent = oneConnection()
  const { "mcp-session-id": _, ...plain } = mcpHeaders(bearerOf(target, at))
  const headers = { ...plain, "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "echo" }
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {}
  }
  return async () => {
    const id = ++lastId
    const body = JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "echo", arguments: { n: id, pad }, _meta } })
    check("echo", id, await send(target.mcpUrl, headers, { body, agent }))
  }
}
