/** Numbers from 0 to 1, the same for the same seed (mulberry32): what goes wrong with one can be tried again. */
export const random = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
}

/** The seed that `FJMCP_TEST_SEED` gives, else another each time. It is printed, so that a failure can be tried again. */
export const seeded = (): (() => number) => {
  const seed = Number(process.env["FJMCP_TEST_SEED"] ?? Date.now() % 1_000_000)
  console.log(`FJMCP_TEST_SEED=${seed}`)
  return random(seed)
}
