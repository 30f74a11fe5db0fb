import { Cause, Context, Effect, FiberId, Layer, Option, Runtime, RuntimeFlags, Scope } from "effect"
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http"
import { AppConfig } from "../services/AppConfig.ts"
import { Draining } from "../services/Draining.ts"
import { clientGone, makeAccessLog } from "./AccessLog.ts"
import { sentences } from "./Edge.ts"
import type { McpAnswer } from "./McpAnswer.ts"
import { textAnswer } from "./McpAnswer.ts"
import { makeMcpHandler } from "./McpHandler.ts"
import { isOwnHost, ownHosts } from "./Origins.ts"
import { RequestScope } from "./RequestScope.ts"
import { writeEvents } from "./Sse.ts"

/**
 * `/mcp`, straight behind Node's server: one fiber a request, and none of the platform's routes, requests and responses, which
 * cost more than all that the broker does with a call (docs/performance.md). The owner of the fiber is the request: it ends
 * when the answer is written, or the client gone.
 */
export class McpEndpoint extends Context.Tag("fjmcp/McpEndpoint")<McpEndpoint, RequestListener>() {}

/** Whether a request is for the endpoint. Every address has one spelling. */
export const isForMcp = ({ url }: Pick<IncomingMessage, "url">): boolean => url === "/mcp" || url?.startsWith("/mcp?") === true

const path = "/mcp"

/** What a slow client leaves lying may lie as a text where it is short; else as bytes, which the heap does not hold. */
const outOfHeap = (text: string): string | Buffer => text.length > 64 * 1024 ? Buffer.from(text) : text

const make = Effect.gen(function*() {
  const { publicUrl } = yield* AppConfig
  const { isDraining } = yield* Draining
  const handle = yield* makeMcpHandler
  const log = yield* makeAccessLog
  const clock = yield* Effect.clock
  const hosts = ownHosts(publicUrl)
  const { fiberRefs, runtimeFlags: ofLayer } = yield* Effect.runtime()
  // A layer is built where nothing can be interrupted; a request can.
  const runtimeFlags = RuntimeFlags.enable(ofLayer, RuntimeFlags.Interruption)
  const run = (effect: Effect.Effect<void, never, Scope.Scope>, scope: Scope.Scope) =>
    Runtime.runFork(Runtime.make({ context: Context.make(Scope.Scope, scope), fiberRefs, runtimeFlags }))(effect)

  const write = (response: ServerResponse, { body, headers, status }: McpAnswer): Effect.Effect<void> => {
    if (typeof body === "object") {
      response.writeHead(status, headers)
      return Effect.zipRight(writeEvents(body, isDraining, (text) => send(response, text)), Effect.sync(() => void response.end()))
    }
    if (body === undefined) {
      response.writeHead(status, headers).end()
      return Effect.void
    }
    const content = outOfHeap(body)
    // With its length known the whole answer goes out in one piece.
    response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(content) }).end(content)
    return Effect.void
  }

  /** Waits where the client reads more slowly than is written. */
  const send = (response: ServerResponse, text: string): Effect.Effect<void> =>
    Effect.suspend(() => response.write(outOfHeap(text)) ? Effect.void : drained(response))

  const serve = (request: IncomingMessage, response: ServerResponse, began: number): Effect.Effect<void, never, Scope.Scope> => {
    const answered = (answer: McpAnswer): Effect.Effect<void> => {
      log({ method: request.method ?? "", path, status: answer.status, began })
      return write(response, answer)
    }
    if (!isOwnHost(request, hosts)) return answered(textAnswer(sentences[403], 403))
    return handle(request).pipe(
      Effect.matchCauseEffect({
        onSuccess: answered,
        onFailure: (cause) =>
          Option.match(Cause.failureOption(cause), {
            onSome: ({ answer }) => answered(answer),
            onNone: () =>
              Effect.zipRight(
                Effect.annotateLogs(Effect.logError("http.defect", cause), { path }),
                Effect.suspend(() => answered(textAnswer(sentences[500], 500)))
              )
          })
      }),
      // A stream that breaks in its middle can only be cut.
      Effect.catchAllDefect((defect) => Effect.zipRight(Effect.annotateLogs(Effect.logError("http.defect", defect), { path }), Effect.sync(() => void response.destroy())))
    )
  }

  return McpEndpoint.of((request, response) => {
    const began = clock.unsafeCurrentTimeMillis()
    const scope = new RequestScope()
    const fiber = run(Effect.suspend(() => serve(request, response, began)), scope)
    // Whatever has ended it: nobody else would answer.
    fiber.addObserver(() => {
      if (!response.writableEnded) response.destroy()
    })
    // It comes behind the last byte of the answer, or when the client goes before.
    response.once("close", () => {
      if (!response.writableFinished) {
        if (!response.headersSent) log({ method: request.method ?? "", path, status: clientGone, began })
        fiber.unsafeInterruptAsFork(FiberId.none)
      }
      // What cannot be interrupted may come to need the scope yet.
      fiber.addObserver(() => {
        const { close } = scope
        if (close !== undefined) run(close, scope)
      })
    })
  })
})

export const McpEndpointLive = Layer.effect(McpEndpoint, make)

const drained = (response: ServerResponse) =>
  Effect.async<void>((resume) => {
    const go = () => resume(Effect.void)
    response.once("drain", go)
    return Effect.sync(() => void response.off("drain", go))
  })
