import type { FlowId } from "../domain/Ids.ts"
import type { LoginRefused } from "../services/PendingLogins.ts"
import type { SignInFailed } from "../services/SignIns.ts"
import { problemPage } from "./Pages.ts"

/** The pages that a person can get on the way back from Forgejo: what happened, and what to do. */

const startAgain = "Go back to your client and connect again."

export const refusedPage = (flowId: FlowId, refusal: LoginRefused["reason"]) => {
  switch (refusal) {
    case "unknown":
      return problemPage({
        status: 400,
        flowId,
        title: "This sign-in is not known, or too old",
        details: [`A sign-in must be finished within ten minutes. Nothing was given to anybody. ${startAgain}`]
      })
    case "forged":
      return problemPage({
        status: 403,
        flowId,
        title: "This sign-in was started in another browser",
        details: [
          "The browser that comes back from Forgejo must be the one in which Allow was pressed. Nothing was given to anybody.",
          `If it is the same one, cookies for this site are blocked: let them through. ${startAgain}`
        ]
      })
    case "finished":
      return problemPage({
        status: 400,
        flowId,
        title: "This sign-in is already finished",
        details: [`Its address works once. If your client is not connected: ${startAgain.toLowerCase()}`]
      })
  }
}

const revokeSteps = (forgejoUrl: string): ReadonlyArray<string> => [
  `Open ${forgejoUrl}/user/settings/applications (Settings > Applications), find this broker under "Authorized OAuth2 applications" `
  + "and press Revoke.",
  `Then sign in again. ${startAgain}`
]

/** Forgejo keeps the scope that a user once granted to an app; only the user can take it back. */
export const otherScopePage = (flowId: FlowId, forgejoUrl: string) =>
  problemPage({
    status: 403,
    flowId,
    title: "Forgejo still holds an older permission",
    details: [
      "You allowed this broker something else before, and Forgejo does not change a permission that exists.",
      ...revokeSteps(forgejoUrl)
    ]
  })

export const failedPage = (flowId: FlowId, failure: SignInFailed, forgejoUrl: string) => {
  switch (failure.kind) {
    case "wider":
      return problemPage({
        status: 403,
        flowId,
        title: "Forgejo granted more than this broker may have",
        details: [
          `You allowed this broker more before than it asks for now (${failure.excess.join(", ")}), and Forgejo keeps that. `
          + "The broker refuses to work with such a token.",
          ...revokeSteps(forgejoUrl)
        ]
      })
    case "unavailable":
      return problemPage({
        status: 503,
        flowId,
        title: "Forgejo does not answer",
        details: [`The sign-in could not be finished, because Forgejo at ${forgejoUrl} did not answer as it should. `
          + "Nothing is wrong on your side. Wait a minute, go back to your client and connect again."],
        headers: { "retry-after": "60" }
      })
    case "collided":
      return problemPage({
        status: 503,
        flowId,
        title: "Two sign-ins got into each other's way",
        details: ["You signed in more than once in the same moment, and Forgejo lets only one through. "
          + "Go back to your client and connect again, one client after the other."],
        headers: { "retry-after": "5" }
      })
    case "misconfigured":
      return problemPage({
        status: 502,
        flowId,
        title: "Forgejo does not accept this broker",
        details: ["Forgejo refused the broker's own client id or secret. Only the operator can mend that: "
          + "check FORGEJO_CLIENT_ID and FORGEJO_CLIENT_SECRET against the OAuth2 application in Forgejo."]
      })
    case "refused":
      return problemPage({
        status: 400,
        flowId,
        title: "Forgejo did not accept this sign-in",
        details: [`It may have been used already, or two sign-ins ran in one browser at the same time. ${startAgain}`]
      })
  }
}
