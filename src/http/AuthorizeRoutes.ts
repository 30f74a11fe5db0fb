import { HttpLayerRouter, HttpServerRequest } from "@effect/platform"
import { Effect, Option } from "effect"
import {
  type AuthorizePageError,
  type AuthorizeRedirectError,
  checkRequest,
  clientIdOf,
  redirectUriOf,
  unknownClient
} from "../domain/AuthorizeRequest.ts"
import { parseParameters } from "../domain/Parameters.ts"
import { withParameters } from "../domain/RedirectRule.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { Clients } from "../services/Clients.ts"
import { PendingLogins } from "../services/PendingLogins.ts"
import { queryOf } from "./Body.ts"
import { consentPage } from "./ConsentPage.ts"
import { flowCookies } from "./Cookies.ts"
import { newFlowId, orFaultPage, problemPage, redirect } from "./Pages.ts"
import { refuseOtherMethods } from "./WrongMethod.ts"

const pageError = (error: AuthorizePageError) => {
  const flowId = newFlowId()
  return Effect.logInfo("signin.refused").pipe(
    Effect.annotateLogs({ flow: flowId, reason: error.title }),
    Effect.as(problemPage({ status: 400, title: error.title, details: [error.detail], flowId }))
  )
}

/** `iss` on errors too (RFC 9207 section 2). */
const redirectError = (issuer: string) => (error: AuthorizeRedirectError) => {
  const flowId = newFlowId()
  return Effect.logInfo("signin.refused").pipe(
    Effect.annotateLogs({ flow: flowId, error: error.error, reason: error.description }),
    Effect.as(redirect(withParameters(error.redirectUri, {
      error: error.error,
      error_description: `${error.description.replace(/"/g, "'")} Flow ${flowId}.`,
      state: Option.getOrUndefined(error.state),
      iss: issuer
    })))
  )
}

/** A page, not a redirect: the client could do nothing but begin again at once. */
const tooMany = () => {
  const flowId = newFlowId()
  return Effect.logWarning("signin.full").pipe(
    Effect.annotateLogs({ flow: flowId }),
    Effect.as(problemPage({
      status: 503,
      title: "Too many sign-ins at once",
      details: ["This broker has as many sign-ins in progress as it takes. Wait a minute, then go back to your client and connect again."],
      flowId,
      headers: { "retry-after": "60" }
    }))
  )
}

/**
 * The authorization endpoint: checks the request, then shows the broker's own consent page. Forgejo is not told
 * anything yet, and no cookie that a callback would take exists.
 */
export const AuthorizeRoutes = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const { forgejoScopes, forgejoUrl, publicUrl } = yield* AppConfig
    const clients = yield* Clients
    const logins = yield* PendingLogins
    const cookies = flowCookies(publicUrl)

    const authorize = Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      const parameters = parseParameters(queryOf(request))
      const client = yield* Effect.flatMap(yield* Effect.map(clientIdOf(parameters), clients.resolve), (found) =>
        Effect.mapError(found, () => unknownClient))
      const redirectUri = yield* redirectUriOf(parameters, client.redirectUris)
      const checked = yield* checkRequest(parameters, redirectUri, publicUrl)
      const { consentCookie, flowId, formToken } = yield* logins.begin({ ...checked, clientId: client.clientId })
      yield* Effect.logInfo("signin.asked").pipe(Effect.annotateLogs({ flow: flowId, client: client.key, name: client.name }))
      return consentPage({ flowId, formToken, clientName: client.name, redirectUri, forgejoUrl, forgejoScopes }).pipe(
        cookies.set("consent", flowId, consentCookie)
      )
    }).pipe(
      Effect.catchTags({ AuthorizePageError: pageError, AuthorizeRedirectError: redirectError(publicUrl), LoginsFull: tooMany }),
      orFaultPage
    )

    for (const path of ["/oauth/authorize", "/authorize"] as const) {
      yield* router.add("GET", path, authorize)
      yield* refuseOtherMethods(router, path, ["GET"])
    }
  })
)
