import { Schema } from "effect"

/** A Forgejo account: the numeric `sub` of userinfo as text. Names change, this does not. */
export const UserId = Schema.NonEmptyString.pipe(Schema.brand("UserId"))
export type UserId = typeof UserId.Type

/** SHA-256 (hex) of a `client_id`: what rows and sessions refer to a client by. */
export const ClientKey = Schema.NonEmptyString.pipe(Schema.brand("ClientKey"))
export type ClientKey = typeof ClientKey.Type

/** One completed authorization of one user for one client (24 hex digits, no secret). */
export const GrantId = Schema.NonEmptyString.pipe(Schema.brand("GrantId"))
export type GrantId = typeof GrantId.Type

/** SHA-256 (hex) of an `Mcp-Session-Id`: sessions are known by it everywhere but on the wire. */
export const SessionKey = Schema.NonEmptyString.pipe(Schema.brand("SessionKey"))
export type SessionKey = typeof SessionKey.Type

/** One attempt to sign in or to start a child: stands on error pages, in errors and in the log (16 hex digits, no secret). */
export const FlowId = Schema.NonEmptyString.pipe(Schema.brand("FlowId"))
export type FlowId = typeof FlowId.Type
