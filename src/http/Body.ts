import { HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { NodeHttpServerRequest } from "@effect/platform-node"
import { Data, Effect } from "effect"
import type { Parameters } from "../domain/Parameters.ts"
import { parseParameters } from "../domain/Parameters.ts"
import { readBody } from "./BodyReader.ts"

/** Bytes. No form or registration of an OAuth client comes near it. */
export const maxOAuthBody = 64 * 1024

/** The body cannot be read, or is of the wrong kind; the sentence is for whoever wrote the client. */
export class BodyProblem extends Data.TaggedError("BodyProblem")<{ readonly status: 400 | 413 | 415; readonly description: string }> {}

const contentTypeOf = (request: HttpServerRequest.HttpServerRequest): string =>
  (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? ""

const readText = Effect.fnUntraced(function*(contentType: string) {
  const request = yield* HttpServerRequest.HttpServerRequest
  if (contentTypeOf(request) !== contentType) {
    return yield* new BodyProblem({ status: 415, description: `The content type of this request must be "${contentType}".` })
  }
  return yield* readBody(NodeHttpServerRequest.toIncomingMessage(request), maxOAuthBody).pipe(
    Effect.mapError((error) =>
      error._tag === "BodyTooLarge"
        ? new BodyProblem({ status: 413, description: `The body may have at most ${error.limit} bytes.` })
        : new BodyProblem({ status: 400, description: error.why === "not UTF-8" ? "The body is not UTF-8." : "The body ended before it was complete." })
    )
  )
})

/** A form body (RFC 6749 section 3.2). */
export const readForm: Effect.Effect<Parameters, BodyProblem, HttpServerRequest.HttpServerRequest> = Effect.map(
  readText("application/x-www-form-urlencoded"),
  parseParameters
)

/** A JSON body. */
export const readJson: Effect.Effect<unknown, BodyProblem, HttpServerRequest.HttpServerRequest> = Effect.flatMap(
  readText("application/json"),
  (text) =>
    Effect.try({
      try: (): unknown => JSON.parse(text),
      catch: () => new BodyProblem({ status: 400, description: "The body is not valid JSON." })
    })
)

/** The query of the request's URL, without decoding. */
export const queryOf = (request: HttpServerRequest.HttpServerRequest): string => {
  const start = request.url.indexOf("?")
  return start === -1 ? "" : request.url.slice(start + 1)
}

/**
 * Clients in a browser (the MCP Inspector) read metadata, register and fetch tokens across origins. None of that looks
 * at cookies, so any origin may.
 */
export const withCors = HttpServerResponse.setHeaders({
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "WWW-Authenticate"
})

export const preflight = (methods: string) =>
  HttpServerResponse.empty({
    status: 204,
    headers: {
      "access-control-allow-origin": "*",
      "access-control-allow-methods": methods,
      "access-control-allow-headers": "authorization, content-type, mcp-protocol-version",
      "access-control-max-age": "86400"
    }
  })
