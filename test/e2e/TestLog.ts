import { Effect, Layer, Logger, LogLevel } from "effect"
import { lineLogger } from "../../src/layers/LoggingLive.ts"

export interface Entry {
  readonly event: string
  readonly level: string
  readonly [field: string]: unknown
}

/** Everything that a broker logs, debug included, as the lines that an operator gets; and a way to wait for one. */
export class TestLog {
  readonly lines: Array<string> = []
  #watchers: Array<() => void> = []

  readonly layer: Layer.Layer<never> = Layer.merge(
    Logger.replace(Logger.defaultLogger, lineLogger("json", (line) => {
      this.lines.push(line)
      for (const watcher of this.#watchers) watcher()
    })),
    Logger.minimumLogLevel(LogLevel.All)
  )

  all(event: string): ReadonlyArray<Entry> {
    return this.lines.map((line) => JSON.parse(line) as Entry).filter((entry) => entry.event === event)
  }

  /** Waits until the event has been logged `count` times, of those that `counts` holds for, and gives the last of them. */
  until(event: string, count = 1, counts: (entry: Entry) => boolean = () => true): Effect.Effect<Entry> {
    return Effect.async((resume) => {
      const look = () => {
        const found = this.all(event).filter(counts)[count - 1]
        if (found === undefined) return
        this.#watchers = this.#watchers.filter((watcher) => watcher !== look)
        resume(Effect.succeed(found))
      }
      this.#watchers.push(look)
      look()
    })
  }
}
