import type { HttpServerResponse } from "@effect/platform"
import { Redacted } from "effect"
import type { FlowId } from "../domain/Ids.ts"
import { type Destination, destinationOf } from "../domain/RedirectRule.ts"
import { scopeLines } from "../domain/ScopeWords.ts"
import { html, type Markup } from "./Html.ts"
import { page } from "./Pages.ts"

const destinationBox = (destination: Destination): Markup => {
  switch (destination.kind) {
    case "web":
      return html`<div class="box"><p>You will be sent back to <strong class="host">${destination.host}</strong>.
Allow only if that is where you came from.</p></div>`
    case "loopback":
      return html`<div class="box warn"><p>You will be sent back to <strong class="host">${destination.host}</strong>, a program on
<strong>this computer</strong>.</p><p>Any program that runs here can wait at such an address, and the name above proves nothing.
Allow only if you have just started to connect from a program that you trust.</p></div>`
    case "app":
      return html`<div class="box warn"><p>You will be sent back to the application that opens
<strong class="host">${destination.host}</strong> links on this computer.</p><p>The name above proves nothing.
Allow only if you have just started to connect from that application.</p></div>`
  }
}

/** The broker's own consent page, before Forgejo, every time. Allow is the first button of the first form. */
export const consentPage = (options: {
  readonly flowId: FlowId
  readonly formToken: Redacted.Redacted
  readonly clientName: string
  readonly redirectUri: string
  readonly forgejoUrl: string
  readonly forgejoScopes: string
}): HttpServerResponse.HttpServerResponse => {
  const forgejoHost = new URL(options.forgejoUrl).host
  const lines = scopeLines(options.forgejoScopes)
  return page({
    status: 200,
    title: "Connect to Forgejo?",
    flowId: options.flowId,
    hasForm: true,
    body: html`<p>A program that calls itself “<bdi class="name">${options.clientName}</bdi>” wants to work on
<strong>${forgejoHost}</strong> <strong>as you</strong>. Nobody has verified that name.</p>
${destinationBox(destinationOf(options.redirectUri))}
<h2>What it will be able to do on ${forgejoHost}</h2>
<ul>${lines.map((line) => html`<li>${line.words} <code>${line.scope}</code></li>`)}</ul>
<p class="soft">It works through this broker and never sees your Forgejo password or token. After Allow, Forgejo asks you to sign in.</p>
<form method="post" action="/oauth/consent">
<input type="hidden" name="flow" value="${options.flowId}">
<input type="hidden" name="form_token" value="${Redacted.value(options.formToken)}">
<div class="actions">
<button class="first" type="submit" name="decision" value="allow">Allow</button>
<button type="submit" name="decision" value="deny">Deny</button>
</div>
</form>`
  })
}
