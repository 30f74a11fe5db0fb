import { Effect } from "effect"
import type { Readable } from "node:stream"

/** What one stream of a process has said so far, and a way to wait for more of it. */
export class Output {
  text = ""
  #ended = false
  readonly #watchers = new Set<() => void>()

  constructor(stream: Readable) {
    const changed = () => {
      for (const watcher of this.#watchers) watcher()
    }
    stream.setEncoding("utf8").on("data", (piece: string) => {
      this.text += piece
      changed()
    })
    stream.once("close", () => {
      this.#ended = true
      changed()
    })
  }

  /** Whole lines, without their ends. */
  get lines(): ReadonlyArray<string> {
    return this.text.split("\n").slice(0, -1)
  }

  /** Waits until `find` gives something. Dies with everything that was said when the stream ends before. */
  until<A>(what: string, find: (text: string) => A | undefined): Effect.Effect<A> {
    return Effect.async((resume) => {
      const look = () => {
        const found = find(this.text)
        if (found !== undefined) resume(Effect.succeed(found))
        else if (this.#ended) resume(Effect.dieMessage(`it ended without ${what}; it said:\n${this.text}`))
        else return
        this.#watchers.delete(look)
      }
      this.#watchers.add(look)
      look()
      return Effect.sync(() => this.#watchers.delete(look))
    })
  }

  untilText(text: string): Effect.Effect<void> {
    return this.until(`"${text}"`, (all) => all.includes(text) ? true : undefined)
  }
}
