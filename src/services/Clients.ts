import type { Effect, Option, Redacted } from "effect"
import { Context } from "effect"
import type { ClientKey } from "../domain/Ids.ts"
import type { AuthMethod } from "../domain/Registration.ts"
import type { OAuthError } from "./OAuthErrors.ts"

/** An MCP client. Its `client_id` *is* its sealed registration, so that registering stores nothing. */
export interface Client {
  readonly clientId: string
  readonly key: ClientKey
  /** Unverified text, stripped of control and direction characters, at most 100 characters. */
  readonly name: string
  readonly redirectUris: ReadonlyArray<string>
  readonly authMethod: AuthMethod
}

export interface RegisteredClient extends Client {
  /** `none` clients get one too, unused (some clients insist); it never expires. */
  readonly secret: Redacted.Redacted
  /** Epoch seconds. */
  readonly issuedAt: number
}

/** Dynamic client registration (RFC 7591) and client authentication (RFC 6749 section 2.3). */
export class Clients extends Context.Tag("fjmcp/Clients")<Clients, {
  /** `metadata` is the parsed JSON body; fails with `invalid_redirect_uri` or `invalid_client_metadata`. */
  readonly register: (metadata: unknown) => Effect.Effect<RegisteredClient, OAuthError>
  /** Nothing where the id was not made by this broker. */
  readonly resolve: (clientId: string) => Effect.Effect<Option.Option<Client>>
  /** Fails with `invalid_client`. */
  readonly authenticate: (
    credentials: { readonly clientId: string; readonly secret: Option.Option<Redacted.Redacted> }
  ) => Effect.Effect<Client, OAuthError>
  /** At each Allow: makes the row that grants refer to, and keeps it for as long as that sign-in may take. */
  readonly remember: (client: Client) => Effect.Effect<void>
  /** Deletes the rows of clients without a grant, 20 minutes after their last Allow: sign-ins take 10 at most. */
  readonly sweep: Effect.Effect<void>
}>() {}
