import { HttpClientRequest } from "@effect/platform"
import { Clock, Effect, Either, Option, Schema, SynchronizedRef } from "effect"
import { UpstreamUnavailable } from "../services/Upstream.ts"
import type { Ask } from "./UpstreamHttp.ts"

/** Paths below Forgejo's root, each with its leading slash. */
export interface Endpoints {
  readonly authorize: string
  readonly token: string
  readonly userinfo: string
  readonly introspection: string
}

/** Where Forgejo and Gitea have had them in every version. */
export const fixedEndpoints: Endpoints = {
  authorize: "/login/oauth/authorize",
  token: "/login/oauth/access_token",
  userinfo: "/login/oauth/userinfo",
  introspection: "/login/oauth/introspect"
}

const Discovery = Schema.parseJson(Schema.Struct({
  issuer: Schema.NonEmptyString,
  authorization_endpoint: Schema.optional(Schema.Unknown),
  token_endpoint: Schema.optional(Schema.Unknown),
  userinfo_endpoint: Schema.optional(Schema.Unknown),
  introspection_endpoint: Schema.optional(Schema.Unknown)
}))
const decodeDiscovery = Schema.decodeEither(Discovery)

/**
 * The endpoints of a discovery document, as paths relative to its issuer (which ends with a slash up to Forgejo 11 and
 * in Gitea). Its host is that of Forgejo's ROOT_URL, which need not be the one that we reach it by, so only the paths
 * count; and an endpoint outside the issuer counts for nothing, since secrets are sent there.
 */
export const endpointsOf = (document: string): Option.Option<Endpoints> =>
  Option.map(Either.getRight(decodeDiscovery(document)), (found) => {
    const root = found.issuer.replace(/\/+$/, "")
    const path = (url: unknown, otherwise: string): string => {
      if (typeof url !== "string" || !url.startsWith(`${root}/`)) return otherwise
      const rest = url.slice(root.length)
      return /^(\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$/.test(rest) ? rest : otherwise
    }
    return {
      authorize: path(found.authorization_endpoint, fixedEndpoints.authorize),
      token: path(found.token_endpoint, fixedEndpoints.token),
      userinfo: path(found.userinfo_endpoint, fixedEndpoints.userinfo),
      introspection: path(found.introspection_endpoint, fixedEndpoints.introspection)
    }
  })

/** Milliseconds for which a discovery document is taken as it is, and for which a failure is not tried again. */
const keepFound = 60 * 60_000
const keepFailed = 30_000

/**
 * Discovery at `internalUrl`, at most one request at a time. Cannot fail: what was found before, or the fixed paths, are
 * used meanwhile.
 */
export const makeEndpoints = Effect.fnUntraced(function*(ask: Ask, internalUrl: string) {
  const state = yield* SynchronizedRef.make({ endpoints: fixedEndpoints, until: 0 })
  const request = HttpClientRequest.get(`${internalUrl}/.well-known/openid-configuration`).pipe(HttpClientRequest.acceptJson)

  const discover = ask("discovery", request).pipe(
    Effect.filterOrFail(
      ({ status }) => status === 200,
      ({ status }) =>
        new UpstreamUnavailable({
          endpoint: "discovery",
          reason: status === 404 ? "it answered 404: is [oauth2] ENABLED in its app.ini?" : `it answered ${status}`
        })
    ),
    Effect.flatMap(({ text }) =>
      Effect.mapError(
        endpointsOf(text),
        () => new UpstreamUnavailable({ endpoint: "discovery", reason: "it gave no discovery document" })
      )),
    Effect.interruptible,
    Effect.timeoutFail({
      duration: "5 seconds",
      onTimeout: () => new UpstreamUnavailable({ endpoint: "discovery", reason: "no answer came within 5 seconds" })
    })
  )

  return SynchronizedRef.modifyEffect(
    state,
    Effect.fnUntraced(function*(current) {
      const now = yield* Clock.currentTimeMillis
      if (now < current.until) return [current.endpoints, current] as const
      const next = yield* discover.pipe(
        Effect.map((endpoints) => ({ endpoints, until: now + keepFound })),
        Effect.catchTag("UpstreamUnavailable", ({ reason }) =>
          Effect.logWarning("upstream.discovery.failed").pipe(
            Effect.annotateLogs({ url: request.url, reason }),
            Effect.as({ endpoints: current.endpoints, until: now + keepFailed })
          ))
      )
      return [next.endpoints, next] as const
    })
  )
})
