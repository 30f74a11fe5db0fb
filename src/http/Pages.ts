import { HttpServerResponse } from "@effect/platform"
import { Cause, Effect } from "effect"
import { FlowId } from "../domain/Ids.ts"
import { randomHex } from "../domain/Secrets.ts"
import { html, type Markup, styleElement } from "./Html.ts"
import { style, styleHash } from "./Style.ts"

/**
 * `form-action` is left out on purpose: Chrome and Safari apply it to the whole redirect chain of the consent form, which
 * ends at the client. `default-src 'none'` does not cover it.
 */
const contentSecurityPolicy = `default-src 'none'; style-src ${styleHash}; img-src data:; base-uri 'none'; frame-ancestors 'none'`

/** Headers of every page and redirect. `same-origin` where there is a form: with `no-referrer` its `Origin` would be `null`. */
export const pageHeaders = (options: { readonly hasForm: boolean }): Readonly<Record<string, string>> => ({
  "content-security-policy": contentSecurityPolicy,
  "x-frame-options": "DENY",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
  "referrer-policy": options.hasForm ? "same-origin" : "no-referrer"
})

export const page = (options: {
  readonly status: number
  readonly title: string
  readonly body: Markup
  readonly flowId?: FlowId
  readonly hasForm?: boolean
  readonly wide?: boolean
  readonly headers?: Readonly<Record<string, string>>
}): HttpServerResponse.HttpServerResponse => {
  const footer = options.flowId === undefined ? undefined : html`<footer>Flow <code>${options.flowId}</code></footer>`
  const document = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><link rel="icon" href="data:,"><title>${options.title}</title>${styleElement(style)}</head>
<body><main${options.wide === true ? html` class="wide"` : undefined}>
<h1>${options.title}</h1>
${options.body}
${footer}
</main></body></html>
`
  return HttpServerResponse.text(document.source, {
    status: options.status,
    contentType: "text/html; charset=utf-8",
    headers: { ...pageHeaders({ hasForm: options.hasForm ?? false }), ...options.headers }
  })
}

/** A page that says what went wrong and what to do. The flow id lets an operator find the attempt in the log. */
export const problemPage = (options: {
  readonly status: number
  readonly title: string
  readonly details: ReadonlyArray<string>
  readonly flowId: FlowId
  readonly headers?: Readonly<Record<string, string>>
}): HttpServerResponse.HttpServerResponse =>
  page({
    status: options.status,
    title: options.title,
    flowId: options.flowId,
    ...(options.headers === undefined ? {} : { headers: options.headers }),
    body: html`${options.details.map((detail) => html`<p>${detail}</p>`)}
<p class="soft">If you ask somebody for help, tell them the flow below: it finds this attempt in the broker's log.</p>`
  })

export const redirect = (location: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.redirect(location, { status: 302, headers: pageHeaders({ hasForm: false }) })

export const newFlowId = (): FlowId => FlowId.make(randomHex(8))

/** A fault of ours, in a page instead of an empty 500. */
export const orFaultPage = <E, R>(handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  Effect.catchAllCause(handler, (cause) => {
    if (Cause.isInterruptedOnly(cause)) return Effect.interrupt
    const flowId = newFlowId()
    return Effect.logError("signin.fault", cause).pipe(
      Effect.annotateLogs({ flow: flowId }),
      Effect.as(problemPage({
        status: 500,
        title: "Something broke here",
        details: ["The broker could not go on because of a fault of its own. Go back to your client and connect again in a moment."],
        flowId
      }))
    )
  })
