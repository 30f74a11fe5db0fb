import type { Effect, Option, Redacted } from "effect"
import { Context } from "effect"
import type { ClientKey } from "../domain/Ids.ts"
import type { OAuthError } from "./OAuthErrors.ts"

export type ClientAuthMethod = "none" | "client_secret_basic" | "client_secret_post"

/** An MCP client. Its `client_id` *is* its sealed registration, so that registering stores nothing. */
export interface Client {
  readonly clientId: string
  readonly key: ClientKey
  /** Unverified text, stripped of control and direction characters, at most 100 characters. */
  readonly name: string
  readonly redirectUris: ReadonlyArray<string>
  readonly authMethod: ClientAuthMethod
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
    credentials: { readonly clientId: string; readonly secret: Option.Option<Redacted.Redacted>; readonly via: ClientAuthMethod }
  ) => Effect.Effect<Client, OAuthError>
  /** Makes the row, at the first Allow; later calls change nothing. */
  readonly remember: (client: Client) => Effect.Effect<void>
}>() {}
