import { join } from "node:path"
import type { Settings } from "../../src/services/AppConfig.ts"

/** Settings of a broker over `echo-child.mjs`, which keeps nothing between calls and, as far as they say, asks nothing. */
export const echoChild: Partial<Settings> = {
  childCommand: [process.execPath, join(import.meta.dirname, "echo-child.mjs")],
  childPreset: "forgejo-mcp",
  childStateful: false
}

/** What its tool `work` does. */
export interface Work {
  /** Stands in everything that comes of the call. */
  readonly nonce: string
  /** Progress notifications, if the call has a token; and log messages, where `log` is set. */
  readonly steps: number
  /** Milliseconds between two messages. */
  readonly pause: number
  readonly log?: boolean
  /** Announces that the tools have changed, first. */
  readonly changed?: boolean
}

/** One message as the child has got it. */
export interface Seen {
  readonly id?: number
  readonly method: string
  readonly nonce?: string
  readonly progressToken?: string | number
  readonly requestId?: number
}
