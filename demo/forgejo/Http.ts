import type { IncomingHttpHeaders, IncomingMessage } from "node:http"

/** A request read to its end. */
export interface Request {
  readonly method: string
  /** As sent, without query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly cookies: ReadonlyMap<string, string>
  readonly body: string
}

/** What a handler gives back; the server writes it, so that a fault can still get between. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string>>>
  readonly body: string
}

const maxBodyBytes = 10 * 1024 * 1024

/** Thrown for a body over 10 MiB. */
export class BodyTooLarge extends Error {}

export const readRequest = async (message: IncomingMessage): Promise<Request> => {
  const [path = "/", ...rest] = (message.url ?? "/").split("?")
  const chunks: Array<Buffer> = []
  let size = 0
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBodyBytes) throw new BodyTooLarge()
    chunks.push(chunk)
  }
  return {
    method: message.method ?? "GET",
    path,
    query: new URLSearchParams(rest.join("?")),
    headers: message.headers,
    cookies: readCookies(message.headers.cookie ?? ""),
    body: Buffer.concat(chunks).toString("utf8")
  }
}

const readCookies = (header: string): ReadonlyMap<string, string> =>
  new Map(header.split(";").flatMap((pair) => {
    const at = pair.indexOf("=")
    return at < 0 ? [] : [[pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as const]
  }))

/** The fields of a form, or the text fields of a JSON object when the body says that it is one. */
export const readForm = (request: Request): URLSearchParams => {
  if (!(request.headers["content-type"] ?? "").startsWith("application/json")) return new URLSearchParams(request.body)
  const parsed = parseJson(request.body)
  const fields = new URLSearchParams()
  for (const [name, value] of Object.entries(parsed ?? {})) {
    if (typeof value === "string") fields.set(name, value)
  }
  return fields
}

/** The JSON object in `text`, or undefined. */
export const parseJson = (text: string): Record<string, unknown> | undefined => {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed) ? parsed as Record<string, unknown> : undefined
  } catch {
    return undefined
  }
}

/** Name and password of `Authorization: Basic`, which Forgejo does not URL-decode; undefined when there is none or it cannot be read. */
export const readBasic = (request: Request): readonly [name: string, password: string] | undefined => {
  const match = /^Basic ([A-Za-z0-9+/]+={0,2})$/i.exec(request.headers.authorization ?? "")
  const text = Buffer.from(match?.[1] ?? "", "base64").toString("utf8")
  const at = text.indexOf(":")
  return at < 0 ? undefined : [text.slice(0, at), text.slice(at + 1)]
}

export const json = (status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers: { "content-type": "application/json;charset=utf-8", ...headers },
  body: JSON.stringify(value)
})

export const text = (status: number, body: string, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers: { "content-type": "text/plain; charset=utf-8", ...headers },
  body
})

export const html = (status: number, body: string): Reply => ({
  status,
  headers: { "content-type": "text/html; charset=utf-8", "x-frame-options": "SAMEORIGIN" },
  body
})

export const redirect = (location: string, cookies: ReadonlyArray<string> = []): Reply => ({
  status: 303,
  headers: { location, ...(cookies.length > 0 ? { "set-cookie": cookies } : {}) },
  body: ""
})
