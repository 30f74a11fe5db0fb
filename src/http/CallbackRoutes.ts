import { HttpLayerRouter, HttpServerRequest } from "@effect/platform"
import { Effect, Option, Redacted } from "effect"
import { displayText } from "../domain/DisplayText.ts"
import { FlowId } from "../domain/Ids.ts"
import { type Parameters, parseParameters } from "../domain/Parameters.ts"
import { withParameters } from "../domain/RedirectRule.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { LoginRefused, type PendingLogin, PendingLogins } from "../services/PendingLogins.ts"
import { type SignedIn, type SignInFailed, SignIns } from "../services/SignIns.ts"
import { Upstream } from "../services/Upstream.ts"
import { administratorPage } from "./AdministratorPage.ts"
import { queryOf } from "./Body.ts"
import { failedPage, otherScopePage, refusedPage } from "./CallbackProblems.ts"
import { flowCookies } from "./Cookies.ts"
import { newFlowId, orFaultPage, redirect } from "./Pages.ts"
import { refuseOtherMethods } from "./WrongMethod.ts"

/** Our `state` is `<flow id>.<secret>`: even a callback that comes too late can name its flow. */
const readState = (parameters: Parameters): Option.Option<{ readonly flowId: FlowId; readonly state: Redacted.Redacted }> =>
  Option.flatMap(parameters.isRepeated("state") ? Option.none<string>() : parameters.get("state"), (text) => {
    const flowId = /^([0-9a-f]{16})\.[A-Za-z0-9_-]+$/.exec(text)?.[1]
    return flowId === undefined ? Option.none() : Option.some({ flowId: FlowId.make(flowId), state: Redacted.make(text) })
  })

/** Where Forgejo sends the browser back to. Needs the state and the login cookie of one flow; both work once. */
export const CallbackRoutes = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const { forgejoUrl, publicUrl } = yield* AppConfig
    const logins = yield* PendingLogins
    const signIns = yield* SignIns
    const upstream = yield* Upstream
    const cookies = flowCookies(publicUrl)

    const clientAddress = (login: PendingLogin, parameters: Readonly<Record<string, string>>) =>
      withParameters(login.redirectUri, { ...parameters, state: Option.getOrUndefined(login.state), iss: publicUrl })
    const toClient = (login: PendingLogin, parameters: Readonly<Record<string, string>>) => redirect(clientAddress(login, parameters))

    const welcome = (login: PendingLogin, { code, isSiteAdmin, userName }: SignedIn) => {
      const location = clientAddress(login, { code: Redacted.value(code) })
      return isSiteAdmin ? administratorPage({ flowId: login.flowId, userName, forgejoUrl, location }) : redirect(location)
    }

    /** The cookie has done its work, whatever came of it. */
    const done = (login: PendingLogin) => cookies.clear("login", login.flowId)

    const logFailure = (flowId: FlowId, reason: string) =>
      Effect.logWarning("signin.failed").pipe(Effect.annotateLogs({ flow: flowId, reason }))

    /** Forgejo came back with an error of its own (RFC 6749 section 4.1.2.1, and two texts of its own). */
    const upstreamError = Effect.fnUntraced(function*(login: PendingLogin, error: string, description: string) {
      yield* logFailure(login.flowId, `Forgejo: ${displayText(error, 60)}: ${displayText(description)}`)
      if (description.includes("a grant exists with different scope")) return otherScopePage(login.flowId, forgejoUrl)
      return error === "access_denied"
        ? toClient(login, { error: "access_denied", error_description: "The user denied the request at Forgejo." })
        : toClient(login, { error: "server_error", error_description: `Forgejo refused the sign-in. Flow ${login.flowId}.` })
    })

    /** One more round for a sign-in that collided with another of the same user; else the page. */
    const onFailure = Effect.fnUntraced(function*(failure: SignInFailed, login: PendingLogin, loginCookie: Redacted.Redacted) {
      yield* logFailure(login.flowId, `${failure.kind}: ${displayText(failure.detail, 300)}`)
      const again = failure.kind === "collided" ? yield* logins.again(login.flowId, loginCookie) : Option.none()
      if (Option.isNone(again)) return done(login)(failedPage(login.flowId, failure, forgejoUrl))
      yield* Effect.logInfo("signin.again").pipe(Effect.annotateLogs({ flow: login.flowId }))
      const location = yield* upstream.authorizeUrl({ state: again.value.state, codeChallenge: again.value.codeChallenge })
      return cookies.set("login", login.flowId, again.value.loginCookie)(redirect(location))
    })

    const goOn = Effect.fnUntraced(function*(
      parameters: Parameters,
      taken: { readonly login: PendingLogin; readonly verifier: Redacted.Redacted },
      loginCookie: Redacted.Redacted
    ) {
      const { login, verifier } = taken
      const error = parameters.get("error")
      if (Option.isSome(error)) {
        return done(login)(yield* upstreamError(login, error.value, Option.getOrElse(parameters.get("error_description"), () => "")))
      }
      const code = parameters.get("code")
      if (Option.isNone(code) || parameters.isRepeated("code")) {
        return done(login)(yield* upstreamError(login, "invalid_response", "neither a code nor an error"))
      }
      return yield* signIns.complete({ login, verifier, upstreamCode: Redacted.make(code.value) }).pipe(
        Effect.map((signedIn) => done(login)(welcome(login, signedIn))),
        Effect.catchTag("SignInFailed", (failure) => onFailure(failure, login, loginCookie))
      )
    })

    const callback = Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      const parameters = parseParameters(queryOf(request))
      const found = readState(parameters)
      const flowId = Option.match(found, { onNone: newFlowId, onSome: (it) => it.flowId })
      const loginCookie = cookies.read(request, "login", flowId)
      const attempt = Option.isNone(found)
        ? Effect.fail(new LoginRefused({ reason: "unknown" }))
        : Effect.flatMap(logins.take({ state: found.value.state, loginCookie }), (taken) =>
          goOn(parameters, taken, Option.getOrThrow(loginCookie)))
      return yield* Effect.catchTag(attempt, "LoginRefused", ({ reason }) =>
        Effect.as(logFailure(flowId, reason), refusedPage(flowId, reason)))
    }).pipe(orFaultPage)

    yield* router.add("GET", "/oauth/callback", callback)
    yield* refuseOtherMethods(router, "/oauth/callback", ["GET"])
  })
)
