import type { App } from "./State.ts"

// Only ASCII letters fold: since 15.0.2 a Kelvin sign is not a k.
const fold = (uri: string): string => uri.replace(/[A-Z]/g, (letter) => letter.toLowerCase()).replace(/\/$/, "")

const withoutPort = (uri: string): string | undefined => /^(http:\/\/(?:127(?:\.\d{1,3}){3}|\[::1\])):\d+(?=[/?#]|$)/i.exec(uri)?.[0]

/**
 * Whether `uri` is registered: the whole text, without regard to case and to one final slash. For public clients the port
 * of a loopback IP address does not count (RFC 8252 section 7.3), provided the registered URI has none.
 */
export const isRegistered = (app: App, uri: string): boolean => {
  const listed = (candidate: string) => app.redirectUris.some((registered) => fold(registered) === fold(candidate))
  const prefix = app.confidential ? undefined : withoutPort(uri)
  if (prefix !== undefined && listed(prefix.replace(/:\d+$/, "") + uri.slice(prefix.length))) return true
  return listed(uri)
}

/** `uri` with `values` added to its query; what was there stays. */
export const withQuery = (uri: string, values: Readonly<Record<string, string>>): string => {
  const url = new URL(uri)
  for (const [name, value] of Object.entries(values)) url.searchParams.set(name, value)
  return url.href
}
