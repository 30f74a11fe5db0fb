import type { HttpClientError, HttpClientRequest } from "@effect/platform"
import { FetchHttpClient, HttpClient } from "@effect/platform"
import { Effect, Predicate, Stream } from "effect"
import { UpstreamUnavailable } from "../services/Upstream.ts"

/** Bytes of one answer: the largest that Forgejo gives here is a few KiB. */
const maxAnswer = 64 * 1024

export interface Answer {
  readonly status: number
  readonly text: string
}

/** One request: the whole of its answer, within the time and size limits. `endpoint` names it in errors. */
export type Ask = (endpoint: string, request: HttpClientRequest.HttpClientRequest) => Effect.Effect<Answer, UpstreamUnavailable>

/** Network trouble in a few words. The error itself holds the request, with its secrets, and goes nowhere. */
const troubleOf = (error: HttpClientError.HttpClientError): string => {
  const cause = error.cause
  const inner = Predicate.hasProperty(cause, "cause") ? cause.cause : undefined
  const code = [cause, inner].map((each) => Predicate.hasProperty(each, "code") ? each.code : undefined).find(Predicate.isString)
  switch (code) {
    case "ECONNREFUSED":
      return "the connection was refused"
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "its host name cannot be resolved"
    case "ECONNRESET":
    case "EPIPE":
      return "the connection was cut"
    default:
      return code === undefined ? "the request failed" : `the request failed with ${code}`
  }
}

/**
 * Asks Forgejo. Redirects are not followed (they would carry secrets to where they point), no trace headers are sent,
 * and nothing of a request is put on a span.
 */
export const makeAsk = (client: HttpClient.HttpClient): Ask => {
  const quiet = client.pipe(HttpClient.withTracerDisabledWhen(() => true))
  return (endpoint, request) =>
    quiet.execute(request).pipe(
      Effect.flatMap((response) =>
        response.stream.pipe(
          Stream.runFoldEffect({ chunks: [] as ReadonlyArray<Uint8Array>, size: 0 }, (read, chunk) =>
            read.size + chunk.byteLength > maxAnswer
              ? Effect.fail(new UpstreamUnavailable({ endpoint, reason: `its answer is larger than ${maxAnswer} bytes` }))
              : Effect.succeed({ chunks: [...read.chunks, chunk], size: read.size + chunk.byteLength })),
          Effect.map((read) => ({ status: response.status, text: Buffer.concat(read.chunks).toString("utf8") }))
        )
      ),
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
      Effect.catchTags({
        RequestError: (error) => new UpstreamUnavailable({ endpoint, reason: troubleOf(error) }),
        // Some clients report an empty body as an error of its own.
        ResponseError: (error) =>
          error.reason === "EmptyBody"
            ? Effect.succeed({ status: error.response.status, text: "" })
            : new UpstreamUnavailable({ endpoint, reason: troubleOf(error) })
      }),
      // A caller that must not lose the answer is uninterruptible, and a timeout in there would never come.
      Effect.interruptible,
      Effect.timeoutFail({
        duration: "10 seconds",
        onTimeout: () => new UpstreamUnavailable({ endpoint, reason: "no whole answer came within 10 seconds" })
      })
    )
}
