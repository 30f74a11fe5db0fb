import type { Knobs } from "./Knobs.ts"
import type { State } from "./State.ts"
import type { Keys } from "./Tokens.ts"

/** What every handler of the stand-in is given. */
export interface World {
  /** ROOT_URL without its final slash. */
  readonly url: string
  readonly knobs: Knobs
  readonly state: State
  readonly keys: Keys
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** The sign-in form comes filled in with these. */
  readonly prefillLogin: { readonly login: string; readonly password: string } | undefined
}

/** The issuer as discovery and tokens show it. */
export const issuerOf = (world: World): string => world.knobs.issuerSlash ? `${world.url}/` : world.url

/** Whether this Forgejo has the fixes of May 2026. */
export const isStrict = (world: World): boolean => world.knobs.strictness === "15.0.2"

/** RFC 3339 without fractions, as Forgejo writes times. */
export const rfc3339 = (millis: number): string => new Date(millis).toISOString().replace(/\.\d+Z$/, "Z")
