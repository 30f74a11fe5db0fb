import { Duration, Either } from "effect"
import { displayText } from "./DisplayText.ts"

/** What is wrong with a text: it continues a sentence that begins with the setting's name. And one that would be right. */
export interface FormatProblem {
  readonly problem: string
  readonly example: string
}

export type Parsed<A> = Either.Either<A, FormatProblem>

export const wrong = (problem: string, example: string): Either.Either<never, FormatProblem> => Either.left({ problem, example })

/** A value between quotes as it may be shown to the person who set it. Not where it may hold a password (`user:secret@host`). */
export const shown = (text: string): string => text.includes("@") ? "the value" : `"${displayText(text, 60)}"`

const milliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const days = (count: number) => count * 86_400_000

/**
 * `500ms`, `2s`, `15m`, `1h`, `7d`: a whole number and its unit. At most 24 days, because timers count milliseconds in 31
 * bits. `zero`: whether `0s` makes sense.
 */
export const duration = (example: string, zero: "zero" | "positive" = "positive") => (text: string): Parsed<Duration.Duration> => {
  const match = /^(\d{1,15})(ms|s|m|h|d)$/.exec(text)
  if (match === null) {
    return wrong(
      /^\d+$/.test(text)
        ? `has no unit: ${shown(text)}. Write a whole number and ms, s, m, h or d`
        : `is not a duration: ${shown(text)}. Write a whole number and ms, s, m, h or d, without a space`,
      example
    )
  }
  const millis = Number(match[1]) * (milliseconds[match[2] ?? ""] ?? 0)
  if (millis === 0 && zero === "positive") return wrong("must be longer than nothing", example)
  return millis > days(24) ? wrong("must not be longer than 24d", example) : Either.right(Duration.millis(millis))
}

const bytes: Readonly<Record<string, number>> = { "": 1, B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** A number of bytes as a person writes it. */
const sizeText = (count: number): string => {
  const unit = ["GiB", "MiB", "KiB"].find((name) => count % (bytes[name] ?? 1) === 0 && count > 0)
  return unit === undefined ? `${count} bytes` : `${count / (bytes[unit] ?? 1)}${unit}`
}

/** `1024`, `64KiB`, `4MiB`: bytes, or a multiple of 1024. The limits are in bytes. */
export const size = (example: string, limits: { readonly min: number; readonly max: number }) => (text: string): Parsed<number> => {
  const match = /^(\d{1,15})(B|KiB|MiB|GiB)?$/.exec(text)
  if (match === null) {
    return wrong(`is not a size: ${shown(text)}. Write a whole number of bytes, or one with KiB, MiB or GiB, without a space`, example)
  }
  const count = Number(match[1]) * (bytes[match[2] ?? ""] ?? 0)
  return count < limits.min || count > limits.max
    ? wrong(`must be from ${sizeText(limits.min)} to ${sizeText(limits.max)}, not ${shown(text)}`, example)
    : Either.right(count)
}

export const wholeNumber = (example: string, limits: { readonly min: number; readonly max: number }) => (text: string): Parsed<number> => {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : undefined
  return count === undefined || count < limits.min || count > limits.max
    ? wrong(`must be a whole number from ${limits.min} to ${limits.max}, not ${shown(text)}`, example)
    : Either.right(count)
}

const listOf = (words: ReadonlyArray<string>): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`

/** One of some words; upper and lower case are the same. */
export const oneOf = <A>(words: Readonly<Record<string, A>>, example: string) => (text: string): Parsed<A> => {
  const found = Object.entries(words).find(([word]) => word === text.toLowerCase())
  return found === undefined
    ? wrong(`must be ${listOf(Object.keys(words))}, not ${shown(text)}`, example)
    : Either.right(found[1])
}

/** Text on one line without spaces. `what` names it in the sentence. */
export const oneWord = (what: string, example: string) => (text: string): Parsed<string> =>
  /^[\x21-\x7e]{1,255}$/.test(text) ? Either.right(text) : wrong(`is not ${what}: it must be one word of printable ASCII`, example)

export interface HostPort {
  /** Without the brackets of an IPv6 address. */
  readonly host: string
  readonly port: number
}

/**
 * `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`; port 0: the system picks one. The address is never left out: that would
 * be open to all.
 */
export const hostPort = (example: string) => (text: string): Parsed<HostPort> => {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text)
  if (match === null) {
    if (/^:?\d{1,5}$/.test(text)) {
      const open = `0.0.0.0:${text.replace(":", "")}`
      return wrong(`names a port but no address: ${shown(text)}. For all addresses of the machine write ${open}`, example)
    }
    return /^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:\d+$/.test(text)
      ? wrong(`has an IPv6 address without brackets: ${shown(text)}`, "[::1]:8080")
      : wrong(`is not an address and a port: ${shown(text)}`, example)
  }
  const port = Number(match[3])
  const host = match[1] ?? match[2] ?? ""
  if (port > 65_535) return wrong(`has a port above 65535: ${shown(text)}`, example)
  if (match[1] !== undefined && !URL.canParse(`http://[${host}]`)) return wrong(`has no valid IPv6 address: ${shown(text)}`, "[::1]:8080")
  return Either.right({ host, port })
}

/** Whether only this machine can reach the host of a URL (`URL.hostname`: its spelling of addresses, not a person's). */
export const isLoopbackHost = (hostname: string): boolean =>
  hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname)

/** An http or https URL with a host, perhaps a path, and nothing else. Without its final slash. */
export const webUrl = (example: string) => (text: string): Parsed<string> => {
  if (!/^https?:\/\//i.test(text)) return wrong(`must begin with https:// or http://, but is ${shown(text)}`, example)
  if (!URL.canParse(text) || /[\s\\]/.test(text)) return wrong(`is not a valid URL: ${shown(text)}`, example)
  const url = new URL(text)
  if (url.username !== "" || url.password !== "") return wrong("must not hold a user name or password (user@host)", example)
  if (text.includes("?") || text.includes("#")) return wrong("must not have a query (\"?...\") or a fragment (\"#...\")", example)
  return Either.right(`${url.origin}${url.pathname}`.replace(/\/+$/, ""))
}

/** Scheme, host and port of a web site, as browsers spell it in `Origin`: lower case, no final slash, no default port. */
export const origin = (example: string) => (text: string): Parsed<string> =>
  Either.flatMap(webUrl(example)(text), (url) => {
    const { origin: found, pathname } = new URL(url)
    return found === url
      ? Either.right(url)
      : wrong(`must be an origin (scheme, host and port) without a path, but has the path "${displayText(pathname, 60)}"`, example)
  })

/** An origin that nobody on the way can read or change: https, or this machine. */
export const secureOrigin = (example: string) => (text: string): Parsed<string> =>
  Either.flatMap(origin(example)(text), (url) => {
    const { hostname, protocol } = new URL(url)
    return protocol === "https:" || isLoopbackHost(hostname)
      ? Either.right(url)
      : wrong("must begin with https://: tokens travel over it. Only localhost and 127.0.0.1 may do with http://", example)
  })

/** Things separated by spaces or commas, each once. */
export const several = <A>(parse: (text: string) => Parsed<A>) => (text: string): Parsed<ReadonlyArray<A>> =>
  Either.map(Either.all(text.split(/[\s,]+/).filter((word) => word !== "").map(parse)), (found) => [...new Set(found)])

/** Schemes that the web uses itself, or that would make a browser run or show what follows in the broker's name. */
export const notPrivate: ReadonlySet<string> = new Set([
  "http", "https", "javascript", "data", "vbscript", "file", "blob", "about", "view-source", "filesystem", "ws", "wss", "ftp", "mailto",
  "tel"
])

/** A private-use URI scheme (RFC 8252 section 7.1), without its colon, in lower case. */
export const privateScheme = (example: string) => (text: string): Parsed<string> => {
  const scheme = text.toLowerCase().replace(/:(\/\/)?$/, "")
  if (!/^[a-z][a-z0-9+.-]*$/.test(scheme)) return wrong(`has a word that is not a URI scheme: ${shown(text)}`, example)
  return notPrivate.has(scheme)
    ? wrong(`must not list "${scheme}": it is not the scheme of one application`, example)
    : Either.right(scheme)
}
