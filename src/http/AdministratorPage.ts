import type { HttpServerResponse } from "@effect/platform"
import type { FlowId } from "../domain/Ids.ts"
import { html } from "./Html.ts"
import { page } from "./Pages.ts"

/**
 * In the place of the redirect to the client when a site administrator has signed in. `location` is
 * that redirect: whoever does not follow it gives the client nothing, and the unused code ends the grant.
 */
export const administratorPage = (options: {
  readonly flowId: FlowId
  readonly userName: string
  readonly forgejoUrl: string
  readonly location: string
}): HttpServerResponse.HttpServerResponse =>
  page({
    status: 200,
    title: "You signed in as a site administrator",
    flowId: options.flowId,
    body: html`<div class="box warn"><p><strong>${options.userName}</strong> administers all of
<strong>${new URL(options.forgejoUrl).host}</strong>. A client that is misled, by a text in an issue for example, can do more harm
with this account than with another one.</p></div>
<p>Better: close this page, sign in at Forgejo with an account that is no administrator, and connect again.</p>
<p><a href="${options.location}">Go on as ${options.userName}</a> (within two minutes)</p>`
  })
