/** One thing that is to be so: throws where it is not. */
export interface Check {
  readonly name: string
  readonly run: () => Promise<void>
}

export const expect = (condition: boolean, what: string, seen: unknown): void => {
  if (!condition) throw new Error(`${what}, but: ${typeof seen === "string" ? seen : JSON.stringify(seen)}`)
}

/** A check of the checks: what is broken on purpose must be noticed. */
export const mustFail = async (what: string, run: () => Promise<void>): Promise<void> => {
  try {
    await run()
  } catch {
    return
  }
  throw new Error(`${what} was not noticed`)
}
