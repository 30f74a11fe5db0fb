import { ConnectionLost } from "./LeanClient.ts"

/** The times in which a daemon is down because a test has stopped it, so that its clients can wait for its return. */
export class Outage {
  /** How many there were. */
  count = 0
  isOn = false
  #over: Promise<void> = Promise.resolve()
  #end = () => {}

  /** Before the daemon is stopped. */
  begin(): void {
    this.count += 1
    this.isOn = true
    this.#over = new Promise((resolve) => this.#end = resolve)
  }

  /** When the next daemon serves. */
  end(): void {
    this.isOn = false
    this.#end()
  }

  /** When none is on. */
  get over(): Promise<void> {
    return this.#over
  }

  /** Makes an attempt again that an outage has cut. */
  readonly retry = async <A>(attempt: () => Promise<A>): Promise<A> => {
    for (;;) {
      await this.over
      const since = this.count
      try {
        return await attempt()
      } catch (cause) {
        // `fetch` fails with a TypeError.
        const isCut = cause instanceof ConnectionLost || cause instanceof TypeError
        if (!isCut || since === this.count) throw cause
      }
    }
  }
}
