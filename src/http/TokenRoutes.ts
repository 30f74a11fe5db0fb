import { HttpLayerRouter, HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "@effect/platform"
import { Effect, Option, Redacted } from "effect"
import type { Parameters } from "../domain/Parameters.ts"
import { canonicalResource } from "../domain/ResourceRule.ts"
import { grantedScope } from "../domain/Scopes.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { type Client, Clients } from "../services/Clients.ts"
import { Grants, type IssuedTokens } from "../services/Grants.ts"
import { OAuthError } from "../services/OAuthErrors.ts"
import { preflight, readForm, withCors } from "./Body.ts"
import { readCredentials } from "./ClientCredentials.ts"
import { refuseOtherMethods } from "./WrongMethod.ts"

const noStore = { "cache-control": "no-store", pragma: "no-cache" }
const badRequest = (description: string) => new OAuthError({ error: "invalid_request", description })

const toResponse = (tokens: IssuedTokens) =>
  HttpServerResponse.unsafeJson({
    access_token: Redacted.value(tokens.accessToken),
    token_type: "Bearer",
    expires_in: tokens.expiresIn,
    refresh_token: Redacted.value(tokens.refreshToken),
    scope: tokens.scope
  }, { headers: noStore })

const secretParameter = (form: Parameters, name: string) =>
  Effect.mapBoth(form.get(name), { onFailure: () => badRequest(`"${name}" is missing.`), onSuccess: (value) => Redacted.make(value) })

/** The form body, and the client that proved itself with it. */
const clientForm = (clients: typeof Clients.Service) =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const form = yield* Effect.mapError(readForm, (problem) =>
      new OAuthError({ error: "invalid_request", description: problem.description, status: problem.status }))
    if (Option.isSome(form.repeated)) return yield* badRequest("A parameter is given more than once; each may be given only once.")
    const credentials = yield* readCredentials(request, form)
    return { form, client: yield* clients.authenticate(credentials) }
  })

/** Errors as RFC 6749 section 5.2 wants them. The log gets the reason, never what was sent. */
const answered = <R>(name: string, handler: Effect.Effect<HttpServerResponse.HttpServerResponse, OAuthError, R>) =>
  handler.pipe(
    Effect.catchTag("OAuthError", (error) =>
      Effect.logInfo(name).pipe(
        Effect.annotateLogs({ error: error.error, reason: error.reason ?? error.description }),
        Effect.zipRight(HttpServerRespondable.toResponse(error))
      )),
    Effect.map(withCors)
  )

/** `POST /oauth/token` and `POST /oauth/revoke`. */
export const TokenRoutes = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const { publicUrl } = yield* AppConfig
    const clients = yield* Clients
    const grants = yield* Grants

    /** `resource` may be repeated (RFC 8707): a value that is not ours decides. */
    const resourceIn = (form: Parameters): Option.Option<string> => {
      const targets = form.getAll("resource")
      const foreign = targets.find((target) => Option.isNone(canonicalResource(Option.some(target), publicUrl)))
      return Option.fromNullable(foreign ?? targets[0])
    }

    const byCode = Effect.fnUntraced(function*(client: Client, form: Parameters) {
      return yield* grants.redeem({
        clientKey: client.key,
        code: yield* secretParameter(form, "code"),
        redirectUri: form.get("redirect_uri"),
        verifier: Option.map(form.get("code_verifier"), (verifier) => Redacted.make(verifier)),
        resource: resourceIn(form)
      })
    })

    const byRefresh = Effect.fnUntraced(function*(client: Client, form: Parameters) {
      const refreshToken = yield* secretParameter(form, "refresh_token")
      if (Option.isNone(grantedScope(form.get("scope")))) {
        return yield* new OAuthError({ error: "invalid_scope", description: "The only scope here is \"mcp\"." })
      }
      return yield* grants.refresh({ clientKey: client.key, refreshToken, resource: resourceIn(form) })
    })

    const token = answered("token.refused", Effect.gen(function*() {
      const { client, form } = yield* clientForm(clients)
      const grantType = form.get("grant_type")
      if (Option.isNone(grantType)) return yield* badRequest("\"grant_type\" is missing: \"authorization_code\" or \"refresh_token\".")
      switch (grantType.value) {
        case "authorization_code":
          return toResponse(yield* byCode(client, form))
        case "refresh_token":
          return toResponse(yield* byRefresh(client, form))
        default:
          return yield* new OAuthError({
            error: "unsupported_grant_type",
            description: "\"grant_type\" must be \"authorization_code\" or \"refresh_token\"."
          })
      }
    }))

    const revoke = answered("revoke.refused", Effect.gen(function*() {
      const { client, form } = yield* clientForm(clients)
      yield* grants.revoke({ clientKey: client.key, token: yield* secretParameter(form, "token") })
      return HttpServerResponse.empty({ status: 200, headers: noStore })
    }))

    for (const [path, handler] of [["/oauth/token", token], ["/token", token], ["/oauth/revoke", revoke]] as const) {
      yield* router.add("POST", path, handler)
      yield* router.add("OPTIONS", path, preflight("POST"))
      yield* refuseOtherMethods(router, path, ["POST", "OPTIONS"])
    }
  })
)
