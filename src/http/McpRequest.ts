import type { HttpServerRequest } from "@effect/platform"
import { Effect, Either } from "effect"
import type { Batch } from "../domain/Batch.ts"
import { classifyBatch } from "../domain/Batch.ts"
import { isKnownVersion, legacyVersions, modernVersion } from "../domain/Era.ts"
import type { Malformed, Message } from "../domain/JsonRpc.ts"
import { classify, ErrorCode, parse } from "../domain/JsonRpc.ts"
import type { Settings } from "../services/AppConfig.ts"
import { readBody } from "./BodyReader.ts"
import { McpRefusal } from "./McpRefusal.ts"

/** What the client can read: it gets JSON where it can, and a stream where something precedes the result. */
export interface Accepted {
  readonly json: boolean
  readonly sse: boolean
}

const refusal = (status: number, message: string, code: number = ErrorCode.invalidRequest) => new McpRefusal({ status, code, message })

/** `Accept`: none, or `*` in the right place, takes everything. Weights other than `q=0` make no difference. */
export const accepted = (header: string | undefined): Accepted => {
  const ranges = (header ?? "*/*").split(",").flatMap((range) => {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase())
    return parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter)) ? [] : [type]
  })
  const takes = (...types: ReadonlyArray<string>) => types.some((type) => ranges.includes(type))
  return { json: takes("application/json", "application/*", "*/*"), sse: takes("text/event-stream", "text/*", "*/*") }
}

/** The version header, trimmed; a revision that nobody knows is refused. */
export const versionOf = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<string | undefined, McpRefusal> => {
  const version = request.headers["mcp-protocol-version"]?.trim()
  return version === undefined || isKnownVersion(version)
    ? Effect.succeed(version)
    : Effect.fail(refusal(400, `MCP-Protocol-Version "${version.slice(0, 40)}" is not known here; send one of ${[...legacyVersions, modernVersion].join(", ")}.`))
}

/** Checks and reads a POST: 413, 415, 400, 406, in this order; a malformed message keeps its id where it has one. */
export const readMessage = (
  request: HttpServerRequest.HttpServerRequest,
  limits: Pick<Settings, "maxBody" | "maxCallsPerSession" | "maxJsonDepth">
): Effect.Effect<{ readonly message: Message | Batch; readonly accept: Accepted }, McpRefusal> =>
  Effect.gen(function*() {
    const encoding = request.headers["content-encoding"]?.trim().toLowerCase() ?? ""
    const packed = encoding === "" || encoding === "identity"
      ? undefined
      : refusal(415, `Send the body as it is: Content-Encoding "${encoding.slice(0, 40)}" is not understood here.`)
    const text = yield* readBody(request, limits.maxBody).pipe(
      Effect.mapError((error) =>
        error._tag === "BodyTooLarge"
          ? refusal(413, `The body is larger than ${error.limit} bytes. Send less at once, or have the operator raise MAX_BODY.`)
          : error.why === "not UTF-8"
          ? packed ?? refusal(400, "The body is not UTF-8; send one JSON-RPC 2.0 message as UTF-8 text.", ErrorCode.parse)
          : refusal(400, "The body ended before it was complete. Send it again.")
      )
    )
    if (packed !== undefined) return yield* packed
    const type = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase()
    if (type !== "application/json") return yield* refusal(415, "Send the JSON-RPC message with Content-Type: application/json.")
    const value = yield* parse(text, limits.maxJsonDepth).pipe(Either.mapLeft((bad) => new McpRefusal({ ...bad, status: 400 })))
    const accept = accepted(request.headers.accept)
    if (!accept.json && !accept.sse) {
      return yield* refusal(406, "Answers are application/json or text/event-stream; Accept must allow at least one of them.")
    }
    const classified: Either.Either<Message | Batch, Malformed> = Array.isArray(value) ? classifyBatch(value, limits.maxCallsPerSession) : classify(value)
    const message = yield* classified.pipe(Either.mapLeft((bad) => new McpRefusal({ ...bad, status: 400 })))
    return { message, accept }
  })
