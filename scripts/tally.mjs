// How a check script says what it found: by name, and a check fails by throwing.
import { report } from "./units/report.mjs"

export const tally = () => {
  const { failed, finish, ok, skipped } = report()
  return {
    check: async (name, run) => {
      try {
        await run()
        ok(name)
      } catch (error) {
        failed(name, error instanceof Error ? error.message : String(error))
      }
    },
    skip: (name, why) => skipped(`${name}: ${why}`),
    end: finish
  }
}

/** Fails the check that it is called in. */
export const expect = (holds, problem) => {
  if (!holds) throw new Error(problem)
}
