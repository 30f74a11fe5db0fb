import { SqlClient, SqlSchema } from "@effect/sql"
import { Clock, Effect, Option, Redacted, Schema } from "effect"
import { ClientKey, GrantId } from "../domain/Ids.ts"
import { codeLifetime } from "../domain/Lifetimes.ts"
import { fitsChallenge, isVerifier } from "../domain/Pkce.ts"
import { canonicalResource } from "../domain/ResourceRule.ts"
import { hashOf } from "../domain/Secrets.ts"
import { OAuthError } from "../services/OAuthErrors.ts"

export const codePrefix = "fjmcp_co_"

const Row = Schema.Struct({
  grant_id: GrantId,
  client_key: ClientKey,
  scope: Schema.String,
  redirect_uri: Schema.String,
  code_challenge: Schema.String,
  resource: Schema.String,
  expires_at: Schema.Number,
  consumed_at: Schema.NullOr(Schema.Number),
  ended_at: Schema.NullOr(Schema.Number)
})

export interface CodeRequest {
  readonly clientKey: ClientKey
  readonly code: Redacted.Redacted
  readonly redirectUri: Option.Option<string>
  readonly verifier: Option.Option<Redacted.Redacted>
  readonly resource: Option.Option<string>
}

const invalidGrant = (description: string, reason: string) => new OAuthError({ error: "invalid_grant", description, reason })
const startAgain = "Send the user to the authorization endpoint again."
/** Also what a stranger gets who presents somebody else's code: it tells nothing. */
const unknownCode = (reason: string) => invalidGrant(`The authorization code is unknown, expired or already used. ${startAgain}`, reason)

/** Authorization codes, part of `GrantsLive`. A request that is wrong in any way does not consume the code. */
export const makeCodes = Effect.fnUntraced(function*(publicUrl: string) {
  const sql = yield* SqlClient.SqlClient

  const find = SqlSchema.findOne({
    Request: Schema.String,
    Result: Row,
    execute: (hash) =>
      sql`select c.grant_id, g.client_key, g.scope, c.redirect_uri, c.code_challenge, c.resource, c.expires_at, c.consumed_at, g.ended_at
        from codes c join grants g on g.id = c.grant_id where c.hash = ${hash}`
  })

  /** Inserts a row; part of the caller's transaction. */
  const insert = Effect.fnUntraced(function*(
    code: Redacted.Redacted,
    row: { readonly grantId: GrantId; readonly redirectUri: string; readonly codeChallenge: string; readonly resource: string }
  ) {
    const now = yield* Clock.currentTimeMillis
    yield* sql`insert into codes ${
      sql.insert({
        hash: hashOf(code),
        grant_id: row.grantId,
        redirect_uri: row.redirectUri,
        code_challenge: row.codeChallenge,
        resource: row.resource,
        expires_at: now + codeLifetime,
        consumed_at: null
      })
    }`
  })

  /** All checks but the one for single use, in order. */
  const check = Effect.fnUntraced(function*(request: CodeRequest) {
    // A store that fails is a fault that no caller can act on but by answering 500.
    const found = yield* Effect.orDie(find(hashOf(request.code)))
    if (Option.isNone(found)) return yield* unknownCode("unknown code")
    const row = found.value
    if (row.client_key !== request.clientKey) return yield* unknownCode("code of another client")
    if (Option.exists(request.redirectUri, (uri) => uri !== row.redirect_uri)) {
      return yield* invalidGrant("\"redirect_uri\" must be the same as in the authorization request.", "redirect URI differs")
    }
    if (Option.isNone(request.verifier)) {
      return yield* new OAuthError({ error: "invalid_request", description: "\"code_verifier\" is missing: PKCE is required." })
    }
    const verifier = Redacted.value(request.verifier.value)
    if (!isVerifier(verifier)) {
      return yield* invalidGrant("\"code_verifier\" must have 43 to 128 characters of A-Z a-z 0-9 - . _ ~ (RFC 7636).", "verifier syntax")
    }
    if (!fitsChallenge(verifier, row.code_challenge)) {
      return yield* invalidGrant("\"code_verifier\" does not fit the code_challenge of the authorization request.", "wrong verifier")
    }
    if (!Option.contains(canonicalResource(request.resource, publicUrl), row.resource)) {
      return yield* new OAuthError({ error: "invalid_target", description: `"resource" must be "${row.resource}".` })
    }
    if (row.consumed_at === null && row.expires_at <= (yield* Clock.currentTimeMillis)) return yield* unknownCode("expired code")
    return row
  })

  return {
    insert,
    check,
    unknownCode,
    /** Single use is this one statement: of any number of calls, one gets true. */
    consume: (code: Redacted.Redacted) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.map(
          sql`update codes set consumed_at = ${now}
            where hash = ${hashOf(code)} and consumed_at is null and expires_at > ${now} returning hash`,
          (rows) => rows.length === 1
        ))
  }
})
