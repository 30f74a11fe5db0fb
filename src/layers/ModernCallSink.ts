import { Effect, Either } from "effect"
import type { Ask as Question } from "../domain/InputRequired.ts"
import { askOf, declares, inputRequiredResult, isWellFormed, keysFor, needs, urlElicitations } from "../domain/InputRequired.ts"
import type { JsonObject, Notification, RequestId } from "../domain/JsonRpc.ts"
import { encodeError, encodeNotification, encodeResponse } from "../domain/JsonRpc.ts"
import { isAtLeast } from "../domain/LogLevels.ts"
import type { Envelope } from "../domain/ModernEnvelope.ts"
import { ModernErrorCode } from "../domain/ModernEnvelope.ts"
import { modernAnswer } from "../domain/ModernResults.ts"
import { replaceId } from "../domain/ResponseId.ts"
import { visibleTools } from "../domain/ToolPolicy.ts"
import type { Answer, Ask, CallSink } from "./CallSink.ts"
import { progressToken } from "./InFlightCalls.ts"
import type { StreamableCall } from "./StreamableCall.ts"

/** The HTTP request that waits for a call at the moment. The first one has made the call; later ones bring answers. */
export interface Attached {
  readonly envelope: Envelope
  readonly channel: StreamableCall
}

export interface ModernCallOptions {
  readonly envelope: Envelope
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
  /** The HTTP status of the result. */
  status = 200
  private readonly first: Envelope
  private readonly options: ModernCallOptions
  private attached: Attached
  private isAttached = true
  private readonly given: Map<string, unknown>
  private readonly questions = new Map<string, OpenQuestion>()
  private rounds = 0
  private result: string | undefined

  constructor(options: ModernCallOptions) {
    this.options = options
    this.first = options.envelope
    this.given = new Map(options.given)
    this.attached = { envelope: options.envelope, channel: options.makeChannel(options.envelope.request.id) }
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
   * open. What the child has said while there was nobody, and what needs no answer, is lost.
   */
  resume(envelope: Envelope, responses: ReadonlyMap<string, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.attached = { envelope, channel: this.options.makeChannel(envelope.request.id) }
      this.isAttached = true
      if (this.result !== undefined) this.channel.complete(this.under(envelope.request.id, this.result))
      const answers = [...this.questions].flatMap(([key, { ask, question }]) => {
        const response = responses.get(key)
        return isWellFormed(question.method, response) ? [{ key, answer: ask.answer({ result: response }) }] : []
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
    const { request } = this.first
    const visits = "error" in body ? urlElicitations(body.error) : undefined
    if (visits !== undefined) return this.visitFirst(visits)
    const shown = method === "tools/list" && "result" in body ? { result: visibleTools(body.result) } : body
    const { line, status } = modernAnswer(request.id, request, shown, this.options.told(), { retried: this.rounds > 0 })
    this.status = status
    return line
  }

  interim(_line: string, notification?: Notification): void {
    if (!this.isAttached || notification === undefined) return
    const { channel, envelope } = this.attached
    const { method, params } = notification
    if (method === "notifications/message") {
      const isWanted = this.options.isExclusive && envelope.logLevel !== undefined && isAtLeast(params?.level, envelope.logLevel)
      if (isWanted) channel.interim(encodeNotification(method, params))
      return
    }
    const token = progressToken(envelope.request.params)
    if (token !== undefined) channel.interim(encodeNotification(method, { ...params, progressToken: token }))
  }

  asked(ask: Ask): Effect.Effect<void> {
    return Effect.suspend(() => {
      const read = askOf(ask)
      if (Either.isLeft(read)) return ask.answer({ error: read.left })
      const question = read.right
      const needed = needs(question)
      if (!declares(this.attached.envelope.capabilities, needed)) {
        const message = `The client's request has not declared what "${ask.method}" needs.`
        return ask.answer({ error: { code: ModernErrorCode.missingCapability, message, data: { requiredCapabilities: needed } } })
      }
      const [key = ask.id] = keysFor([question], new Set(this.questions.keys()))
      const answer = this.given.get(key)
      if (this.given.delete(key) && isWellFormed(question.method, answer)) return ask.answer({ result: answer })
      this.questions.set(key, { ask, question })
      if (this.isAttached) this.options.onQuestions(this)
      return Effect.void
    })
  }

  withdrawn({ id }: Pick<Ask, "id">): void {
    for (const [key, { ask }] of this.questions) if (ask.id === id) this.questions.delete(key)
  }

  complete(line: string): void {
    if (this.result !== undefined) return
    this.result = line
    this.questions.clear()
    if (this.isAttached) this.channel.complete(this.under(this.attached.envelope.request.id, line))
  }

  /** The child wants URLs visited first, and the call made once more (2025-11-25, -32042): no state is needed for that. */
  private visitFirst(visits: ReadonlyArray<Question>): string {
    const { id } = this.first.request
    const needed = { elicitation: { url: {} } }
    if (declares(this.attached.envelope.capabilities, needed)) {
      const keys = keysFor(visits)
      const questions = new Map(visits.map((visit, n) => [keys[n] ?? String(n), visit]))
      return encodeResponse(id, { result: inputRequiredResult(questions, undefined, this.options.told()) })
    }
    this.status = 400
    return encodeError(id, ModernErrorCode.missingCapability, "This call needs a URL visited first, and the request has not declared elicitation.url.", {
      requiredCapabilities: needed
    })
  }

  private under(id: RequestId, line: string): string {
    return id === this.first.request.id ? line : replaceId(line, id) ?? line
  }
}
