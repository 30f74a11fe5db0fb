import { SqlClient } from "@effect/sql"
import { Clock, Context, Effect, Layer, Option, Redacted } from "effect"
import type { ClientKey, UserId } from "../domain/Ids.ts"
import { GrantId } from "../domain/Ids.ts"
import { accessTokenLifetime, grantLifetime } from "../domain/Lifetimes.ts"
import { canonicalResource, resourceOf } from "../domain/ResourceRule.ts"
import { newSecret, randomHex } from "../domain/Secrets.ts"
import { AppConfig } from "../services/AppConfig.ts"
import type { GrantEnd, IssuedTokens } from "../services/Grants.ts"
import { Grants } from "../services/Grants.ts"
import { GrantUpkeep } from "../services/GrantUpkeep.ts"
import { OAuthError } from "../services/OAuthErrors.ts"
import { accessTokenPrefix, makeAccessTokens } from "./AccessTokens.ts"
import type { CodeRequest } from "./CodeRedemption.ts"
import { codePrefix, makeCodes } from "./CodeRedemption.ts"
import { makeGrantEndings } from "./GrantEndings.ts"
import { makeRefreshChain, refreshTokenPrefix } from "./RefreshChain.ts"

const signInAgain = new OAuthError({
  error: "invalid_grant",
  description: "The refresh token is unknown, expired or no longer valid. The user must sign in again."
})

// Every query is `orDie`: a store that fails is a fault that no caller can act on but by answering 500.
const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const { publicUrl } = yield* AppConfig
  const accessTokens = yield* makeAccessTokens(publicUrl)
  const chain = yield* makeRefreshChain(accessTokens)
  const codes = yield* makeCodes(publicUrl)
  const endings = yield* makeGrantEndings(accessTokens)

  const create = Effect.fn("Grants.create")(function*(request: {
    readonly userId: UserId
    readonly userName: string
    readonly clientKey: ClientKey
    readonly scope: string
    readonly redirectUri: string
    readonly codeChallenge: string
    readonly resource: string
  }) {
    const now = yield* Clock.currentTimeMillis
    const grantId = GrantId.make(randomHex(12))
    const code = newSecret(codePrefix)
    yield* sql.withTransaction(Effect.zipRight(
      sql`insert into grants ${
        sql.insert({
          id: grantId,
          user_id: request.userId,
          user_name: request.userName,
          client_key: request.clientKey,
          scope: request.scope,
          created_at: now,
          last_used_at: now,
          expires_at: now + grantLifetime,
          ended_at: null,
          end_reason: null
        })
      }`,
      codes.insert(code, { grantId, redirectUri: request.redirectUri, codeChallenge: request.codeChallenge, resource: request.resource })
    ))
    return { grantId, code }
  }, Effect.orDie)

  const redeem = Effect.fn("Grants.redeem")(function*(request: CodeRequest) {
    const row = yield* codes.check(request)
    const accessToken = newSecret(accessTokenPrefix)
    const refreshToken = newSecret(refreshTokenPrefix)
    const issue = Effect.gen(function*() {
      if (!(yield* codes.consume(request.code))) return false
      yield* accessTokens.insert(accessToken, row.grant_id)
      yield* chain.insert(refreshToken, row.grant_id)
      yield* sql`update grants set expires_at = ${(yield* Clock.currentTimeMillis) + grantLifetime} where id = ${row.grant_id}`
      return true
    })
    if (row.ended_at === null && (yield* Effect.orDie(sql.withTransaction(issue)))) {
      return { accessToken, refreshToken, expiresIn: accessTokenLifetime / 1000, scope: row.scope } satisfies IssuedTokens
    }
    // RFC 6749 section 4.1.2: somebody else may have redeemed it first, so what it gave is taken back.
    yield* endings.end(row.grant_id, "code_replayed")
    return yield* codes.unknownCode("code presented again")
  })

  const refresh = Effect.fn("Grants.refresh")(function*(request: {
    readonly clientKey: ClientKey
    readonly refreshToken: Redacted.Redacted
    readonly resource: Option.Option<string>
  }) {
    if (Option.isNone(canonicalResource(request.resource, publicUrl))) {
      return yield* new OAuthError({ error: "invalid_target", description: `"resource" must be "${resourceOf(publicUrl)}".` })
    }
    const rotation = yield* chain.rotate(request.clientKey, request.refreshToken)
    switch (rotation._tag) {
      case "Issued": {
        yield* Effect.logInfo(rotation.replayed ? "refresh.replayed" : "refresh.rotated").pipe(
          Effect.annotateLogs({ grant: rotation.grantId })
        )
        return rotation.tokens
      }
      case "Refused":
        return yield* new OAuthError({ error: signInAgain.error, description: signInAgain.description, reason: rotation.reason })
      case "Reused": {
        yield* endings.end(rotation.grantId, "refresh_token_reused")
        return yield* new OAuthError({
          error: "invalid_grant",
          description: "The refresh token was used before, so the whole grant has been ended for safety. The user must sign in again.",
          reason: rotation.reason
        })
      }
    }
  })

  const revoke = Effect.fn("Grants.revoke")(function*(request: { readonly clientKey: ClientKey; readonly token: Redacted.Redacted }) {
    if (Redacted.value(request.token).startsWith(accessTokenPrefix)) {
      yield* Effect.orDie(accessTokens.revoke(request.token, request.clientKey))
      return
    }
    const grantId = yield* Effect.orDie(chain.grantOf(request.clientKey, request.token))
    if (Option.isSome(grantId)) yield* endings.end(grantId.value, "revoked_by_client")
  })

  const isLive = Effect.fn("Grants.isLive")(function*(id: GrantId) {
    const now = yield* Clock.currentTimeMillis
    const rows = yield* sql`select 1 from grants where id = ${id} and ended_at is null and expires_at > ${now}`
    return rows.length === 1
  }, Effect.orDie)

  const end = Effect.fn("Grants.end")((id: GrantId, reason: GrantEnd) => Effect.asVoid(endings.end(id, reason)))
  const endOfUser = Effect.fn("Grants.endOfUser")((userId: UserId, reason: GrantEnd) => Effect.asVoid(endings.endOfUser(userId, reason)))

  const sweepExpired = endings.endExpired.pipe(
    Effect.zipRight(accessTokens.sweep),
    Effect.zipRight(chain.eraseNonces),
    Effect.zipRight(endings.deleteOld),
    Effect.orDie,
    Effect.asVoid
  )

  const service = { create, redeem, refresh, revoke, verify: accessTokens.verify, isLive, end, endOfUser, ended: endings.ended }
  return Context.make(Grants, service).pipe(
    Context.add(GrantUpkeep, { sweepExpired, flushUse: Effect.asVoid(Effect.orDie(accessTokens.flushUse)) })
  )
})

/** Grants in SQLite, and their upkeep. */
export const GrantsLive = Layer.effectContext(make)
