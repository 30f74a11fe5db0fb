import { Effect, type Scope } from "effect"

/** Where the clients and a Node that can run them are. */
export interface Tools {
  readonly node: string
  /** A folder `node_modules`. */
  readonly packages: string
}

/** One thing that a client does with the broker. It dies with what went wrong. */
export interface Check {
  readonly name: string
  readonly run: Effect.Effect<void, never, Scope.Scope>
}

/** Dies where a text does not hold all of `parts`. */
export const contains = (text: string, ...parts: ReadonlyArray<string>): Effect.Effect<void> => {
  const missing = parts.filter((part) => !text.includes(part))
  return missing.length === 0 ? Effect.void : Effect.dieMessage(`no ${missing.join(", ")} in: ${text.slice(0, 2000)}`)
}
