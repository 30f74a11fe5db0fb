import type { Effect, Option, Redacted } from "effect"
import { Context, Schema } from "effect"
import type { AuthorizeRequest } from "../domain/AuthorizeRequest.ts"
import type { FlowId } from "../domain/Ids.ts"

/** A sign-in between the authorization request and the callback. */
export interface PendingLogin extends AuthorizeRequest {
  readonly flowId: FlowId
  readonly clientId: string
}

/**
 * Why a step of a sign-in is refused. `unknown`: no such attempt, or it is too old; `forged`: the cookie or the token of
 * another browser or attempt, or none; `finished`: the attempt is over.
 */
export class LoginRefused extends Schema.TaggedError<LoginRefused>()("LoginRefused", {
  reason: Schema.Literal("unknown", "forged", "finished")
}) {}

/** As many sign-ins are in progress as the broker keeps: anybody can begin one. */
export class LoginsFull extends Schema.TaggedError<LoginsFull>()("LoginsFull", {}) {}

/** What the browser proves with: the consent cookie and the form token of one attempt. */
export interface ConsentProof {
  readonly flowId: FlowId
  readonly consentCookie: Option.Option<Redacted.Redacted>
  readonly formToken: Option.Option<Redacted.Redacted>
}

/** What takes the browser to Forgejo and proves itself when it comes back. */
export interface Departure {
  readonly login: PendingLogin
  readonly loginCookie: Redacted.Redacted
  /** `<flow id>.<secret>`, so that even a late callback can name its flow. */
  readonly state: Redacted.Redacted
  /** S256 of the broker's own verifier towards Forgejo. */
  readonly codeChallenge: string
}

/** Sign-ins in progress: rows of 10 minutes, so that a restart loses none. Only hashes of their secrets are stored. */
export class PendingLogins extends Context.Tag("fjmcp/PendingLogins")<PendingLogins, {
  readonly begin: (
    request: AuthorizeRequest & { readonly clientId: string }
  ) => Effect.Effect<
    { readonly flowId: FlowId; readonly consentCookie: Redacted.Redacted; readonly formToken: Redacted.Redacted },
    LoginsFull
  >
  /** Again with the same proof: the same answer, so that a double click or a reload does no harm. */
  readonly allow: (proof: ConsentProof) => Effect.Effect<Departure, LoginRefused>
  /** Ends the attempt; again with the same proof: the same answer. */
  readonly deny: (proof: ConsentProof) => Effect.Effect<PendingLogin, LoginRefused>
  /** The callback: single use. `verifier` is the broker's own towards Forgejo. */
  readonly take: (proof: {
    readonly state: Redacted.Redacted
    readonly loginCookie: Option.Option<Redacted.Redacted>
  }) => Effect.Effect<{ readonly login: PendingLogin; readonly verifier: Redacted.Redacted }, LoginRefused>
  /** Once more through Forgejo with an attempt that was taken; nothing the second time. */
  readonly again: (flowId: FlowId, loginCookie: Redacted.Redacted) => Effect.Effect<Option.Option<Departure>>
  /** Deletes what is too old. */
  readonly sweep: Effect.Effect<void>
}>() {}
