import { randomBytes } from "node:crypto"
import type { Reply, Request } from "./Http.ts"
import { html, redirect } from "./Http.ts"
import { messagePage } from "./Pages.ts"
import type { User, WebSession } from "./State.ts"
import { userById } from "./State.ts"
import type { World } from "./World.ts"

const cookie = (name: string, value: string, maxAge?: number): string =>
  `${name}=${value}; Path=/; HttpOnly; SameSite=Lax${maxAge === undefined ? "" : `; Max-Age=${maxAge}`}`

/** The browser's session and its user, when somebody is signed in. */
export const signedIn = (world: World, request: Request): { readonly session: WebSession; readonly user: User } | undefined => {
  const session = world.state.webSessions.get(request.cookies.get("session") ?? "")
  const user = session && userById(world.state, session.userId)
  return session && user && !user.prohibitLogin ? { session, user } : undefined
}

/** Sends a visitor to the sign-in form, which leads back to `target` (a path with query on this server). */
export const askToSignIn = (target: string): Reply =>
  redirect("/user/login", [cookie("redirect_to", encodeURIComponent(target))])

// A path on this server and nothing else: `//host` and `/\host` lead elsewhere in browsers.
const isLocalPath = (target: string): boolean => /^\/(?![/\\])/.test(target)

/** Where the visitor was going before the sign-in form came between. */
export const targetOf = (request: Request): string => {
  try {
    const target = decodeURIComponent(request.cookies.get("redirect_to") ?? "")
    return isLocalPath(target) ? target : "/"
  } catch {
    return "/"
  }
}

/**
 * Starts a session under a new id (an id from before the sign-in must not become a signed-in one) and goes on to where
 * the visitor wanted.
 */
export const startSession = (world: World, request: Request, user: User): Reply => {
  const id = randomBytes(16).toString("hex")
  world.state.webSessions.delete(request.cookies.get("session") ?? "")
  world.state.webSessions.set(id, { id, userId: user.id })
  return redirect(targetOf(request), [cookie("session", id), cookie("redirect_to", "", 0)])
}

export const endSession = (world: World, request: Request): Reply => {
  world.state.webSessions.delete(request.cookies.get("session") ?? "")
  return redirect("/", [cookie("session", "", 0)])
}

/**
 * Refuses a form that another site posted (Forgejo 14 and later have no `_csrf` field but look at `Sec-Fetch-Site`
 * and, without it, at `Origin`). Undefined when the request may go on.
 */
export const refuseCrossOrigin = (request: Request): Reply | undefined => {
  if (request.method !== "POST") return undefined
  const site = request.headers["sec-fetch-site"]
  const origin = request.headers.origin
  const allowed = site === undefined
    ? origin === undefined || origin.replace(/^https?:\/\//, "") === request.headers.host
    : site === "same-origin" || site === "none"
  return allowed ? undefined : html(403, messagePage("Forbidden", "cross-origin request detected"))
}
