import type { Fiber } from "effect"
import type { Account } from "./SessionModel.ts"

/** How what was asked must come out. `Error` and `Refused` are answers: of the broker, and of the child. */
export type Due =
  | { readonly _tag: "Result" | "Refused" | "Error" | "Done" | "Interrupted" | "Pong" }
  | { readonly _tag: "Failure"; readonly tags: ReadonlyArray<string> }

/** What a client has asked for, from the moment it asks until the model and the real thing agree on what came of it. */
export interface Asked {
  /** Goes with the request: by it one sees which child has got it. */
  readonly n: number
  readonly what: "open" | "call" | "default" | "notify" | "end" | "ping"
  /** By whom. */
  readonly account: Account
  readonly grant: number
  /** Gives the response, where there is one. */
  readonly fiber: Fiber.RuntimeFiber<Readonly<Record<string, unknown>> | undefined, { readonly _tag: string }>
  /** The id of a session, for the client that opened it. */
  readonly opened: () => string | undefined
  sentAt: number
  isSecondTry: boolean
  /** Of a request without an id. */
  hasGoneToBrokersOwn: boolean
  /** Nobody waits for it any more, although the child has it. */
  isLeft: boolean
  due: Due | undefined
}
