import type { EventStream } from "../services/Sessions.ts"

/**
 * An answer of the MCP endpoint before it is written: plain data, for making one must cost nothing. The platform's own
 * responses copy their headers at every step.
 */
export interface McpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Nothing but headers, a text, or events until their final one. */
  readonly body: undefined | string | EventStream
}

const noStore = { "cache-control": "no-store" } as const

/** Of all answers: no browser may take them for anything but what they say they are. */
const always = { ...noStore, "x-content-type-options": "nosniff" } as const
const ofJson = { ...always, "content-type": "application/json" } as const

type Headers = McpAnswer["headers"]

export const jsonAnswer = (line: string, status = 200, headers?: Headers): McpAnswer => ({
  status,
  headers: headers === undefined ? ofJson : { ...ofJson, ...headers },
  body: line
})

export const textAnswer = (text: string, status: number): McpAnswer => ({ status, headers: { ...always, "content-type": "text/plain" }, body: text })

export const emptyAnswer = (status: number, headers?: Headers): McpAnswer => ({ status, headers: { ...always, ...headers }, body: undefined })

/** `x-accel-buffering`: nginx would hold events back. */
export const eventsAnswer = (stream: EventStream, headers?: Headers): McpAnswer => ({
  status: 200,
  headers: { ...always, "content-type": "text/event-stream", "x-accel-buffering": "no", ...headers },
  body: stream
})
