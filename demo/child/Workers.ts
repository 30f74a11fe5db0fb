/**
 * At most `size` of the works given to it run at one time, the others wait in order. Works that end early answer early:
 * this is how the original comes to answer out of order.
 */
export const workers = (size: number) => {
  let running = 0
  const waiting: Array<() => void> = []
  return async <A>(work: () => Promise<A>): Promise<A> => {
    if (running >= size) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running -= 1
      else next()
    }
  }
}
