import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { DemoForgejo } from "../../demo/DemoForgejo.ts"
import { demoRepo, demoUser, otherUser } from "../../demo/DemoForgejo.ts"
import { journey } from "../../demo/Journey.ts"
import { OAuthClient } from "../../demo/OAuthClient.ts"
import { expect } from "../image/Check.ts"

/** The built broker, as `serve` with settings alone. */
export const startBroker = async (forgejo: DemoForgejo, publicUrl: string, port: number, folder: string): Promise<ChildProcess> => {
  mkdirSync(folder, { recursive: true })
  const broker = spawn(process.execPath, [join(process.cwd(), "dist", "main.js"), "serve"], {
    env: {
      PATH: process.env["PATH"],
      FJMCP_PUBLIC_URL: publicUrl,
      FJMCP_FORGEJO_URL: forgejo.forgejo.url,
      FJMCP_FORGEJO_CLIENT_ID: forgejo.clientId,
      FJMCP_FORGEJO_CLIENT_SECRET: forgejo.clientSecret,
      FJMCP_LISTEN: `127.0.0.1:${port}`,
      FJMCP_DATA_DIR: folder,
      FJMCP_DRAIN_GRACE: "1s",
      FJMCP_CHILD_COMMAND: `"${process.execPath}" "${join(process.cwd(), "dist", "demo-child.js")}" --extras`,
      FJMCP_CHILD_PRESET: "forgejo-mcp"
    },
    stdio: ["ignore", "ignore", "pipe"]
  })
  await new Promise<void>((resolve, reject) => {
    let log = ""
    broker.stderr.setEncoding("utf8").on("data", (text: string) => {
      log += text
      if (log.includes("broker.listening")) resolve()
    })
    broker.once("exit", () => reject(new Error(`the broker did not start: ${log}`)))
  })
  return broker
}

export const stopBroker = async (broker: ChildProcess): Promise<void> => {
  if (broker.exitCode !== null) return
  const ended = new Promise((resolve) => broker.once("exit", resolve))
  broker.kill("SIGTERM")
  await Promise.race([ended, sleep(10_000, undefined, { ref: false })])
  broker.kill("SIGKILL")
}

export const wholeJourney = (origin: string): Promise<void> =>
  journey({ mcpUrl: `${origin}/mcp`, user: demoUser, otherUser, repo: demoRepo, say: () => {} })

/** A tool that tells of its progress: each word of it is there when it was said, not at the end. */
export const progressAtOnce = async (origin: string): Promise<void> => {
  const oauth = new OAuthClient(`${origin}/mcp`)
  const server = await oauth.discover()
  const { access_token } = await oauth.signIn(server, await oauth.register(server, "Caddy check"), demoUser)
  const headers = { authorization: `Bearer ${access_token}`, accept: "application/json, text/event-stream", "content-type": "application/json" }
  const post = (message: object, more: Readonly<Record<string, string>> = {}) =>
    fetch(`${origin}/mcp`, { method: "POST", headers: { ...headers, ...more }, body: JSON.stringify({ jsonrpc: "2.0", ...message }) })
  const hello = await post({ id: 1, method: "initialize", params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "check", version: "1" } } })
  await hello.text()
  const session = { "mcp-session-id": hello.headers.get("mcp-session-id") ?? "", "mcp-protocol-version": "2025-11-25" }
  await (await post({ method: "notifications/initialized" }, session)).text()

  const [steps, apart] = [5, 200]
  const call = await post({ id: 2, method: "tools/call", params: { name: "progress", arguments: { steps, ms: apart }, _meta: { progressToken: "t" } } }, session)
  const decoder = new TextDecoder()
  const arrivals: Array<number> = []
  let text = ""
  for await (const part of call.body ?? []) {
    text += decoder.decode(part as Uint8Array, { stream: true })
    while (arrivals.length < text.split("notifications/progress").length - 1) arrivals.push(Date.now())
  }
  // Held back they would come together at the end. How exactly they come depends on what else runs here.
  const after = arrivals.map((at) => at - (arrivals[0] ?? 0))
  const late = after.map((ms, n) => Math.abs(ms - n * apart))
  expect(arrivals.length === steps && Math.max(...late) < 2 * apart && (after.at(-1) ?? 0) > (steps - 2) * apart, `${steps} notifications, ${apart} ms apart, arrive so`, { after, text: text.slice(-300) })
  expect(text.includes("\"id\":2"), "the result follows", text.slice(-300))
}
