import type { Scope } from "effect"
import { Cause, Effect, HashMap, Inspectable, Layer, List, Logger } from "effect"
import { LogFields } from "../domain/LogFields.ts"
import type { Settings } from "../services/AppConfig.ts"

/*
 * How events are written:
 *
 *   Effect.logInfo("session.opened").pipe(Effect.annotateLogs({ session: row.shortId, user: row.userId }))
 *
 * The message is a stable dotted name, so that a log can be searched by it; everything else is an annotation and becomes
 * a field of its own. Secrets are `Redacted` and print as `<redacted>`; ids are those meant for people, never bearer secrets.
 */

/** One log line, whatever its look. */
interface Entry {
  readonly time: string
  readonly level: string
  readonly event: string
  readonly fields: ReadonlyArray<readonly [string, unknown]>
}

const reserved = new Set(["time", "level", "event"])

/** What JSON cannot hold, or would print as `{}`. `Redacted` has a `toJSON` of its own that hides the value. */
const plain = (value: unknown): unknown => {
  if (typeof value === "bigint" || typeof value === "symbol" || typeof value === "function") return String(value)
  if (value instanceof Error && !("toJSON" in value)) return `${value.name}: ${value.message}`
  return value
}

/** Never throws: a line that cannot be printed must not end the fiber that writes it. */
const jsonOf = (value: unknown): string => {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return JSON.stringify(value)
  const parents: Array<unknown> = []
  try {
    return JSON.stringify(plain(value), function(this: unknown, _key, inner: unknown) {
      while (parents.length > 0 && parents.at(-1) !== this) parents.pop()
      const found = plain(inner)
      if (typeof found !== "object" || found === null) return found
      if (parents.includes(found)) return "<circular>"
      parents.push(found)
      return found
    }) ?? "null"
  } catch {
    return "\"<not printable>\""
  }
}

const entryOf = ({ annotations, cause, date, logLevel, message, spans }: Logger.Logger.Options<unknown>): Entry => {
  const [first, ...rest]: ReadonlyArray<unknown> = Array.isArray(message) ? message : [message]
  const fields: Array<readonly [string, unknown]> = []
  for (const [key, value] of HashMap.entries(annotations)) fields.push([reserved.has(key) ? `annotation.${key}` : key, value])
  // A HashMap has no order that a reader could get used to.
  fields.sort(([a], [b]) => a < b ? -1 : 1)
  const [second] = rest
  if (second instanceof LogFields) fields.push(...Object.entries(second.fields))
  else if (rest.length > 0) fields.push(["details", rest.length === 1 ? second : rest])
  for (const span of List.toArray(spans)) fields.push([`${span.label}Ms`, date.getTime() - span.startTime])
  if (!Cause.isEmpty(cause)) fields.push(["cause", Cause.pretty(cause, { renderErrorCause: true })])
  return {
    time: date.toISOString(),
    level: logLevel._tag === "Warning" ? "warning" : logLevel.label.toLowerCase(),
    event: typeof first === "string" ? first : Inspectable.toStringUnknown(plain(first), 0),
    fields
  }
}

const jsonLine = ({ event, fields, level, time }: Entry): string =>
  `{${
    [["time", time], ["level", level], ["event", event], ...fields].map(([key, value]) => `${jsonOf(key)}:${jsonOf(value)}`).join(",")
  }}`

const colours: Readonly<Record<string, string>> = { trace: "2", debug: "2", info: "36", warning: "33", error: "31", fatal: "41" }
const painted = (code: string, text: string, colour: boolean): string => colour && code !== "" ? `\u001b[${code}m${text}\u001b[0m` : text

/** Words that need no quotes are printed as they are; all else as JSON, which also makes control characters visible. */
const prettyValue = (value: unknown): string =>
  typeof value === "string" && /^[\p{L}\p{N}_.:/@+*%,()-]+$/u.test(value) ? value : jsonOf(value)

const prettyLine = ({ event, fields, level, time }: Entry, colour: boolean): string => {
  const cause = fields.find(([key, value]) => key === "cause" && typeof value === "string")
  const words = fields.filter((field) => field !== cause).map(([key, value]) => `${painted("2", `${key}=`, colour)}${prettyValue(value)}`)
  const label = painted(colours[level] ?? "", level.toUpperCase().padEnd(7), colour)
  const head = [time.slice(11, 23), label, painted("1", event, colour), ...words].join(" ")
  // Only a cause has lines of its own: a stack trace on one line is unreadable.
  return cause === undefined ? head : `${head}\n${String(cause[1]).replace(/[^\P{Cc}\n]/gu, "?").replace(/^/gm, "    ")}`
}

/**
 * A logger that hands each entry to `write` as text with its final newline. `time` is ISO 8601 in UTC (pretty: its time of
 * day). A cause becomes the field `cause`, log spans `<label>Ms`, further messages `details`.
 */
export const lineLogger = (
  format: Settings["logFormat"],
  write: (line: string) => void,
  colour = false
): Logger.Logger<unknown, void> =>
  Logger.make((options) => {
    const entry = entryOf(options)
    write(`${format === "json" ? jsonLine(entry) : prettyLine(entry, colour)}\n`)
  })

/**
 * Lines of one turn of the event loop go out in one write: each costs as much as the rest of a line. What waits goes out with
 * the scope, or with the process; only a kill in the middle of a turn loses the lines of that turn.
 */
const gathered = (write: (lines: string) => void): Effect.Effect<(line: string) => void, never, Scope.Scope> =>
  Effect.gen(function*() {
    let waiting = ""
    const flush = () => {
      const lines = waiting
      waiting = ""
      if (lines !== "") write(lines)
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => process.once("exit", flush)),
      () => Effect.sync(() => {
        flush()
        process.off("exit", flush)
      })
    )
    return (line) => {
      if (waiting === "") setImmediate(flush)
      waiting += line
    }
  })

/** The log on stderr (stdout belongs to what commands answer), in the place of Effect's own logger. */
export const LoggingLive = ({ logFormat, logLevel }: Pick<Settings, "logFormat" | "logLevel">): Layer.Layer<never> =>
  Layer.merge(
    Logger.replaceScoped(
      Logger.defaultLogger,
      Effect.map(gathered((lines) => void process.stderr.write(lines)), (write) =>
        lineLogger(logFormat, write, process.stderr.isTTY && process.env.NO_COLOR === undefined))
    ),
    Logger.minimumLogLevel(logLevel)
  )
