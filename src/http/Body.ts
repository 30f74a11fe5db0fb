import { HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Data, Effect, Option } from "effect"
import type { Parameters } from "../domain/Parameters.ts"
import { parseParameters } from "../domain/Parameters.ts"

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
  const tooLarge = new BodyProblem({ status: 413, description: `The body may have at most ${maxOAuthBody} bytes.` })
  // Over its own limit the library resets the connection; a length that is announced is answered.
  if (Number(request.headers["content-length"] ?? "0") > maxOAuthBody) return yield* tooLarge
  return yield* request.text.pipe(
    HttpServerRequest.withMaxBodySize(Option.some(maxOAuthBody)),
    // The cause is dropped: it can hold what was sent.
    Effect.mapError(() => new BodyProblem({ status: 400, description: "The body could not be read." }))
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
