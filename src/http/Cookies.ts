import type { HttpServerRequest } from "@effect/platform"
import { HttpServerResponse } from "@effect/platform"
import { Duration, Option, Redacted } from "effect"
import type { FlowId } from "../domain/Ids.ts"

export type CookieKind = "consent" | "login"

/**
 * The two cookies of a sign-in, one pair per flow so that two tabs do not collide. On https the name starts with
 * `__Host-`: no sibling subdomain can set it. Browsers take neither that nor `Secure` from an http loopback URL.
 */
export const flowCookies = (publicUrl: string) => {
  const secure = publicUrl.startsWith("https:")
  const nameOf = (kind: CookieKind, flowId: FlowId) => `${secure ? "__Host-" : ""}fjmcp-${kind}-${flowId}`
  const optionsOf = (kind: CookieKind) => ({
    httpOnly: true,
    secure,
    path: "/",
    // The login cookie must come along when Forgejo, another site, sends the browser back.
    sameSite: kind === "consent" ? "strict" as const : "lax" as const
  })
  return {
    read: (request: HttpServerRequest.HttpServerRequest, kind: CookieKind, flowId: FlowId): Option.Option<Redacted.Redacted> =>
      Option.map(Option.fromNullable(request.cookies[nameOf(kind, flowId)]), (value) => Redacted.make(value)),
    set: (kind: CookieKind, flowId: FlowId, value: Redacted.Redacted) =>
      HttpServerResponse.unsafeSetCookie(nameOf(kind, flowId), Redacted.value(value), { ...optionsOf(kind), maxAge: Duration.minutes(10) }),
    clear: (kind: CookieKind, flowId: FlowId) =>
      HttpServerResponse.unsafeSetCookie(nameOf(kind, flowId), "", { ...optionsOf(kind), maxAge: Duration.zero })
  }
}
