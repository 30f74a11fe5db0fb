/** A request that came in. Secrets of bodies are not kept; `authorization` is, since tests ask where tokens went. */
export interface RecordedRequest {
  readonly method: string
  /** Without query. */
  readonly path: string
  readonly query: string
  readonly authorization: string | undefined
  readonly userAgent: string | undefined
}

export interface Recorder {
  /** The last 10,000 requests, oldest first. */
  readonly all: ReadonlyArray<RecordedRequest>
  /** How many of the remembered requests went to `path`, of any method unless given. */
  readonly count: (path: string, method?: string) => number
  readonly clear: () => void
  readonly add: (request: RecordedRequest) => void
}

const kept = 10_000

export const makeRecorder = (): Recorder => {
  const all: Array<RecordedRequest> = []
  return {
    all,
    count: (path, method) => all.filter((request) => request.path === path && (method === undefined || request.method === method)).length,
    clear: () => {
      all.length = 0
    },
    add: (request) => {
      all.push(request)
      if (all.length > kept) all.shift()
    }
  }
}
