import { Effect } from "effect"

const secretFields = new Set(
  ["access_token", "client_secret", "code", "code_verifier", "form_token", "password", "refresh_token", "state", "token"]
)

/** Every secret that passes through this process's `fetch`, with the field that it was in. */
export class Wiretap {
  readonly secrets = new Map<string, string>()
  /** The fields that held one. */
  readonly kinds = new Set<string>()

  note(where: string, value: unknown): void {
    if (typeof value !== "string" || value.length < 8) return
    this.secrets.set(value, where)
    this.kinds.add(where)
  }

  parameters(parameters: URLSearchParams): void {
    for (const [name, value] of parameters) if (secretFields.has(name)) this.note(name, value)
  }

  headers(headers: Headers): void {
    this.note("authorization", headers.get("authorization")?.split(" ")[1])
    this.note("mcp-session-id", headers.get("mcp-session-id"))
    for (const line of headers.getSetCookie()) this.note("set-cookie", /^[^=]+=([^;]*)/.exec(line)?.[1])
    const location = headers.get("location")
    if (location !== null) this.parameters(new URL(location, "http://relative").searchParams)
  }

  body(text: string): void {
    for (const fields of [/"(\w+)":\s*"([^"]*)"/g, /name="(\w+)" value="([^"]*)"/g]) {
      for (const [, name = "", value = ""] of text.matchAll(fields)) if (secretFields.has(name)) this.note(name, value)
    }
  }

  /** The secrets that stand in `text`, by their fields. */
  foundIn(text: string): ReadonlyArray<string> {
    return [...this.secrets].filter(([secret]) => text.includes(secret)).map(([secret, where]) => `${where}: ${secret.slice(0, 6)}...`)
  }
}

/** Listens in on `fetch` until the scope ends. */
export const wiretap = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const tap = new Wiretap()
      const real = globalThis.fetch
      globalThis.fetch = async (input, init) => {
        tap.parameters(new URL(String(input)).searchParams)
        tap.headers(new Headers(init?.headers))
        if (init?.body instanceof URLSearchParams) tap.parameters(init.body)
        const response = await real(input, init)
        tap.headers(response.headers)
        if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) tap.body(await response.clone().text())
        return response
      }
      return { tap, real }
    }),
    ({ real }) =>
      Effect.sync(() => {
        globalThis.fetch = real
      })
  ),
  ({ tap }) => tap
)
