import { Effect } from "effect"
import { request as httpRequest } from "node:http"

/** A JSON-RPC message as a client reads it. */
export interface Rpc {
  readonly jsonrpc?: string
  readonly id?: string | number
  readonly method?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: { readonly code: number; readonly message: string }
}

/** A whole HTTP answer. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

export const json = (answer: Answer): Readonly<Record<string, unknown>> => JSON.parse(answer.text) as Readonly<Record<string, unknown>>

/** The messages of an answer, of JSON or of a stream, in their order. */
export const messages = ({ headers, text }: Answer): ReadonlyArray<Rpc> => {
  if (!(headers.get("content-type") ?? "").startsWith("text/event-stream")) return text === "" ? [] : [JSON.parse(text) as Rpc]
  return text.split("\n").filter((line) => line.startsWith("data: {")).map((line) => JSON.parse(line.slice(6)) as Rpc)
}

/** The response among them, which must be the last one. */
export const response = (answer: Answer): Rpc => {
  const last = messages(answer).at(-1)
  if (last !== undefined && last.method === undefined) return last
  throw new Error(`no JSON-RPC response but ${answer.status} ${answer.text.slice(0, 300)}`)
}

export const errorOf = (answer: Answer): { readonly code: number; readonly message: string } => {
  const { error } = response(answer)
  if (error === undefined) throw new Error(`no error but ${answer.text.slice(0, 300)}`)
  return error
}

/** What a tool of the stand-in child answered. */
export const toolResult = (answer: Answer): unknown => {
  const [content] = response(answer).result?.["content"] as ReadonlyArray<{ readonly text?: string }> | undefined ?? []
  if (content?.text === undefined) throw new Error(`no result but ${answer.text.slice(0, 300)}`)
  return (JSON.parse(content.text) as { readonly Result: unknown }).Result
}

/** A request, and the whole of its answer; interrupting it hangs up. Fails where the connection does. */
export const exchange = (url: string, init: RequestInit = {}): Effect.Effect<Answer, Error> =>
  Effect.tryPromise({
    try: async (signal) => {
      const answer = await fetch(url, { redirect: "manual", ...init, signal })
      return { status: answer.status, headers: answer.headers, text: await answer.text() }
    },
    catch: (cause) => cause instanceof Error ? cause : new Error(String(cause))
  })

/** A stream as it comes: `first` is the first piece of its text. */
export interface Streamed {
  readonly status: number
  readonly headers: Headers
  readonly first: string
  /** All that has come so far, once it has this text in it; fails where the stream ends without. */
  readonly until: (text: string) => Effect.Effect<string, Error>
  /** What comes behind `first`, or behind what `until` gave, up to the end. */
  readonly rest: Effect.Effect<string, Error>
  readonly hangUp: () => void
}

export const openStream = (url: string, init: RequestInit): Effect.Effect<Streamed> =>
  Effect.promise(async () => {
    const controller = new AbortController()
    const answer = await fetch(url, { ...init, signal: controller.signal })
    const reader = (answer.body ?? new ReadableStream<Uint8Array>()).pipeThrough(new TextDecoderStream()).getReader()
    const first = (await reader.read()).value ?? ""
    let all = first
    const until = async (text: string) => {
      while (!all.includes(text)) {
        const piece = await reader.read()
        if (piece.done) throw new Error(`the stream has ended without ${text}: ${all.slice(-500)}`)
        all += piece.value
      }
      return all
    }
    const rest = async () => {
      let text = ""
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) text += piece.value
      return text
    }
    return {
      status: answer.status,
      headers: answer.headers,
      first,
      until: (text) => Effect.tryPromise({ try: () => until(text), catch: (cause) => cause as Error }),
      rest: Effect.tryPromise({ try: rest, catch: (cause) => cause as Error }),
      hangUp: () => controller.abort()
    }
  })

/** For what `fetch` does not let a page say: `Host`, unusual methods, a `path` that is none. */
export const rawRequest = (
  url: string,
  options: { readonly method?: string; readonly path?: string; readonly headers?: Readonly<Record<string, string>> } = {}
): Effect.Effect<Answer> =>
  Effect.async((resume) => {
    const request = httpRequest(url, { method: "GET", agent: false, ...options }, (answer) => {
      let text = ""
      answer.setEncoding("utf8").on("data", (piece: string) => (text += piece))
      answer.once("end", () => {
        const headers = new Headers(Object.entries(answer.headers).map(([name, value]): [string, string] => [name, String(value)]))
        resume(Effect.succeed({ status: answer.statusCode ?? 0, headers, text }))
      })
    })
    request.once("error", (error) => resume(Effect.die(error)))
    request.end()
  })
