import { SqlClient } from "@effect/sql"
import { Effect } from "effect"

/** Everything of the first release. docs/storage.md says what each column holds. Times are epoch milliseconds. */
export const init = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  yield* sql`create table sealing_keys (
    key_id text primary key,
    check_value text not null,
    created_at integer not null
  ) strict`

  yield* sql`create table clients (
    key text primary key,
    client_id text not null,
    name text not null,
    redirect_uris text not null,
    auth_method text not null,
    created_at integer not null
  ) strict`

  yield* sql`create table pending_logins (
    flow_id text primary key,
    client_id text not null,
    redirect_uri text not null,
    client_state text,
    code_challenge text not null,
    scope text not null,
    resource text not null,
    consent_cookie_hash text not null,
    form_token_hash text not null,
    login_cookie_hash text,
    upstream_state_hash text unique,
    attempt integer not null default 0,
    status text not null check (status in ('asked', 'allowed', 'denied', 'finished')),
    created_at integer not null,
    expires_at integer not null
  ) strict`
  yield* sql`create index pending_logins_expiry on pending_logins (expires_at)`

  yield* sql`create table grants (
    id text primary key,
    user_id text not null,
    user_name text not null,
    client_key text not null references clients (key),
    scope text not null,
    created_at integer not null,
    last_used_at integer not null,
    expires_at integer not null,
    ended_at integer,
    end_reason text
  ) strict`
  yield* sql`create index grants_user on grants (user_id)`
  yield* sql`create index grants_client on grants (client_key)`
  yield* sql`create index grants_expiry on grants (expires_at) where ended_at is null`
  yield* sql`create index grants_ended on grants (ended_at) where ended_at is not null`

  yield* sql`create table codes (
    hash text primary key,
    grant_id text not null references grants (id) on delete cascade,
    redirect_uri text not null,
    code_challenge text not null,
    resource text not null,
    expires_at integer not null,
    consumed_at integer
  ) strict`
  yield* sql`create index codes_grant on codes (grant_id)`
  yield* sql`create index codes_unredeemed on codes (expires_at) where consumed_at is null`

  yield* sql`create table access_tokens (
    hash text primary key,
    grant_id text not null references grants (id) on delete cascade,
    resource text not null,
    created_at integer not null,
    expires_at integer not null
  ) strict`
  yield* sql`create index access_tokens_grant on access_tokens (grant_id)`
  yield* sql`create index access_tokens_expiry on access_tokens (expires_at)`

  yield* sql`create table refresh_tokens (
    hash text primary key,
    grant_id text not null references grants (id) on delete cascade,
    nonce text,
    created_at integer not null,
    spent_at integer
  ) strict`
  yield* sql`create index refresh_tokens_grant on refresh_tokens (grant_id)`
  yield* sql`create index refresh_tokens_nonce on refresh_tokens (spent_at) where nonce is not null`

  yield* sql`create table upstream_tokens (
    user_id text primary key,
    sealed_pair text not null,
    access_expires_at integer not null,
    upstream_grant integer,
    counter integer,
    scope text,
    updated_at integer not null
  ) strict`

  yield* sql`create table sessions (
    key text primary key,
    grant_id text not null,
    user_id text not null,
    client_key text not null,
    opened_by text not null check (opened_by in ('client', 'broker')),
    state text not null check (state in ('live', 'parked', 'ended')),
    end_reason text,
    claimed_at integer,
    initialize_params text not null,
    initialize_result text not null,
    log_level text,
    subscriptions text not null default '[]',
    created_at integer not null,
    last_used_at integer not null,
    ended_at integer
  ) strict`
  yield* sql`create index sessions_grant on sessions (grant_id)`
  yield* sql`create index sessions_user on sessions (user_id)`
  yield* sql`create index sessions_state on sessions (state, last_used_at)`
})
