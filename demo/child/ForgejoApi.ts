import { request as httpRequest } from "node:http"
import { request as httpsRequest } from "node:https"

export interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: Buffer
}

/** Calls to Forgejo with one token for life. No call has a time limit: like the original's, it waits for as long as Forgejo does. */
export interface ForgejoApi {
  /** The decoded answer of `/api/v1{path}`; undefined for an empty one. Fails with Forgejo's message. */
  readonly call: (method: string, path: string, options?: { readonly query?: URLSearchParams; readonly body?: unknown }) => Promise<unknown>
  /** Any URL, with the token, as the original's download tools do it. */
  readonly fetchWithToken: (url: string) => Promise<Answer>
}

export interface ApiOptions {
  readonly url: string
  /** Empty: no Authorization header. */
  readonly token: string
  readonly userAgent: string
}

export const forgejoApi = ({ token, url, userAgent }: ApiOptions): ForgejoApi => {
  const headers = { "user-agent": userAgent, accept: "application/json", ...(token === "" ? {} : { authorization: `token ${token}` }) }

  const send = (method: string, target: string, body: string | undefined): Promise<Answer> =>
    new Promise((resolve, reject) => {
      // A connection a call: an idle one that the server closes at the wrong moment would fail a call that may not be repeated.
      const content = body === undefined ? {} : { "content-type": "application/json" }
      const options = { method, agent: false as const, headers: { ...headers, ...content } }
      const call = (target.startsWith("https:") ? httpsRequest : httpRequest)(target, options, (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.once("error", reject)
        response.once("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            contentType: response.headers["content-type"] ?? "",
            body: Buffer.concat(chunks)
          })
        )
      })
      call.once("error", (cause) => reject(new Error(`${method === "GET" ? "Get" : "Request"} "${target}": ${cause.message}`)))
      call.end(body)
    })

  return {
    call: async (method, path, { body, query } = {}) => {
      const search = query === undefined || query.size === 0 ? "" : `?${query}`
      const answer = await send(method, `${url}/api/v1${path}${search}`, body === undefined ? undefined : JSON.stringify(body))
      const text = answer.body.toString("utf8")
      if (answer.status >= 200 && answer.status < 300) return text === "" ? undefined : decode(text)
      const unknown = `Unknown API Error: ${answer.status}\nRequest: '${path}' with '${method}' method and '${text.slice(0, 1024)}' body`
      throw new Error(messageOf(text) ?? unknown)
    },
    fetchWithToken: (target) => send("GET", target, undefined)
  }
}

const decode = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`invalid character '${text.slice(0, 1)}' looking for beginning of value`)
  }
}

const messageOf = (text: string): string | undefined => {
  try {
    const { message } = Object(JSON.parse(text)) as { message?: unknown }
    return typeof message === "string" ? message : undefined
  } catch {
    return undefined
  }
}
