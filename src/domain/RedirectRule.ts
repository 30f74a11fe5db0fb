import { Either } from "effect"
import { isLoopbackHost, notPrivate } from "./Formats.ts"

/** Printable ASCII without spaces: it fits into a `Location` header. No backslashes either: browsers read them as `/`. */
const uriCharacters = /^[\x21-\x5b\x5d-\x7e]+$/
const withScheme = /^([A-Za-z][A-Za-z0-9+.-]*):/
const withAuthority = /^https?:\/\/([^/?#]+)([^#]*)$/i
/** RFC 8252 section 7.3, and `localhost`, which Claude Code and others use. Only as spelt here: not `127.1`. */
const loopback = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(?::(\d{1,5}))?((?:\/[^?#]*)?)((?:\?[^#]*)?)$/

export const maxRedirectUriLength = 1024

interface Loopback {
  readonly host: string
  readonly path: string
  readonly query: string
}

const parseLoopback = (uri: string): Loopback | undefined => {
  const match = loopback.exec(uri)
  if (match === null) return undefined
  const [, host = "", port, path = "", query = ""] = match
  // An empty path and "/" are the same http URI (RFC 3986 section 6.2.3).
  return port !== undefined && Number(port) > 65535 ? undefined : { host, path: path === "" ? "/" : path, query }
}

const schemeOf = (uri: string): string | undefined => withScheme.exec(uri)?.[1]?.toLowerCase()

/**
 * Whether a client may register `uri`. Allowed: `https`; `http` with a literal loopback host;
 * a private-use scheme (RFC 8252 section 7.1) from `schemes`. Left: a sentence for the client's author.
 */
export const checkRedirectUri = (uri: string, schemes: ReadonlyArray<string>): Either.Either<string, string> => {
  if (uri.length > maxRedirectUriLength) return Either.left(`A redirect URI may have at most ${maxRedirectUriLength} characters.`)
  if (!uriCharacters.test(uri)) {
    return Either.left(
      "A redirect URI may hold printable ASCII characters only, no spaces and no backslashes: percent-encode others."
    )
  }
  const scheme = schemeOf(uri)
  if (scheme === undefined) return Either.left("A redirect URI must be absolute, for example \"https://client.example/callback\".")
  if (uri.includes("#")) return Either.left("A redirect URI must not have a fragment (\"#...\"): RFC 6749 section 3.1.2.")
  if (scheme !== "https" && scheme !== "http") {
    // Even where an operator lists them.
    if (notPrivate.has(scheme)) {
      return Either.left(`Redirect URIs with "${scheme}:" are refused. Use https, or http with 127.0.0.1, [::1] or localhost.`)
    }
    return schemes.some((allowed) => allowed.toLowerCase().replace(/:.*$/, "") === scheme)
      ? Either.right(uri)
      : Either.left(
        `Redirect URIs with "${scheme}:" are not allowed by this broker. Use https, or http with 127.0.0.1, [::1] or localhost.`
      )
  }
  const authority = withAuthority.exec(uri)?.[1]
  if (authority === undefined || !URL.canParse(uri)) {
    return Either.left("The redirect URI is not a valid URL. Example: \"https://client.example/callback\".")
  }
  if (authority.includes("@")) return Either.left("A redirect URI must not hold a user name or password (\"user@host\").")
  if (scheme === "http" && parseLoopback(uri) === undefined) {
    return Either.left("A redirect URI with http may only point to 127.0.0.1, [::1] or localhost. Use https for every other host.")
  }
  return Either.right(uri)
}

/**
 * Whether `requested` is one of the registered URIs: the same text, or, for http on the same literal loopback host with
 * the same path and query, any port (RFC 8252 section 7.3: native clients listen on a free port).
 */
export const matchesRedirectUri = (requested: string, registered: ReadonlyArray<string>): boolean => {
  if (registered.includes(requested)) return true
  if (!uriCharacters.test(requested)) return false
  const asked = parseLoopback(requested)
  if (asked === undefined) return false
  return registered.some((uri) => {
    const known = parseLoopback(uri)
    return known !== undefined && known.host === asked.host && known.path === asked.path && known.query === asked.query
  })
}

/** What the consent page says of the place that the browser will be sent to. */
export interface Destination {
  readonly kind: "web" | "loopback" | "app"
  /** Host with port, or `scheme:` of an installed application. */
  readonly host: string
}

export const destinationOf = (redirectUri: string): Destination => {
  const scheme = schemeOf(redirectUri) ?? ""
  if (scheme !== "https" && scheme !== "http") return { kind: "app", host: `${scheme}:` }
  const url = new URL(redirectUri)
  return { kind: isLoopbackHost(url.hostname) ? "loopback" : "web", host: url.host }
}

/** `uri` with parameters added to its query; what was there stays as it was, byte for byte. */
export const withParameters = (uri: string, parameters: Readonly<Record<string, string | undefined>>): string => {
  const added = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) added.append(name, value)
  const joint = !uri.includes("?") ? "?" : uri.endsWith("?") || uri.endsWith("&") ? "" : "&"
  return uri + joint + added.toString()
}
