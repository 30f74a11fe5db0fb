import type { Sample } from "./Calls.ts"

/** One target in one scenario: the medians of its rounds. */
export interface Row extends Omit<Sample, "firstError"> {
  readonly target: string
  readonly rounds: number
  readonly firstError?: string
  /** Median of the rounds' ratios to the floor, which was measured in the same round. Nothing for the floor, or without one. */
  readonly toFloor?: { readonly callsPerSecond: number; readonly cpu: number; readonly p50: number }
  /** Resident memory when it was ready and nobody had a session, in MiB. */
  readonly idleMiB?: number
  /** What each open session added to that, before the first call, in KiB. */
  readonly perSessionKiB?: number
  /** Resident memory after the last round, in MiB. */
  readonly endMiB?: number
  /** What only this scenario has. */
  readonly more?: Readonly<Record<string, number>>
}

export interface Result {
  readonly scenario: string
  readonly title: string
  readonly rows: ReadonlyArray<Row>
}

export const median = (values: ReadonlyArray<number>): number => {
  const ascending = [...values].sort((a, b) => a - b)
  const upper = Math.floor(ascending.length / 2)
  const at = (index: number) => ascending[index] ?? Number.NaN
  return ascending.length % 2 === 1 ? at(upper) : (at(upper - 1) + at(upper)) / 2
}

/** `floor`: what the floor did in the same rounds. */
export const rowOf = (
  target: string,
  samples: ReadonlyArray<Sample>,
  floor: ReadonlyArray<Sample> | undefined,
  more: Pick<Row, "idleMiB" | "perSessionKiB" | "endMiB" | "more"> = {}
): Row => {
  const of = (figure: (sample: Sample) => number) => median(samples.map(figure))
  const ratio = (figure: (sample: Sample) => number) =>
    median(samples.flatMap((sample, round) => {
      const least = floor?.[round]
      return least === undefined ? [] : [figure(sample) / figure(least)]
    }))
  const firstError = samples.find((sample) => sample.firstError !== undefined)?.firstError
  return {
    target,
    rounds: samples.length,
    calls: samples.reduce((sum, { calls }) => sum + calls, 0),
    errors: samples.reduce((sum, { errors }) => sum + errors, 0),
    ...(firstError === undefined ? {} : { firstError }),
    callsPerSecond: of((sample) => sample.callsPerSecond),
    p50: of(({ p50 }) => p50),
    p99: of(({ p99 }) => p99),
    cpuMs: of((sample) => sample.cpuMs),
    ...(floor === undefined ? {} : {
      toFloor: { callsPerSecond: ratio((sample) => sample.callsPerSecond), cpu: ratio((sample) => sample.cpuMs), p50: ratio(({ p50 }) => p50) }
    }),
    ...more
  }
}

const digits = (value: number | undefined, places: number): string => value === undefined || Number.isNaN(value) ? "" : value.toFixed(places)

const columns: ReadonlyArray<readonly [string, (row: Row) => string]> = [
  ["target", ({ target }) => target],
  ["calls/s", ({ callsPerSecond }) => digits(callsPerSecond, 0)],
  ["of floor", ({ toFloor }) => toFloor === undefined ? "" : `${digits(toFloor.callsPerSecond * 100, 0)} %`],
  ["p50 ms", ({ p50 }) => digits(p50, 2)],
  ["p99 ms", ({ p99 }) => digits(p99, 2)],
  ["CPU ms/call", ({ cpuMs }) => digits(cpuMs, 3)],
  ["x floor", ({ toFloor }) => digits(toFloor?.cpu, 2)],
  ["idle MiB", ({ idleMiB }) => digits(idleMiB, 0)],
  ["KiB/session", ({ perSessionKiB }) => digits(perSessionKiB, 0)],
  ["end MiB", ({ endMiB }) => digits(endMiB, 0)],
  ["errors", ({ errors }) => `${errors}`],
  ["", ({ more }) => Object.entries(more ?? {}).map(([name, value]) => `${name} ${digits(value, value < 10 ? 1 : 0)}`).join(", ")]
]

/** Markdown. */
export const tableOf = ({ rows, scenario, title }: Result): string => {
  const used = columns.filter(([, show]) => rows.some((row) => show(row) !== ""))
  const cells = [used.map(([name]) => name), ...rows.map((row) => used.map(([, show]) => show(row)))]
  const widths = used.map((_, at) => Math.max(3, ...cells.map((line) => line[at]?.length ?? 0)))
  const lines = cells.map((line) => `| ${line.map((cell, at) => at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)).join(" | ")} |`)
  lines.splice(1, 0, `|${widths.map((width, at) => at === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`).join("|")}|`)
  const failed = rows.flatMap(({ firstError, target }) => firstError === undefined ? [] : [`First error of ${target}: ${firstError}`])
  return [`### ${scenario}: ${title}`, "", ...lines, ...(failed.length === 0 ? [] : ["", ...failed]), ""].join("\n")
}
