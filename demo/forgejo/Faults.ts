/**
 * What goes wrong with a request:
 * - `reset`: the connection is reset before anything happens;
 * - `hang`: the request is taken and never answered;
 * - `hangMidBody`: the request is carried out, half of the answer comes, then nothing more;
 * - `loseAnswer`: the request is carried out (a token is rotated, an issue made), then the connection is reset;
 * - `answer`: nothing is carried out, this is the answer (500 or 502 as HTML, 429, ...);
 * - `huge`: nothing is carried out, the answer is 200 and a JSON object of `bytes` (5 MiB unless told);
 * - `delay`: carried out and answered, `ms` later.
 */
export type FaultAction =
  | { readonly kind: "reset" | "hang" | "hangMidBody" | "loseAnswer" }
  | {
    readonly kind: "answer"
    readonly status: number
    readonly body?: string
    readonly contentType?: string
    readonly headers?: Readonly<Record<string, string>>
  }
  | { readonly kind: "huge"; readonly bytes?: number }
  | { readonly kind: "delay"; readonly ms: number }

export interface Fault {
  /** The whole path without query, or an expression that must match it. */
  readonly path: string | RegExp
  /** Any method when absent. */
  readonly method?: string
  readonly action: FaultAction
  /** How many requests it hits; when absent, all until it is removed. */
  readonly times?: number
}

export interface Faults {
  /** Adds a fault and gives back what removes it. The first one added that matches a request is the one that acts. */
  readonly add: (fault: Fault) => () => void
  readonly clear: () => void
  /** The fault for this request, counted down. Called by the server once a request. */
  readonly take: (method: string, path: string) => FaultAction | undefined
}

/** A page as a reverse proxy in front of a dead Forgejo shows it. */
export const badGateway: FaultAction = {
  kind: "answer",
  status: 502,
  body: "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>",
  contentType: "text/html"
}

/** Forgejo's own page for a panic or a database error. */
export const internalError: FaultAction = {
  kind: "answer",
  status: 500,
  body: "<!DOCTYPE html><html><head><title>Internal Server Error</title></head><body>500 Internal Server Error</body></html>",
  contentType: "text/html; charset=utf-8"
}

/** A reverse proxy's limit; Forgejo itself has none. */
export const tooManyRequests = (retryAfterSeconds: number): FaultAction => ({
  kind: "answer",
  status: 429,
  body: "Too Many Requests",
  contentType: "text/plain",
  headers: { "retry-after": String(retryAfterSeconds) }
})

export const makeFaults = (): Faults => {
  const active: Array<{ readonly fault: Fault; left: number }> = []
  const remove = (entry: (typeof active)[number]) => {
    const at = active.indexOf(entry)
    if (at >= 0) active.splice(at, 1)
  }
  return {
    add: (fault) => {
      const entry = { fault, left: fault.times ?? Infinity }
      active.push(entry)
      return () => remove(entry)
    },
    clear: () => {
      active.length = 0
    },
    take: (method, path) => {
      const entry = active.find(({ fault }) =>
        (fault.method === undefined || fault.method === method)
        && (typeof fault.path === "string" ? fault.path === path : fault.path.test(path))
      )
      if (entry === undefined) return undefined
      entry.left -= 1
      if (entry.left <= 0) remove(entry)
      return entry.fault.action
    }
  }
}
