import { HttpClient, HttpClientRequest } from "@effect/platform"
import { Clock, Effect, Layer, Redacted } from "effect"
import { version } from "../domain/Build.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { Upstream } from "../services/Upstream.ts"
import { readIntrospection, readIsAdmin, readTokens, readUserInfo, readVersion } from "./UpstreamAnswers.ts"
import { makeEndpoints } from "./UpstreamEndpoints.ts"
import { makeAsk } from "./UpstreamHttp.ts"

const make = Effect.gen(function*() {
  const config = yield* AppConfig
  const ask = makeAsk(yield* HttpClient.HttpClient)
  const endpoints = yield* makeEndpoints(ask, config.forgejoInternalUrl)
  const redirectUri = `${config.publicUrl}/oauth/callback`
  const clientSecret = Redacted.value(config.forgejoClientSecret)
  // Without a scope, or with none that it knows, Forgejo gives full power over the account.
  if (config.forgejoScopes.trim() === "") return yield* Effect.dieMessage("FORGEJO_SCOPES is empty: configuration must refuse that")

  const internal = (method: "GET" | "POST", path: string) =>
    HttpClientRequest.make(method)(`${config.forgejoInternalUrl}${path}`).pipe(
      HttpClientRequest.acceptJson,
      HttpClientRequest.setHeader("user-agent", `fjmcp-broker/${version}`)
    )

  /** The secret goes into the body: Forgejo does not URL-decode Basic values, other servers do. */
  const tokens = Effect.fnUntraced(function*(
    endpoint: "exchange" | "refresh",
    fields: Record<string, string>,
    secrets: ReadonlyArray<string>
  ) {
    const { token } = yield* endpoints
    const askedAt = yield* Clock.currentTimeMillis
    const answer = yield* ask(
      endpoint,
      HttpClientRequest.bodyUrlParams(internal("POST", token), {
        ...fields,
        client_id: config.forgejoClientId,
        client_secret: clientSecret
      })
    )
    return yield* readTokens(endpoint, answer, askedAt, [...secrets, clientSecret])
  })

  return Upstream.of({
    authorizeUrl: Effect.fn("Upstream.authorizeUrl")(function*({ codeChallenge, state }) {
      const { authorize } = yield* endpoints
      const query = new URLSearchParams({
        response_type: "code",
        client_id: config.forgejoClientId,
        redirect_uri: redirectUri,
        scope: config.forgejoScopes,
        state: Redacted.value(state),
        code_challenge: codeChallenge,
        code_challenge_method: "S256"
      })
      return `${config.forgejoUrl}${authorize}?${query}`
    }),

    exchange: Effect.fn("Upstream.exchange")(({ code, verifier }) =>
      tokens("exchange", {
        grant_type: "authorization_code",
        code: Redacted.value(code),
        code_verifier: Redacted.value(verifier),
        redirect_uri: redirectUri
      }, [Redacted.value(code), Redacted.value(verifier)])
    ),

    refresh: Effect.fn("Upstream.refresh")((refreshToken) =>
      tokens("refresh", { grant_type: "refresh_token", refresh_token: Redacted.value(refreshToken) }, [Redacted.value(refreshToken)])
    ),

    userinfo: Effect.fn("Upstream.userinfo")(function*(accessToken) {
      const { userinfo } = yield* endpoints
      const answer = yield* ask("userinfo", HttpClientRequest.bearerToken(internal("GET", userinfo), accessToken))
      return yield* readUserInfo("userinfo", answer)
    }),

    introspect: Effect.fn("Upstream.introspect")(function*(token) {
      const { introspection } = yield* endpoints
      const answer = yield* ask(
        "introspect",
        internal("POST", introspection).pipe(
          HttpClientRequest.basicAuth(config.forgejoClientId, config.forgejoClientSecret),
          HttpClientRequest.bodyUrlParams({ token: Redacted.value(token) })
        )
      )
      return yield* readIntrospection("introspect", answer)
    }),

    isSiteAdmin: Effect.fn("Upstream.isSiteAdmin")(function*(accessToken) {
      const answer = yield* ask("user", HttpClientRequest.bearerToken(internal("GET", "/api/v1/user"), accessToken))
      return yield* readIsAdmin("user", answer)
    }),

    // Forgejo answers 401 to a bad token even here, so none is sent.
    version: Effect.flatMap(ask("version", internal("GET", "/api/v1/version")), (answer) => readVersion("version", answer)).pipe(
      Effect.withSpan("Upstream.version")
    )
  })
})

/** Forgejo over HTTP. */
export const UpstreamLive: Layer.Layer<Upstream, never, AppConfig | HttpClient.HttpClient> = Layer.effect(Upstream, make)
