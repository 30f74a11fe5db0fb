import { Effect, Either } from "effect"
import type { IncomingMessage } from "node:http"
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

const both: Accepted = { json: true, sse: true }

/** `Accept`: none, or `*` in the right place, takes everything. Weights other than `q=0` make no difference. */
export const accepted = (header: string | undefined): Accepted => {
  // What the SDKs send, and the specification asks for.
  if (header === "application/json, text/event-stream") return both
  const ranges = (header ?? "*/*").split(",").flatMap((range) => {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase())
    return parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter)) ? [] : [type]
  })
  const takes = (...types: ReadonlyArray<string>) => types.some((type) => ranges.includes(type))
  return { json: takes("application/json", "application/*", "*/*"), sse: takes("text/event-stream", "text/*", "*/*") }
}

/** The headers of a request. Node makes a list of `Set-Cookie` alone, and joins others that come twice. */
export type McpHeaders = Readonly<Record<string, string | undefined>>
export const headersOf = ({ headers }: IncomingMessage): McpHeaders => headers as McpHeaders

/** The version header, trimmed; a revision that nobody knows is refused. */
export const versionOf = (headers: McpHeaders): Either.Either<string | undefined, McpRefusal> => {
  const version = headers["mcp-protocol-version"]?.trim()
  return version === undefined || isKnownVersion(version)
    ? Either.right(version)
    : Either.left(refusal(400, `MCP-Protocol-Version "${version.slice(0, 40)}" is not known here; send one of ${[...legacyVersions, modernVersion].join(", ")}.`))
}

type Limits = Pick<Settings, "maxBody" | "maxCallsPerSession" | "maxJsonDepth">

/** What a POST says, and what its answer may be. */
export interface Posted {
  readonly message: Message | Batch
  readonly accept: Accepted
}

/** Checks and reads a POST: 413, 415, 400, 406, in this order; a malformed message keeps its id where it has one. */
export const readMessage = (request: IncomingMessage, limits: Limits): Effect.Effect<Posted, McpRefusal> => {
  const headers = headersOf(request)
  const encoding = headers["content-encoding"]?.trim().toLowerCase() ?? ""
  const packed = encoding === "" || encoding === "identity"
    ? undefined
    : refusal(415, `Send the body as it is: Content-Encoding "${encoding.slice(0, 40)}" is not understood here.`)
  return Effect.matchEffect(readBody(request, limits.maxBody), {
    onFailure: (error) =>
      error._tag === "BodyTooLarge"
        ? refusal(413, `The body is larger than ${error.limit} bytes. Send less at once, or have the operator raise MAX_BODY.`)
        : error.why === "not UTF-8"
        ? packed ?? refusal(400, "The body is not UTF-8; send one JSON-RPC 2.0 message as UTF-8 text.", ErrorCode.parse)
        : refusal(400, "The body ended before it was complete. Send it again."),
    onSuccess: (text) => packed ?? messageOf(text, headers, limits)
  })
}

const isJson = (type: string | undefined): boolean => type === "application/json" || (type ?? "").split(";")[0]?.trim().toLowerCase() === "application/json"

const messageOf = (text: string, headers: McpHeaders, limits: Limits): Either.Either<Posted, McpRefusal> => {
  if (!isJson(headers["content-type"])) return Either.left(refusal(415, "Send the JSON-RPC message with Content-Type: application/json."))
  const value = parse(text, limits.maxJsonDepth)
  if (Either.isLeft(value)) return Either.left(new McpRefusal({ ...value.left, status: 400 }))
  const accept = accepted(headers.accept)
  if (!accept.json && !accept.sse) {
    return Either.left(refusal(406, "Answers are application/json or text/event-stream; Accept must allow at least one of them."))
  }
  const message: Either.Either<Message | Batch, Malformed> = Array.isArray(value.right) ? classifyBatch(value.right, limits.maxCallsPerSession) : classify(value.right)
  return Either.isLeft(message) ? Either.left(new McpRefusal({ ...message.left, status: 400 })) : Either.right({ message: message.right, accept })
}
