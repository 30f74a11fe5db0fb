import { SqlClient, SqlSchema } from "@effect/sql"
import { Clock, Effect, Layer, Option, Redacted, Schema } from "effect"
import { FlowId } from "../domain/Ids.ts"
import { loginLifetime } from "../domain/Lifetimes.ts"
import { s256Challenge } from "../domain/Pkce.ts"
import { equalSecrets, hashOf, newSecret, randomHex } from "../domain/Secrets.ts"
import type { ConsentProof, Departure, PendingLogin } from "../services/PendingLogins.ts"
import { LoginRefused, LoginsFull, PendingLogins } from "../services/PendingLogins.ts"
import { Sealing } from "../services/Sealing.ts"

/** Rounds through Forgejo beyond the first. */
const extraRounds = 1
/** Sign-ins in progress at one time. Nobody has to prove anything to begin one, and a row takes up to 8 KiB on the disk. */
export const maxPendingLogins = 20_000

const Row = Schema.Struct({
  flow_id: FlowId,
  client_id: Schema.String,
  redirect_uri: Schema.String,
  client_state: Schema.NullOr(Schema.String),
  code_challenge: Schema.String,
  scope: Schema.String,
  resource: Schema.String,
  consent_cookie_hash: Schema.String,
  form_token_hash: Schema.String,
  attempt: Schema.Number,
  status: Schema.Literal("asked", "allowed", "denied", "finished")
})
type Row = typeof Row.Type

const toLogin = (row: Row): PendingLogin => ({
  flowId: row.flow_id,
  clientId: row.client_id,
  redirectUri: row.redirect_uri,
  state: Option.fromNullable(row.client_state),
  codeChallenge: row.code_challenge,
  scope: row.scope,
  resource: row.resource
})

const proves = (secret: Option.Option<Redacted.Redacted>, hash: string): boolean =>
  Option.exists(secret, (it) => equalSecrets(hashOf(it), hash))

// Every query is `orDie`: a store that fails is a fault that no caller can act on but by answering 500.
const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const sealing = yield* Sealing

  // Login cookie, state and verifier are derived, not random, so that a repeated Allow gives the same ones although
  // only hashes are stored. The consent cookie is random and known to one browser alone; the key is ours alone.
  const cookieOf = (flowId: FlowId, consentCookie: Redacted.Redacted) =>
    sealing.mac("login", "cookie", flowId, Redacted.value(consentCookie))
  const verifierOf = (flowId: FlowId, attempt: number, loginCookie: Redacted.Redacted) =>
    sealing.mac("login", "verifier", flowId, String(attempt), Redacted.value(loginCookie))
  const stateOf = (flowId: FlowId, attempt: number, loginCookie: Redacted.Redacted) =>
    Redacted.make(`${flowId}.${Redacted.value(sealing.mac("login", "state", flowId, String(attempt), Redacted.value(loginCookie)))}`)

  const departure = (row: Row, loginCookie: Redacted.Redacted): Departure => ({
    login: toLogin(row),
    loginCookie,
    state: stateOf(row.flow_id, row.attempt, loginCookie),
    codeChallenge: s256Challenge(Redacted.value(verifierOf(row.flow_id, row.attempt, loginCookie)))
  })

  const find = SqlSchema.findOne({
    Request: Schema.Struct({ flowId: FlowId, now: Schema.Number }),
    Result: Row,
    execute: ({ flowId, now }) => sql`select * from pending_logins where flow_id = ${flowId} and expires_at > ${now}`
  })
  const consume = SqlSchema.findOne({
    Request: Schema.Struct({ stateHash: Schema.String, cookieHash: Schema.String, now: Schema.Number }),
    Result: Row,
    execute: ({ cookieHash, now, stateHash }) =>
      sql`update pending_logins set status = 'finished' where upstream_state_hash = ${stateHash}
        and login_cookie_hash = ${cookieHash} and status = 'allowed' and expires_at > ${now} returning *`
  })
  const findByState = SqlSchema.findOne({
    Request: Schema.Struct({ stateHash: Schema.String, now: Schema.Number }),
    Result: Row,
    execute: ({ now, stateHash }) => sql`select * from pending_logins where upstream_state_hash = ${stateHash} and expires_at > ${now}`
  })

  const proven = Effect.fnUntraced(function*(proof: ConsentProof) {
    const row = yield* Effect.orDie(find({ flowId: proof.flowId, now: yield* Clock.currentTimeMillis }))
    if (Option.isNone(row)) return yield* new LoginRefused({ reason: "unknown" })
    if (!proves(proof.consentCookie, row.value.consent_cookie_hash) || !proves(proof.formToken, row.value.form_token_hash)) {
      return yield* new LoginRefused({ reason: "forged" })
    }
    return row.value
  })

  const begin = Effect.fn("PendingLogins.begin")(function*(request: Omit<PendingLogin, "flowId">) {
    const now = yield* Clock.currentTimeMillis
    const [live] = yield* Effect.orDie(
      sql<{ readonly count: number }>`select count(*) as count from pending_logins where expires_at > ${now}`
    )
    if ((live?.count ?? 0) >= maxPendingLogins) return yield* new LoginsFull()
    const flowId = FlowId.make(randomHex(8))
    const consentCookie = newSecret()
    const formToken = newSecret()
    yield* Effect.orDie(sql`insert into pending_logins ${
      sql.insert({
        flow_id: flowId,
        client_id: request.clientId,
        redirect_uri: request.redirectUri,
        client_state: Option.getOrNull(request.state),
        code_challenge: request.codeChallenge,
        scope: request.scope,
        resource: request.resource,
        consent_cookie_hash: hashOf(consentCookie),
        form_token_hash: hashOf(formToken),
        attempt: 0,
        status: "asked",
        created_at: now,
        expires_at: now + loginLifetime
      })
    }`)
    return { flowId, consentCookie, formToken }
  })

  const allow = Effect.fn("PendingLogins.allow")(function*(proof: ConsentProof) {
    const row = yield* proven(proof)
    if ((row.status !== "asked" && row.status !== "allowed") || Option.isNone(proof.consentCookie)) {
      return yield* new LoginRefused({ reason: "finished" })
    }
    const leaving = departure(row, cookieOf(row.flow_id, proof.consentCookie.value))
    if (row.status === "asked") {
      const written = yield* Effect.orDie(sql`update pending_logins set status = 'allowed',
        login_cookie_hash = ${hashOf(leaving.loginCookie)}, upstream_state_hash = ${hashOf(leaving.state)}
        where flow_id = ${row.flow_id} and status in ('asked', 'allowed') returning flow_id`)
      // Denied in the same moment, in another tab.
      if (written.length === 0) return yield* new LoginRefused({ reason: "finished" })
    }
    return leaving
  })

  const deny = Effect.fn("PendingLogins.deny")(function*(proof: ConsentProof) {
    const row = yield* proven(proof)
    const written = yield* Effect.orDie(
      sql`update pending_logins set status = 'denied' where flow_id = ${row.flow_id} and status <> 'finished' returning flow_id`
    )
    if (written.length === 0) return yield* new LoginRefused({ reason: "finished" })
    return toLogin(row)
  })

  const take = Effect.fn("PendingLogins.take")(function*(
    proof: { readonly state: Redacted.Redacted; readonly loginCookie: Option.Option<Redacted.Redacted> }
  ) {
    const now = yield* Clock.currentTimeMillis
    const stateHash = hashOf(proof.state)
    if (Option.isSome(proof.loginCookie)) {
      const cookie = proof.loginCookie.value
      const taken = yield* Effect.orDie(consume({ stateHash, cookieHash: hashOf(cookie), now }))
      if (Option.isSome(taken)) {
        return { login: toLogin(taken.value), verifier: verifierOf(taken.value.flow_id, taken.value.attempt, cookie) }
      }
    }
    const row = yield* Effect.orDie(findByState({ stateHash, now }))
    return yield* new LoginRefused({ reason: Option.isNone(row) ? "unknown" : row.value.status === "allowed" ? "forged" : "finished" })
  })

  const again = Effect.fn("PendingLogins.again")(function*(flowId: FlowId, loginCookie: Redacted.Redacted) {
    const row = yield* find({ flowId, now: yield* Clock.currentTimeMillis })
    if (Option.isNone(row) || row.value.attempt >= extraRounds) return Option.none<Departure>()
    const next: Row = { ...row.value, attempt: row.value.attempt + 1 }
    const leaving = departure(next, loginCookie)
    const written = yield* sql`update pending_logins set status = 'allowed', attempt = ${next.attempt},
      upstream_state_hash = ${hashOf(leaving.state)} where flow_id = ${flowId} and status = 'finished' and attempt = ${row.value.attempt}
      and login_cookie_hash = ${hashOf(loginCookie)} returning flow_id`
    return written.length === 0 ? Option.none<Departure>() : Option.some(leaving)
  }, Effect.orDie)

  const sweep = Effect.flatMap(Clock.currentTimeMillis, (now) => sql`delete from pending_logins where expires_at <= ${now}`).pipe(
    Effect.orDie,
    Effect.asVoid
  )

  return PendingLogins.of({ begin, allow, deny, take, again, sweep })
})

/** Pending logins in SQLite. */
export const PendingLoginsLive = Layer.effect(PendingLogins, make)
