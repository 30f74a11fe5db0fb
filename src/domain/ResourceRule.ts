import { Option } from "effect"

/** The one protected resource: what the RFC 9728 document names and tokens are made for. */
export const resourceOf = (publicUrl: string): string => `${publicUrl}/mcp`

const parts = /^(https?):\/\/([^/?#@\\\s]+)(\/mcp\/?)$/i

/**
 * The `resource` parameter (RFC 8707) of a request, in its canonical form; nothing where it names something else, which
 * is `invalid_target`. Absent means ours: clients of MCP 2025-03-26 do not send it. Scheme and host may be upper-case
 * and a final slash is forgiven, as MCP asks.
 */
export const canonicalResource = (asked: Option.Option<string>, publicUrl: string): Option.Option<string> => {
  if (Option.isNone(asked)) return Option.some(resourceOf(publicUrl))
  const match = parts.exec(asked.value)
  if (match === null) return Option.none()
  const origin = `${match[1]}://${match[2]}`
  return URL.canParse(origin) && new URL(origin).origin === new URL(publicUrl).origin
    ? Option.some(resourceOf(publicUrl))
    : Option.none()
}
