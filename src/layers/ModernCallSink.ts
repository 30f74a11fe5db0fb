import { Effect, Either } from "effect"
import type { Ask as Question } from "../domain/InputRequired.ts"
import { askOf, declares, inputRequiredResult, isWellFormed, keysFor, needs, urlElicitations } from "../domain/InputRequired.ts"
import type { JsonObject, Notification, RequestId } from "../domain/JsonRpc.ts"
import { encodeError, encodeNotification, encodeResponse, ErrorCode } from "../domain/JsonRpc.ts"
import { isAtLeast } from "../domain/LogLevels.ts"
import type { ModernCaller } from "../domain/ModernCaller.ts"
import { ModernErrorCode } from "../domain/ModernEnvelope.ts"
import { modernAnswer } from "../domain/ModernResults.ts"
import { replaceId } from "../domain/ResponseId.ts"
import { visibleTools } from "../domain/ToolPolicy.ts"
import type { Answer, Ask, CallSink } from "./CallSink.ts"
import type { StreamableCall } from "./StreamableCall.ts"

/** Characters of a result that comes while nobody is there, until its retry. */
const maxKept = 256 * 1024
const tooLong = "Answered before the retry came, and longer than what is kept until then. The call has run."

/** JSON.parse takes any depth, JSON.stringify overflows the stack. */
const canBeWritten = (params: JsonObject): boolean => {
  try {
    return JSON.stringify(params) !== undefined
  } catch {
    return false
  }
}

/** The HTTP request that waits for a call at the moment. The first one has made the call; later ones bring answers. */
export interface Attached {
  readonly caller: ModernCaller
  /** What its state is sealed with: see `ModernRounds`. */
  readonly identity: string
  readonly channel: StreamableCall
}

export interface ModernCallOptions extends Omit<Attached, "channel"> {
  /** Answers that came with the request itself: they meet questions by the keys that these get. */
  readonly given: ReadonlyMap<string, unknown>
  /** Whether log messages of the child can only be this call's. */
  readonly isExclusive: boolean
  /** The `InitializeResult` of the child's program. */
  readonly told: () => JsonObject
  readonly makeChannel: (id: RequestId) => StreamableCall
  /** There are questions, and a request that can take them to the client. */
  readonly onQuestions: (sink: ModernCallSink) => void
}

interface OpenQuestion {
  readonly ask: Ask
  readonly question: Question
}

/**
 * One call of 2026-07-28 from its first request to its result. Where the child asks, the request is answered with what it
 * asks, and the call stays open with nobody attached, until a retry brings the answers.
 */
export class ModernCallSink implements CallSink {
  readonly isStreamed = true
  readonly ownsAsks = true
  /** The HTTP status of the result. */
  status = 200
  private readonly first: ModernCaller
  private readonly options: ModernCallOptions
  private attached: Attached
  private isAttached = true
  private readonly given: Map<string, unknown>
  private readonly questions = new Map<string, OpenQuestion>()
  private rounds = 0
  private result: string | undefined

  constructor(options: ModernCallOptions) {
    this.options = options
    this.first = options.caller
    this.given = new Map(options.given)
    this.attached = { caller: options.caller, identity: options.identity, channel: options.makeChannel(options.caller.id) }
  }

  /** What the request gets that is attached. */
  get channel(): StreamableCall {
    return this.attached.channel
  }

  /** Whether the request that got this channel still waits for its answer. */
  isWaiting(channel: StreamableCall): boolean {
    return this.isAttached && this.result === undefined && channel === this.channel
  }

  /**
   * A retry takes the call up, and hands the child what the client has answered; a question without a proper answer stays
   * open. Progress and log messages of the time when nobody was there are lost.
   */
  resume(caller: ModernCaller, identity: string, responses: ReadonlyMap<string, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.attached = { caller, identity, channel: this.options.makeChannel(caller.id) }
      this.isAttached = true
      if (this.result !== undefined) this.channel.complete(this.under(caller.id, this.result))
      const answers = [...this.questions].flatMap(([key, { ask, question }]) => {
        const response = responses.get(key)
        if (isWellFormed(question.method, response)) return [{ key, answer: ask.answer({ result: response }) }]
        // What one request has declared counts for no other.
        const undeclared = this.undeclared(question)
        return undeclared === undefined ? [] : [{ key, answer: ask.answer({ error: undeclared }) }]
      })
      // All before the first is sent: whatever it brings about is of the next round.
      for (const { key } of answers) this.questions.delete(key)
      if (this.questions.size > 0) this.options.onQuestions(this)
      return Effect.forEach(answers, ({ answer }) => answer, { discard: true })
    })
  }

  /**
   * Lets the request go with the open questions, by the keys that the client gets to see. Nothing where they were taken
   * back, or the result has come.
   */
  detach(): (Attached & { readonly questions: ReadonlyMap<string, Question> }) | undefined {
    if (!this.isAttached || this.questions.size === 0 || this.result !== undefined) return undefined
    this.isAttached = false
    this.rounds++
    return { ...this.attached, questions: new Map([...this.questions].map(([key, { question }]) => [key, question])) }
  }

  render({ body, method }: Answer): string {
    const { id, uri } = this.first
    const visits = "error" in body ? urlElicitations(body.error) : undefined
    if (visits !== undefined) return this.visitFirst(visits)
    const shown = method === "tools/list" && "result" in body ? { result: visibleTools(body.result) } : body
    const { line, status } = modernAnswer(id, { method, params: uri === undefined ? undefined : { uri } }, shown, this.options.told(), { retried: this.rounds > 0 })
    this.status = status
    return line
  }

  interim(_line: string, notification?: Notification): void {
    if (!this.isAttached || notification === undefined) return
    const { caller: { logLevel, progressToken }, channel } = this.attached
    const { method, params } = notification
    if (method === "notifications/message") {
      const isWanted = this.options.isExclusive && logLevel !== undefined && isAtLeast(params?.level, logLevel)
      if (isWanted) channel.interim(encodeNotification(method, params))
      return
    }
    if (progressToken !== undefined) channel.interim(encodeNotification(method, { ...params, progressToken }))
  }

  asked(ask: Ask): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      const read = askOf(ask)
      if (Either.isLeft(read)) return ask.answer({ error: read.left })
      if (!canBeWritten(read.right.params)) return ask.answer({ error: { code: ErrorCode.internal, message: "The request nests too deep to be passed on." } })
      const question = read.right
      const undeclared = this.undeclared(question)
      if (undeclared !== undefined) return ask.answer({ error: undeclared })
      const [key = ask.id] = keysFor([question], new Set(this.questions.keys()))
      const answer = this.given.get(key)
      if (this.given.delete(key) && isWellFormed(question.method, answer)) return ask.answer({ result: answer })
      this.questions.set(key, { ask, question })
      if (this.isAttached) this.options.onQuestions(this)
      return Effect.succeed(true)
    }).pipe(Effect.as(true))
  }

  withdrawn({ id }: Pick<Ask, "id">): void {
    for (const [key, { ask }] of this.questions) if (ask.id === id) this.questions.delete(key)
  }

  complete(line: string): void {
    if (this.result !== undefined) return
    this.questions.clear()
    this.result = this.isAttached || line.length <= maxKept ? line : encodeError(this.first.id, ErrorCode.internal, tooLong)
    if (this.isAttached) this.channel.complete(this.under(this.attached.caller.id, line))
  }

  /** The child wants URLs visited first, and the call made once more (2025-11-25, -32042): no state is needed for that. */
  private visitFirst(visits: ReadonlyArray<Question>): string {
    const { id } = this.first
    const needed = { elicitation: { url: {} } }
    if (declares(this.attached.caller.capabilities, needed)) {
      const keys = keysFor(visits)
      const questions = new Map(visits.map((visit, n) => [keys[n] ?? String(n), visit]))
      return encodeResponse(id, { result: inputRequiredResult(questions, undefined, this.options.told()) })
    }
    this.status = 400
    return encodeError(id, ModernErrorCode.missingCapability, "This call needs a URL visited first, and the request has not declared elicitation.url.", {
      requiredCapabilities: needed
    })
  }

  /** The error for a question that the request which is attached cannot be asked. */
  private undeclared({ method, params }: Question): JsonObject | undefined {
    const needed = needs({ method, params })
    return declares(this.attached.caller.capabilities, needed) ? undefined : {
      code: ModernErrorCode.missingCapability,
      message: `The client's request has not declared what "${method}" needs.`,
      data: { requiredCapabilities: needed }
    }
  }

  private under(id: RequestId, line: string): string {
    return id === this.first.id ? line : replaceId(line, id) ?? line
  }
}
