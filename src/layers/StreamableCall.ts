import type { Scope } from "effect"
import { Effect } from "effect"
import type { Call, CallEvent, EventStream } from "../services/Sessions.ts"
import { CallChannel } from "./CallChannel.ts"
import type { EventLog } from "./EventLog.ts"
import type { Timed, Wheel } from "./Wheel.ts"

/** A call whose answer may become a stream. */
export class StreamableCall extends CallChannel implements Call, Timed {
  private readonly patience: Wheel
  private readonly makeLog: () => EventLog

  /** The length of `patience` is how long it may give nothing; `makeLog` makes the stream. */
  constructor(isStreamed: boolean, patience: Wheel, makeLog: () => EventLog) {
    super(isStreamed)
    this.patience = patience
    this.makeLog = makeLog
  }

  get onDue(): Effect.Effect<void> {
    return Effect.sync(() => this.nudge())
  }

  get takeSoon(): Effect.Effect<ReadonlyArray<CallEvent>> {
    return Effect.suspend(() => {
      if (this.events.length > 0) return Effect.succeed(this.taken())
      this.patience.start(this)
      return Effect.map(this.wait, () => {
        this.patience.stop(this)
        return this.taken()
      })
    })
  }

  stream(taken: ReadonlyArray<CallEvent>): Effect.Effect<EventStream, never, Scope.Scope> {
    const begin = Effect.sync(() => {
      const log = this.makeLog()
      const reader = log.attach()
      for (const { final, line } of taken) log.put(line, final)
      this.divert((line, final) => log.put(line, final))
      return reader
    })
    return Effect.acquireRelease(begin, (reader) => Effect.sync(() => reader.detach()))
  }
}
