// What a check script says: a line for each thing it looked at, and `N passed, N failed, N skipped` as the last one.

/** @returns how to check, skip and end; a check fails by throwing */
export const tally = () => {
  const count = { passed: 0, failed: 0, skipped: 0 }
  const line = (kind, word, name, why = "") => {
    count[kind] += 1
    console.log(`${word.padEnd(7)}  ${name}`)
    if (why !== "") console.log(why.trimEnd().replace(/^/gm, "         "))
  }
  return {
    /** @returns what `run` gives, or undefined where it failed */
    check: async (name, run) => {
      try {
        const value = await run()
        line("passed", "ok", name)
        return value
      } catch (error) {
        line("failed", "FAILED", name, error instanceof Error ? error.message : String(error))
        return undefined
      }
    },
    skip: (name, why) => line("skipped", "skipped", name, why),
    end: () => {
      console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
      process.exitCode = count.failed === 0 ? 0 : 1
    }
  }
}

/** Fails the check that it is called in. */
export const expect = (holds, problem) => {
  if (!holds) throw new Error(problem)
}
