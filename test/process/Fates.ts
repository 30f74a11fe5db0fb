import type { DaemonProcess } from "./DaemonProcess.ts"
import { type Answer, callBody, ConnectionLost, initializeBody, mcpHeaders, openLean, send } from "./LeanClient.ts"
import type { Echo } from "./LightChild.ts"
import { killChild } from "./Resources.ts"
import type { SignedIn } from "./SignedIn.ts"

export interface FateOptions {
  readonly mcpUrl: string
  readonly daemon: DaemonProcess
  readonly client: SignedIn
  readonly random: () => number
}

/** A short session of its own, whose answers are checked. */
class Life {
  readonly #options: FateOptions
  #id: string | undefined
  #calls = 0

  constructor(options: FateOptions) {
    this.#options = options
  }

  async open(): Promise<void> {
    this.#id = await openLean(this.#options.mcpUrl, this.#options.client.accessToken)
  }

  #post(body: string, signal?: AbortSignal): Promise<Answer> {
    const { client, mcpUrl } = this.#options
    return send(mcpUrl, mcpHeaders(client.accessToken, this.#id), { body, signal })
  }

  /** Gives what `echo` has answered; undefined for a JSON-RPC error under the call's own id. */
  async call(tool: "echo" | "crash"): Promise<Echo | undefined> {
    const id = ++this.#calls
    const { messages, status, text } = await this.#post(callBody(id, tool, { n: id }))
    const [message, ...more] = messages
    const echo = message?.result?.["structuredContent"] as Echo | undefined
    const isRight = echo === undefined ? message?.error !== undefined : echo.n === id
    if (status !== 200 || message?.id !== id || more.length > 0 || !isRight) throw new Error(`${tool}: HTTP ${status} ${text}`)
    return echo
  }

  async echo(): Promise<Echo> {
    const echo = await this.call("echo")
    if (echo === undefined) throw new Error("echo was answered with an error")
    return echo
  }

  /** Hangs up at some moment between the first byte and some milliseconds later. Gives the answer that came before. */
  async abort(body: string, ms: number): Promise<Answer | undefined> {
    try {
      return await this.#post(body, AbortSignal.timeout(Math.ceil(this.#options.random() * ms)))
    } catch (cause) {
      if (cause instanceof ConnectionLost) return undefined
      throw cause
    }
  }

  /** The child has died: the next call is answered by another one, after an error at most for what the first one took along. */
  async revive(dead: number): Promise<void> {
    const echo = await this.call("echo") ?? await this.echo()
    if (echo.pid === dead) throw new Error("a dead child has answered")
  }

  adopt(id: string): void {
    this.#id = id
  }

  async end(): Promise<void> {
    const { client, mcpUrl } = this.#options
    const { status, text } = await send(mcpUrl, mcpHeaders(client.accessToken, this.#id), { method: "DELETE" })
    if (status !== 204) throw new Error(`DELETE: HTTP ${status} ${text}`)
  }
}

const opened = async (options: FateOptions): Promise<Life> => {
  const life = new Life(options)
  await life.open()
  return life
}

/** The ways in which a session can go. After all but `left` nothing of it may be there. */
export const fates = {
  ended: async (options: FateOptions) => {
    const life = await opened(options)
    await life.echo()
    await life.end()
  },
  /** Nobody ends it, unless its grant ends. */
  left: async (options: FateOptions) => {
    const life = await opened(options)
    await life.echo()
  },
  childKilled: async (options: FateOptions) => {
    const life = await opened(options)
    const { pid } = await life.echo()
    killChild(options.daemon, pid)
    await life.revive(pid)
    await life.end()
  },
  childCrashed: async (options: FateOptions) => {
    const life = await opened(options)
    const { pid } = await life.echo()
    if (await life.call("crash") !== undefined) throw new Error("a child that exits has answered")
    await life.revive(pid)
    await life.end()
  },
  crashedAndEnded: async (options: FateOptions) => {
    const life = await opened(options)
    await life.call("crash")
    await life.end()
  },
  callAborted: async (options: FateOptions) => {
    const life = await opened(options)
    await life.abort(callBody("aborted", "slow", { n: 0, ms: 100 }), 50)
    await life.echo()
    await life.end()
  },
  openAborted: async (options: FateOptions) => {
    const life = new Life(options)
    const answer = await life.abort(initializeBody, 20)
    const id = answer?.headers["mcp-session-id"]
    if (typeof id !== "string") return
    // It was too late for that.
    life.adopt(id)
    await life.end()
  }
}

export type Fate = keyof typeof fates

/** Runs `count` sessions, a few at a time, each of some kind; gives how many there were of each. The first failure ends it. */
export const live = async (
  options: FateOptions,
  kinds: ReadonlyArray<Fate>,
  count: number,
  atOnce = 8
): Promise<Readonly<Record<string, number>>> => {
  const lived: Record<string, number> = {}
  let left = count
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (left-- > 0) {
      const kind = kinds[Math.floor(options.random() * kinds.length)] ?? "ended"
      lived[kind] = (lived[kind] ?? 0) + 1
      await fates[kind](options).catch((cause: unknown) => {
        throw new Error(`${kind}: ${String(cause)}`, { cause })
      })
    }
  }))
  return lived
}
