import { HttpLayerRouter, HttpServerRequest } from "@effect/platform"
import { Data, Effect, Option, Redacted } from "effect"
import { unknownClient } from "../domain/AuthorizeRequest.ts"
import { FlowId } from "../domain/Ids.ts"
import type { Parameters } from "../domain/Parameters.ts"
import { withParameters } from "../domain/RedirectRule.ts"
import { AppConfig } from "../services/AppConfig.ts"
import { Clients } from "../services/Clients.ts"
import { type ConsentProof, type LoginRefused, PendingLogins } from "../services/PendingLogins.ts"
import { Upstream } from "../services/Upstream.ts"
import { readForm } from "./Body.ts"
import { flowCookies } from "./Cookies.ts"
import { newFlowId, orFaultPage, problemPage, redirect } from "./Pages.ts"
import { refuseOtherMethods } from "./WrongMethod.ts"

class ConsentProblem extends Data.TaggedError("ConsentProblem")<{
  readonly status: number
  readonly flowId: FlowId
  readonly reason: string
  readonly title: string
  readonly detail: string
}> {}

const startAgain = "Go back to your client and connect again."

const forged = (flowId: FlowId, reason: string) =>
  new ConsentProblem({
    status: 403,
    flowId,
    reason,
    title: "This answer did not come from your consent page",
    detail: "Nothing was allowed. Either the page was open for more than ten minutes, or cookies are blocked, or another site tried to "
      + `answer for you. ${startAgain}`
  })

/** Said here, since the browser would be sent to a Forgejo that does not answer. Allow can be pressed again. */
const forgejoAway = (flowId: FlowId, reason: string) =>
  new ConsentProblem({
    status: 503,
    flowId,
    reason: `Forgejo: ${reason}`,
    title: "Forgejo cannot be reached",
    detail: "You would sign in there, and it does not answer this broker now. Wait a minute, go back one page and press Allow again."
  })

const toProblem = (flowId: FlowId) => (refusal: LoginRefused): ConsentProblem => {
  switch (refusal.reason) {
    case "forged":
      return forged(flowId, "cookie or form token of another flow")
    case "unknown":
      return new ConsentProblem({
        status: 400,
        flowId,
        reason: "unknown or expired flow",
        title: "This sign-in is too old",
        detail: `A sign-in must be finished within ten minutes. Nothing was allowed. ${startAgain}`
      })
    case "finished":
      return new ConsentProblem({
        status: 400,
        flowId,
        reason: "finished flow",
        title: "This sign-in is already finished",
        detail: "It was allowed or denied before, and each sign-in counts once. If your client is not connected: "
          + startAgain.toLowerCase()
      })
  }
}

/**
 * Whether the form was sent by a page of ours. `same-site` is not enough: a sibling subdomain may be somebody else's.
 * A missing or opaque `Origin` (old browsers, privacy settings) falls back to the browser's own word.
 */
export const isOwnPage = (headers: Readonly<Record<string, string | undefined>>, publicUrl: string): boolean => {
  const origin = headers["origin"]
  return origin === undefined || origin === "null"
    ? headers["sec-fetch-site"] === "same-origin"
    : origin === new URL(publicUrl).origin
}

const flowIdIn = (form: Parameters): Option.Option<FlowId> =>
  Option.map(Option.filter(form.get("flow"), (text) => /^[0-9a-f]{16}$/.test(text)), (text) => FlowId.make(text))

/** The answer to the consent page. Whatever is refused sets no cookie. */
export const ConsentRoutes = HttpLayerRouter.use((router) =>
  Effect.gen(function*() {
    const { publicUrl } = yield* AppConfig
    const clients = yield* Clients
    const logins = yield* PendingLogins
    const upstream = yield* Upstream
    const cookies = flowCookies(publicUrl)

    const allow = Effect.fnUntraced(function*(proof: ConsentProof) {
      const leaving = yield* logins.allow(proof)
      const client = yield* clients.resolve(leaving.login.clientId)
      if (Option.isNone(client)) {
        return yield* new ConsentProblem({
          status: 400,
          flowId: proof.flowId,
          reason: "unknown client",
          title: unknownClient.title,
          detail: unknownClient.detail
        })
      }
      yield* Effect.mapError(upstream.version, ({ reason }) => forgejoAway(proof.flowId, reason))
      yield* clients.remember(client.value)
      const location = yield* upstream.authorizeUrl({ state: leaving.state, codeChallenge: leaving.codeChallenge })
      yield* Effect.logInfo("signin.allowed").pipe(Effect.annotateLogs({ flow: proof.flowId, client: client.value.key }))
      return cookies.set("login", proof.flowId, leaving.loginCookie)(redirect(location))
    })

    const deny = Effect.fnUntraced(function*(proof: ConsentProof) {
      const login = yield* logins.deny(proof)
      yield* Effect.logInfo("signin.denied").pipe(Effect.annotateLogs({ flow: proof.flowId }))
      return redirect(withParameters(login.redirectUri, {
        error: "access_denied",
        error_description: "The user denied the request.",
        state: Option.getOrUndefined(login.state),
        iss: publicUrl
      }))
    })

    const consent = Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      const form = yield* Effect.mapError(readForm, (problem) =>
        new ConsentProblem({
          status: problem.status,
          flowId: newFlowId(),
          reason: "unreadable body",
          title: "The answer could not be read",
          detail: `${problem.description} ${startAgain}`
        }))
      const found = flowIdIn(form)
      const flowId = Option.getOrElse(found, newFlowId)
      if (!isOwnPage(request.headers, publicUrl)) return yield* forged(flowId, "foreign Origin or Sec-Fetch-Site")
      const consentCookie = cookies.read(request, "consent", flowId)
      const formToken = Option.map(form.get("form_token"), (token) => Redacted.make(token))
      if (Option.isNone(found) || Option.isNone(consentCookie) || Option.isNone(formToken)) {
        return yield* forged(flowId, "no flow, cookie or form token")
      }
      const proof: ConsentProof = { flowId, consentCookie, formToken }
      const decision = Option.getOrUndefined(form.get("decision"))
      if (decision !== "allow" && decision !== "deny") {
        return yield* new ConsentProblem({
          status: 400,
          flowId,
          reason: "no decision",
          title: "Neither Allow nor Deny",
          detail: "The form must be sent with one of its two buttons. Go back one page and choose."
        })
      }
      return yield* Effect.catchTag(decision === "allow" ? allow(proof) : deny(proof), "LoginRefused", toProblem(flowId))
    }).pipe(
      Effect.catchTag("ConsentProblem", (problem) =>
        Effect.logWarning("signin.failed").pipe(
          Effect.annotateLogs({ flow: problem.flowId, reason: problem.reason }),
          Effect.as(problemPage({ status: problem.status, title: problem.title, details: [problem.detail], flowId: problem.flowId }))
        )),
      orFaultPage
    )

    yield* router.add("POST", "/oauth/consent", consent)
    yield* refuseOtherMethods(router, "/oauth/consent", ["POST"])
  })
)
