import { Effect, type Scope } from "effect"
import type { Agent } from "node:http"
import { type Answer, callBody, ConnectionLost, mcpHeaders, oneConnection, openLean, Refused, send } from "./LeanClient.ts"
import type { Echo } from "./LightChild.ts"
import type { Outage } from "./Outage.ts"
import type { SignedIn } from "./SignedIn.ts"

/** What one caller does, again and again without a pause. */
export interface CallerKind {
  readonly tool: "echo" | "slow"
  /** How long a slow call takes, in milliseconds. */
  readonly ms?: number
  /** Between two calls, in milliseconds. */
  readonly pause?: number
}

export interface LoadOptions {
  readonly mcpUrl: string
  readonly clients: ReadonlyArray<SignedIn>
  readonly sessionsPerClient: number
  /** The callers of each session. */
  readonly callers: ReadonlyArray<CallerKind>
  /** A daemon that is stopped on purpose: what it cuts is no failure, and clients refresh tokens that are refused. */
  readonly outage?: Outage
}

export interface LoadSession {
  readonly client: SignedIn
  id: string
  asked: number
  answered: number
  /** Each child that has answered, in the order of their first answers. */
  readonly generations: Array<Pick<Echo, "pid" | "token">>
  /** How often the client had signed in again when the session was opened. */
  signIn: number
  /** Errors that are none if the session's grant turns out to have ended. */
  readonly doubts: Array<string>
  reopening: Promise<void> | undefined
}

/** Sessions with callers that check every answer. */
export class Load {
  ok = 0
  failed = 0
  /** Answers to what was not asked there, or a second time. */
  duplicated = 0
  /** Cut by an outage, and made anew. */
  lost = 0
  /** Sessions that were opened again because their user had to sign in again. */
  reopened = 0
  /** The first few. */
  readonly failures: Array<string> = []
  readonly sessions: Array<LoadSession> = []
  readonly #options: LoadOptions
  readonly #watchers = new Set<() => void>()
  readonly #agents: Array<Agent> = []
  #callers: Promise<unknown> = Promise.resolve()
  #stopped = false
  #next = 0

  constructor(options: LoadOptions) {
    this.#options = options
  }

  /** Opens the sessions, a few at a time. */
  async open(): Promise<void> {
    const { clients, mcpUrl, sessionsPerClient } = this.#options
    const wanted = Array.from({ length: sessionsPerClient }, () => clients).flat()
    await Promise.all(Array.from({ length: 8 }, async () => {
      for (let client = wanted.pop(); client !== undefined; client = wanted.pop()) {
        const id = await openLean(mcpUrl, client.accessToken)
        this.sessions.push({ client, id, asked: 0, answered: 0, generations: [], signIn: client.signedInAgain, doubts: [], reopening: undefined })
      }
    }))
  }

  start(): void {
    this.#callers = Promise.all(this.sessions.flatMap((session) =>
      this.#options.callers.map(async (kind) => {
        const agent = oneConnection()
        this.#agents.push(agent)
        while (!this.#stopped) {
          await this.#call(session, kind, agent)
          for (const watcher of this.#watchers) watcher()
          if (kind.pause !== undefined) await new Promise((resolve) => setTimeout(resolve, kind.pause))
        }
      })))
  }

  /** Ends when the calls in flight have ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#options.outage?.end()
    await this.#callers
    for (const doubt of this.sessions.flatMap(({ doubts }) => doubts)) this.#fail(doubt)
    for (const agent of this.#agents) agent.destroy()
  }

  /** Ends the sessions. */
  async close(): Promise<void> {
    await Promise.all(this.sessions.map(async ({ client, id }) => {
      const { status, text } = await send(this.#options.mcpUrl, mcpHeaders(client.accessToken, id), { method: "DELETE" })
      if (status !== 204) this.#fail(`DELETE: HTTP ${status} ${text}`)
    }))
  }

  /** Looks after each call. Dies, with the counts, when a call fails before `holds` comes true, or when that takes too long. */
  until(what: string, holds: () => boolean, seconds: number): Effect.Effect<void> {
    return Effect.async<void>((resume) => {
      const look = () => {
        if (!holds() && this.failed === 0) return
        this.#watchers.delete(look)
        resume(holds() ? Effect.void : Effect.dieMessage(`before ${what}: ${this.summary}`))
      }
      this.#watchers.add(look)
      look()
      return Effect.sync(() => this.#watchers.delete(look))
    }).pipe(
      Effect.timeoutFail({ duration: `${seconds} seconds`, onTimeout: () => new Error(`not within ${seconds} s: ${what}; ${this.summary}`) }),
      Effect.orDie
    )
  }

  /** Until each session has answered once more than it has now. */
  untilAllAnswered(seconds: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const before = this.sessions.map(({ answered }) => answered)
      return this.until("an answer of each session", () => this.sessions.every(({ answered }, at) => answered > (before[at] ?? 0)), seconds)
    })
  }

  get summary(): string {
    const { duplicated, failed, failures, lost, ok, reopened } = this
    const doubts = this.sessions.flatMap((session) => session.doubts).slice(0, 5)
    return JSON.stringify({ sessions: this.sessions.length, ok, failed, duplicated, lost, reopened, failures, doubts })
  }

  #fail(text: string): void {
    this.failed += 1
    if (this.failures.length < 5) this.failures.push(text.slice(0, 400))
  }

  async #call(session: LoadSession, kind: CallerKind, agent: Agent): Promise<void> {
    const { client, id: sessionId } = session
    const { mcpUrl, outage } = this.#options
    const n = ++this.#next
    // Every session counts its ids alike, every other one is a string.
    const asked = ++session.asked
    const id = asked % 2 === 0 ? asked : String(asked)
    const { accessToken } = client
    const since = outage?.count
    const wasOut = () => outage !== undefined && (outage.isOn || outage.count !== since)
    try {
      const body = callBody(id, kind.tool, { n, ...(kind.ms === undefined ? {} : { ms: kind.ms }) })
      const answer = await send(mcpUrl, mcpHeaders(accessToken, sessionId), { body, agent })
      if (answer.status === 503 && wasOut()) return await this.#wait(outage)
      if (answer.status === 401 && outage !== undefined && answer.headers["www-authenticate"] !== undefined) {
        // Only if nobody has done so meanwhile.
        return client.accessToken === accessToken ? await client.renew() : undefined
      }
      if (answer.status === 404 && outage !== undefined) {
        session.reopening ??= this.#reopen(session, sessionId).finally(() => session.reopening = undefined)
        return await session.reopening
      }
      this.#judge(session, id, n, answer)
    } catch (cause) {
      if (cause instanceof ConnectionLost && wasOut()) return await this.#wait(outage)
      this.#fail(String(cause))
    }
  }

  async #wait(outage: Outage | undefined): Promise<void> {
    this.lost += 1
    await outage?.over
  }

  /** Opens it again if its grant has ended: only then a session may end. */
  async #reopen(session: LoadSession, ended: string): Promise<void> {
    const { client } = session
    if (session.id !== ended) return
    // A call that came before the end is not told of the grant, but of the session only.
    if (session.signIn === client.signedInAgain) await client.renew()
    const { signedInAgain } = client
    if (session.signIn === signedInAgain) return this.#fail("HTTP 404, and the grant goes on")
    const open = () => openLean(this.#options.mcpUrl, client.accessToken)
    try {
      session.id = await (this.#options.outage?.retry(open) ?? open())
    } catch (cause) {
      // Its user must sign in once more: the next call finds out.
      if (cause instanceof Refused && cause.status === 401) return
      throw cause
    }
    session.signIn = signedInAgain
    session.generations.length = 0
    this.lost += session.doubts.splice(0).length
    this.reopened += 1
  }

  #judge(session: LoadSession, id: string | number, n: number, { messages, status, text }: Answer): void {
    const responses = messages.filter(({ error, result }) => error !== undefined || result !== undefined)
    const [own, ...more] = responses.filter((message) => message.id === id)
    const foreign = responses.length - (own === undefined ? 0 : 1) - more.length
    if (status === 200) this.duplicated += more.length + foreign
    const echo = own?.result?.["structuredContent"] as Echo | undefined
    if (status === 200 && own?.error !== undefined && this.#options.outage !== undefined) return void session.doubts.push(text)
    if (status !== 200 || echo?.n !== n) return this.#fail(`HTTP ${status} ${text}`)
    for (const doubt of session.doubts.splice(0)) this.#fail(doubt)
    this.ok += 1
    session.answered += 1
    if (!session.generations.some(({ pid, token }) => pid === echo.pid && token === echo.token)) {
      session.generations.push({ pid: echo.pid, token: echo.token })
    }
  }
}

/** Sessions that are being called until the scope ends, or until it is told to stop. */
export const startLoad = (options: LoadOptions): Effect.Effect<Load, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const load = new Load(options)
      await load.open()
      load.start()
      return load
    }),
    (load) => Effect.promise(() => load.stop())
  )
