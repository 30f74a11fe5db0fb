import { Chunk, Effect, Exit } from "effect"

/** Lines on their way from a pipe to the one fiber that takes them, and how the pipe ended. */
export class LineQueue<E> {
  private lines: Array<string> = []
  private ended: Exit.Exit<never, E> | undefined
  private waiter: ((resumed: Effect.Effect<void>) => void) | undefined
  private readonly onTaken: (lines: ReadonlyArray<string>) => void

  /** `onTaken` hears of what leaves the queue. */
  constructor(onTaken: (lines: ReadonlyArray<string>) => void) {
    this.onTaken = onTaken
  }

  /** Nothing counts that comes after the end. */
  offer(line: string): void {
    if (this.ended !== undefined) return
    this.lines.push(line)
    this.wake()
  }

  /** Only the first end counts. */
  end(error: E): void {
    this.ended ??= Exit.fail(error)
    this.wake()
  }

  /** Waits for a line, then takes all that are there; fails once nothing is left and nothing will come. */
  readonly takeAll: Effect.Effect<Chunk.Chunk<string>, E> = Effect.suspend(() => {
    if (this.lines.length > 0) {
      const taken = this.lines
      this.lines = []
      this.onTaken(taken)
      return Effect.succeed(Chunk.unsafeFromArray(taken))
    }
    return this.ended ?? Effect.zipRight(this.wait, this.takeAll)
  })

  private readonly wait: Effect.Effect<void> = Effect.async((resume) => {
    // The fiber may have been made to yield since it looked.
    if (this.lines.length > 0 || this.ended !== undefined) resume(Effect.void)
    else this.waiter = resume
  })

  private wake(): void {
    const { waiter } = this
    this.waiter = undefined
    waiter?.(Effect.void)
  }
}
