// What check scripts print: a line for each check, and the count as the last one.
export const report = () => {
  const count = { passed: 0, failed: 0, skipped: 0 }
  return {
    ok: (what) => {
      count.passed += 1
      console.log(`ok  ${what}`)
    },
    failed: (what, why = "") => {
      count.failed += 1
      console.log(`FAILED  ${what}${why === "" ? "" : `\n${why.replace(/^/gm, "    ")}`}`)
    },
    skipped: (what) => {
      count.skipped += 1
      console.log(`skipped  ${what}`)
    },
    finish: () => {
      console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
      process.exitCode = count.failed === 0 ? 0 : 1
    }
  }
}
