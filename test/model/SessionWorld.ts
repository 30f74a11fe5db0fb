import { SqlClient } from "@effect/sql"
import type { Logger } from "effect"
import { Context, Duration, Effect, Exit, Layer, Logger as Loggers, LogLevel, Redacted, Ref, Scope } from "effect"
import type { UserId } from "../../src/domain/Ids.ts"
import type { Request } from "../../src/domain/JsonRpc.ts"
import { sha256 } from "../../src/domain/Secrets.ts"
import { DeadlinesLive } from "../../src/layers/DeadlinesLive.ts"
import { SessionRowsLive } from "../../src/layers/SessionRowsLive.ts"
import { SqliteMemory } from "../../src/layers/SqliteLive.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import type { FakeChild } from "../fakes/FakeChildren.ts"
import { FakeChildren, FakeChildrenLive } from "../fakes/FakeChildren.ts"
import { fakeGrant, FakeGrants, FakeGrantsLive } from "../fakes/FakeGrants.ts"
import { FakeTokens, FakeUpstreamTokensLive } from "../fakes/FakeUpstreamTokens.ts"
import { initialize, request, responseTo, sessionsOverRows } from "../fakes/TestSessions.ts"
import { settingsLayer } from "../fakes/TestSettings.ts"
import type { Asked } from "./Asked.ts"
import type { Account, SessionModel } from "./SessionModel.ts"
import { lasts, limits, makeModel, renewal } from "./SessionModel.ts"

export const settings = settingsLayer({
  maxSessions: limits.total,
  maxSessionsPerUser: limits.perUser,
  maxCallsPerSession: limits.calls,
  maxStartsPerMinute: 1_000_000,
  startTimeout: Duration.millis(lasts.start),
  callTimeout: Duration.millis(lasts.call),
  drainGrace: Duration.millis(lasts.drain),
  sessionIdle: Duration.millis(lasts.idle)
})
/** What outlives a restart of the broker. */
export const outside = Layer.mergeAll(FakeChildrenLive, FakeGrantsLive, FakeUpstreamTokensLive, SqliteMemory).pipe(Layer.provideMerge(settings))
export type Outside = Layer.Layer.Success<typeof outside>
const broker = Layer.provideMerge(sessionsOverRows, Layer.merge(SessionRowsLive, DeadlinesLive))

/** Lets everything go on until all fibers wait: they do so by microtasks. */
export const settled = Effect.async<void>((resume) => void setImmediate(() => setImmediate(() => resume(Effect.void))))

/** What a child says that refuses a call. */
export const refusal = "refused by the child"
export const grantOf = ({ client, user }: Account, grant: number) => fakeGrant(user, client, grant)
const textOf = (message: unknown): string => Array.isArray(message) ? message.map(String).join(" ") : String(message)

/** The beginning of a session's key, for who knows its id. */
const labelOf = ({ opened }: Asked): string | undefined => {
  const id = opened()
  return id === undefined ? undefined : sha256(id).slice(0, 12)
}

/** The real thing, and the model that it is held against. */
export class SessionWorld {
  readonly model: SessionModel
  readonly play: FakeChildren["Type"]
  readonly tokens: FakeTokens["Type"]
  readonly grants: FakeGrants["Type"]
  readonly sql: SqlClient.SqlClient
  private readonly context: Context.Context<Outside>
  private scope: Scope.CloseableScope | undefined
  private sessionsNow: Sessions["Type"] | undefined
  private readonly revoked = new Set<string>()
  private places: ReadonlyMap<string, number> = new Map()
  private questions = 0
  /** Everything that was ever asked here. */
  readonly asked: Array<Asked> = []

  constructor(context: Context.Context<Outside>) {
    this.context = context
    this.play = Context.get(context, FakeChildren)
    this.tokens = Context.get(context, FakeTokens)
    this.grants = Context.get(context, FakeGrants)
    this.sql = Context.get(context, SqlClient.SqlClient)
    this.play.answers = false
    const model = makeModel({
      hasLeftAt: (label, at) => {
        const stops = this.childrenOf(label).filter(({ startedAt }) => startedAt <= at).map(({ stopsSince = Infinity }) => stopsSince)
        // The last of them: one that was only replaced leaves another behind.
        return Math.max(...stops) === at
      },
      stopsAs: (label, at) => {
        const children = this.childrenOf(label)
        // Those that were replaced were so at a time that is left to chance.
        const then = children.filter(({ stopsSince }) => stopsSince === at)
        return Math.max(...(then.length > 0 ? then : children).map(({ stopsAs }) => stopsAs))
      },
      rowOf: (label) => this.places.get(label) ?? Infinity,
      newLabel: (opener, known) => {
        const others = [...known, ...this.asked.map(labelOf)]
        return labelOf(opener) ??
          this.play.children.find(({ label, token }) => token.split("-")[1] === opener.account.user && !others.includes(label))?.label ?? ""
      }
    })
    this.model = model
    Object.assign(this.tokens, {
      ...renewal(0),
      renewal,
      endGrants: (userId: UserId) => Effect.forEach(model.accounts.filter(({ user }) => user === userId), (account) =>
        Effect.forEach(account.grants, (_, grant) => this.revoke(account, grant)), { discard: true })
    })
  }

  /** Those that have come up, the oldest first. */
  private readonly childrenOf = (label: string): ReadonlyArray<FakeChild> => this.play.children.filter((child) => child.label === label && child.greeted)
  /** Once: a grant that is over cannot end. */
  readonly revoke = (account: Account, grant: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { id } = grantOf(account, grant)
      if (this.revoked.has(id)) return Effect.void
      this.revoked.add(id)
      return this.grants.revoke(grantOf(account, grant))
    })
  get sessions(): Sessions["Type"] {
    if (this.sessionsNow === undefined) throw new Error("the broker does not run")
    return this.sessionsNow
  }
  readonly start = Effect.suspend(() =>
    Effect.gen(this, function*() {
      this.scope = yield* Scope.make()
      const built = yield* Layer.buildWithScope(broker, this.scope).pipe(Effect.provide(this.context))
      this.sessionsNow = Context.get(built, Sessions)
    }))
  readonly stop = Effect.suspend(() => this.scope === undefined ? Effect.void : Scope.close(this.scope, Exit.void))

  /** What the store says, for a model that has to know who of several was the first. */
  readonly look = Effect.suspend(() =>
    Effect.map(Effect.orDie(this.sql<{ readonly key: string; readonly place: number }>`select rowid as place, key from sessions`), (rows) => {
      this.places = new Map(rows.map(({ key, place }) => [key.slice(0, 12), place]))
    }))
  private ask(asked: Pick<Asked, "what" | "account" | "grant">, question: (n: number, learn: (id: string) => void) => Effect.Effect<Record<string, unknown> | undefined, { readonly _tag: string }>) {
    return Effect.gen(this, function*() {
      const n = ++this.questions
      let opened: string | undefined
      const fiber = yield* Effect.forkDaemon(question(n, (id) => void (opened = id)))
      const made: Asked = { ...asked, n, fiber, opened: () => opened, sentAt: 0, isSecondTry: false, hasGoneToBrokersOwn: false, isLeft: false, due: undefined }
      this.asked.push(made)
      this.model.asked.push(made)
      return made
    })
  }
  readonly open = (account: Account, grant: number) =>
    this.ask({ what: "open", account, grant }, (n, learn) =>
      Effect.map(this.sessions.open(grantOf(account, grant), initialize(n)), ({ id, initializeLine }) => {
        learn(Redacted.value(id))
        return JSON.parse(initializeLine) as Record<string, unknown>
      }))
  private readonly message = (n: number, method = "tools/call"): Request => request(method, `c${n}`, { n })
  readonly call = (account: Account, grant: number, id: string, method?: "ping") =>
    this.ask({ what: method ?? "call", account, grant }, (n) => Effect.flatMap(this.sessions.call(grantOf(account, grant), id, this.message(n, method), { isStreamed: true }), responseTo))
  readonly callDefault = (account: Account, grant: number) =>
    this.ask({ what: "default", account, grant }, (n, learn) =>
      Effect.flatMap(this.sessions.callDefault(grantOf(account, grant), "2025-06-18", this.message(n), { isStreamed: true }), ({ call, opened }) => {
        if (opened !== undefined) learn(Redacted.value(opened))
        return responseTo(call)
      }))
  readonly notify = (account: Account, grant: number, id: string) =>
    this.ask({ what: "notify", account, grant }, () =>
      Effect.as(this.sessions.notify(grantOf(account, grant), id, { _tag: "Notification", method: "notifications/roots/list_changed", params: undefined }), undefined))
  readonly end = (account: Account, grant: number, id: string) =>
    this.ask({ what: "end", account, grant }, () => Effect.as(this.sessions.end(grantOf(account, grant), id), undefined))

  /** The child that has got a call, and the id under which it has. */
  readonly holderOf = (n: number): { readonly child: FakeChild; readonly id: unknown } | undefined => {
    const [holder] = this.play.children.flatMap((child) =>
      child.received.flatMap(({ id, params }) => (params as { readonly n?: unknown } | undefined)?.n === n ? [{ child, id }] : []))
    return holder
  }
  /** The child that has got a call says this to it. */
  readonly answer = (n: number, body: { readonly result: unknown } | { readonly error: unknown }): void => {
    const { child, id } = this.holderOf(n) ?? {}
    child?.emit({ jsonrpc: "2.0", id, ...body })
  }
}

/** Collects what is logged as an error: nothing may be. */
export const collectErrors = (into: Ref.Ref<ReadonlyArray<string>>): Layer.Layer<never> =>
  Loggers.replace(
    Loggers.defaultLogger,
    Loggers.make(({ cause, logLevel, message }: Logger.Logger.Options<unknown>) => {
      if (LogLevel.greaterThanEqual(logLevel, LogLevel.Error)) Effect.runSync(Ref.update(into, (all) => [...all, `${textOf(message)} ${String(cause)}`]))
    })
  )
