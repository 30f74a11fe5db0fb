import type { Effect, Option, Redacted } from "effect"
import { Context, Schema } from "effect"
import type { SessionKey } from "../domain/Ids.ts"
import type { Notification, Request } from "../domain/JsonRpc.ts"
import type { SessionEnd } from "../domain/SessionState.ts"
import type { Grant } from "./Grants.ts"
import type { UpstreamUnavailable } from "./Upstream.ts"
import type { UpstreamGone } from "./UpstreamTokens.ts"

/** No session of this broker has the id. */
export class SessionUnknown extends Schema.TaggedError<SessionUnknown>()("SessionUnknown", {}) {}
/** The session is over for good. */
export class SessionEnded extends Schema.TaggedError<SessionEnded>()("SessionEnded", {}) {}
/** The session belongs to another user or another client. */
export class SessionForeign extends Schema.TaggedError<SessionForeign>()("SessionForeign", {}) {}
/** A cap is reached. `retryAfter`: seconds until the earliest slot can come free, 1 to 60. */
export class SessionsFull extends Schema.TaggedError<SessionsFull>()("SessionsFull", {
  cap: Schema.Literal("user", "total"),
  retryAfter: Schema.Number
}) {}
/** The session has as many calls in flight as it may have. */
export class SessionBusy extends Schema.TaggedError<SessionBusy>()("SessionBusy", { limit: Schema.Number }) {}
/** The child did not come up. The category is for people, `flowId` finds the details in the log. */
export class StartFailed extends Schema.TaggedError<StartFailed>()("StartFailed", {
  category: Schema.Literal("binary missing", "not executable", "system limit", "child exited", "child did not answer", "Forgejo unreachable", "too many starts at once"),
  flowId: Schema.String
}) {}
/** The grant ended while the child came up. */
export class GrantOver extends Schema.TaggedError<GrantOver>()("GrantOver", {}) {}
/** The child answered `initialize` with an error: the line is the client's answer, and there is no session. */
export class InitializeRefused extends Schema.TaggedError<InitializeRefused>()("InitializeRefused", { line: Schema.String }) {}

export type OpenError = SessionsFull | StartFailed | InitializeRefused | GrantOver | UpstreamGone | UpstreamUnavailable

/** One message towards the client; the final one is the response, and nothing follows it. */
export interface CallEvent {
  readonly line: string
  readonly final: boolean
}

/** A request that has been handed to the child. It goes on when nobody listens: disconnecting is not cancelling. */
export interface Call {
  /** Waits for at least one event. */
  readonly take: Effect.Effect<ReadonlyArray<CallEvent>>
}

/** A session that can be spoken to. */
export interface Session {
  readonly key: SessionKey
  /** `SessionEnded` where the session ended between being found and being called. */
  readonly call: (request: Request) => Effect.Effect<Call, SessionEnded | SessionBusy>
  readonly notify: (notification: Notification) => Effect.Effect<void, SessionEnded>
  /** Completes when the session is over and its process group is gone. */
  readonly done: Effect.Effect<SessionEnd>
}

export interface OpenedSession {
  readonly session: Session
  /** The `Mcp-Session-Id`; the broker keeps only its hash. */
  readonly id: Redacted.Redacted
  /** The response to `initialize`, under the id of the client's request. */
  readonly initializeLine: string
}

/** All sessions: each is one scoped fiber that owns its subprocess. */
export class Sessions extends Context.Tag("fjmcp/Sessions")<Sessions, {
  /** Starts a child and has it answer the client's `initialize`. A caller that is interrupted takes the session with it. */
  readonly open: (grant: Grant, initialize: Request) => Effect.Effect<OpenedSession, OpenError>
  /** The session of that id, if it belongs to the grant's user and client. */
  readonly find: (grant: Grant, id: string) => Effect.Effect<Session, SessionUnknown | SessionEnded | SessionForeign>
  /**
   * The session for requests without an id: the grant's newest one whose id nobody has sent back; else one that the
   * broker initialises itself with `protocolVersion`. `opened` has its id in the answer that creates it.
   */
  readonly defaultOf: (
    grant: Grant,
    protocolVersion: string
  ) => Effect.Effect<{ readonly session: Session; readonly opened: Redacted.Redacted | undefined }, OpenError>
  /** The default session, if there is one now. */
  readonly findDefault: (grant: Grant) => Effect.Effect<Option.Option<Session>>
  /** Ends the session and returns when its process group is gone. */
  readonly end: (grant: Grant, id: string) => Effect.Effect<void, SessionUnknown | SessionEnded | SessionForeign>
  /** Ends all sessions, for the daemon stops: whoever waits for an answer gets an error. Does not wait for the processes. */
  readonly endAll: Effect.Effect<void>
  /** How many slots are taken. */
  readonly size: Effect.Effect<number>
}>() {}
