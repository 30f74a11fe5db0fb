import { build } from "esbuild"
import type { ChildProcessWithoutNullStreams } from "node:child_process"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Bundles the stand-in child into a new temporary folder, as scripts/build.mjs does; `remove` takes the folder away. */
export const bundleChild = async () => {
  const folder = mkdtempSync(join(tmpdir(), "fjmcp-child-"))
  const file = join(folder, "demo-child.mjs")
  await build({
    entryPoints: ["demo/child/main.ts"],
    outfile: file,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    logLevel: "warning"
  })
  return { file, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

export interface Message {
  readonly id?: unknown
  readonly method?: string
  readonly params?: Record<string, unknown>
  readonly result?: Record<string, unknown>
  readonly error?: { readonly code: number; readonly message: string }
}

/** The stand-in child over real pipes. */
export class StandInChild {
  readonly process: ChildProcessWithoutNullStreams
  readonly exit: Promise<{ readonly code: number | null; readonly signal: string | null }>
  /** Lengths in bytes of the lines on stdout. */
  readonly lineSizes: Array<number> = []
  readonly messages: Array<Message> = []
  stderr = ""
  #rest = ""
  #watchers: Array<() => void> = []
  #lastId = 0

  constructor(file: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) {
    this.process = spawn(process.execPath, [file, ...args], { env, stdio: "pipe" })
    this.process.stdin.on("error", () => {})
    this.process.stderr.on("data", (chunk: Buffer) => {
      this.stderr += chunk.toString()
      this.#wake()
    })
    this.process.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = (this.#rest + chunk).split("\n")
      this.#rest = lines.pop() ?? ""
      for (const line of lines) {
        this.lineSizes.push(Buffer.byteLength(line))
        this.messages.push(line.startsWith("{") ? JSON.parse(line) as Message : { method: line })
      }
      this.#wake()
    })
    this.exit = new Promise((resolve) => this.process.once("close", (code, signal) => resolve({ code, signal })))
  }

  #wake() {
    for (const watcher of this.#watchers) watcher()
  }

  /** Resolves once `found` gives a value; looked at after every piece of output. The test's own time limit ends a wait in vain. */
  until<A>(found: () => A | undefined): Promise<A> {
    return new Promise((resolve) => {
      const look = () => {
        const value = found()
        if (value === undefined) return
        this.#watchers = this.#watchers.filter((watcher) => watcher !== look)
        resolve(value)
      }
      this.#watchers.push(look)
      look()
    })
  }

  write(line: string): void {
    this.process.stdin.write(`${line}\n`)
  }

  send(method: string, params: unknown): number {
    const id = ++this.#lastId
    this.write(JSON.stringify({ jsonrpc: "2.0", id, method, params }))
    return id
  }

  answer(id: unknown): Promise<Message> {
    return this.until(() => this.messages.find((message) => message.method === undefined && message.id === id))
  }

  request(method: string, params: unknown = {}): Promise<Message> {
    return this.answer(this.send(method, params))
  }

  startTool(name: string, args: Readonly<Record<string, unknown>> = {}, meta?: Readonly<Record<string, unknown>>): number {
    return this.send("tools/call", { name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) })
  }

  /** The `Result` of a tool that must succeed. */
  async tool(name: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const message = await this.answer(this.startTool(name, args))
    const [content] = message.result?.["content"] as ReadonlyArray<{ readonly text?: string }> | undefined ?? []
    if (content?.text === undefined) throw new Error(`no result but ${JSON.stringify(message)}`)
    return (JSON.parse(content.text) as { readonly Result: unknown }).Result
  }

  initialize(protocolVersion = "2025-11-25"): Promise<Message> {
    return this.request("initialize", { protocolVersion, capabilities: { sampling: {} }, clientInfo: { name: "test", version: "0" } })
  }
}
