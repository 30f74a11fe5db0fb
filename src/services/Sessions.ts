import type { Effect, Redacted, Scope } from "effect"
import { Context, Schema } from "effect"
import type { Notification, Request, Response } from "../domain/JsonRpc.ts"
import type { Grant } from "./Grants.ts"
import type { UpstreamUnavailable } from "./Upstream.ts"
import type { UpstreamGone } from "./UpstreamTokens.ts"

/** No session of this broker has the id. */
export class SessionUnknown extends Schema.TaggedError<SessionUnknown>()("SessionUnknown", {}) {}
/** The session is over for good. */
export class SessionEnded extends Schema.TaggedError<SessionEnded>()("SessionEnded", {}) {}
/** The session belongs to another user or another client. */
export class SessionForeign extends Schema.TaggedError<SessionForeign>()("SessionForeign", {}) {}
/** A cap is reached, and no session can be parked for this one. `retryAfter`: seconds until the earliest slot can come free, 1 to 60. */
export class SessionsFull extends Schema.TaggedError<SessionsFull>()("SessionsFull", {
  cap: Schema.Literal("user", "total"),
  retryAfter: Schema.Number
}) {}
/** The user has started as many children as may be within a minute. `retryAfter`: seconds until the next one, 1 to 60. */
export class StartsThrottled extends Schema.TaggedError<StartsThrottled>()("StartsThrottled", { limit: Schema.Number, retryAfter: Schema.Number }) {}
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
/** The stream that `Last-Event-ID` names has ended with that event. */
export class NothingFollows extends Schema.TaggedError<NothingFollows>()("NothingFollows", {}) {}
/** The daemon stops before the child is up. The session is there again after the restart. */
export class Restarting extends Schema.TaggedError<Restarting>()("Restarting", {}) {}

export type OpenError =
  | SessionsFull
  | StartsThrottled
  | StartFailed
  | InitializeRefused
  | GrantOver
  | Restarting
  | UpstreamGone
  | UpstreamUnavailable
export type LookUpError = SessionUnknown | SessionEnded | SessionForeign
export type CallError = SessionEnded | SessionBusy | OpenError

/**
 * One message towards the client; nothing follows the final one: the response to a call, or an empty line at the end of a
 * stream that has none.
 */
export interface CallEvent {
  readonly line: string
  readonly final: boolean
  /** What a client comes back with (`Last-Event-ID`); streams of sessions from 2025-03-26 on have it. */
  readonly id?: string
}

/** What answers a request. A call goes on when nobody listens: disconnecting is not cancelling. */
export interface Call {
  /** Waits for at least one event. */
  readonly take: Effect.Effect<ReadonlyArray<CallEvent>>
  /** The same for a client that can be answered with a stream: after a moment without a word (`beforeStream`, `beforeModernStream`) it gives nothing. */
  readonly takeSoon: Effect.Effect<ReadonlyArray<CallEvent>>
  /** From now on the call is a stream, which can be resumed. It begins with what was taken already. */
  readonly stream: (taken: ReadonlyArray<CallEvent>) => Effect.Effect<EventStream, never, Scope.Scope>
}

/** A stream of a session as one of its readers gets it: the scope's end is the reader's. */
export interface EventStream {
  /** Waits for at least one event; gives nothing when there was none for a while, and the connection wants a sign of life. */
  readonly take: Effect.Effect<ReadonlyArray<CallEvent>>
  /** With what to come back where nothing follows, for an event without data; nothing where the session's revision knows none. */
  readonly primer: string | undefined
  /** Whether it is for what belongs to no request. */
  readonly isStanding: boolean
}

export interface CallOptions {
  /** Whether the client can read what precedes the response: progress, log messages, requests of the child. */
  readonly isStreamed: boolean
}

export interface OpenedSession {
  /** The `Mcp-Session-Id`; the broker keeps only its hash. */
  readonly id: Redacted.Redacted
  /** The response to `initialize`, under the id of the client's request. */
  readonly initializeLine: string
}

/**
 * All sessions. One with a child is a scoped fiber that owns it; one without is parked, a row, and gets a child at its
 * next request. An id belongs to one user and client: any grant of theirs may use it, others are refused.
 */
export class Sessions extends Context.Tag("fjmcp/Sessions")<Sessions, {
  /** Starts a child and has it answer the client's `initialize`. A caller that is interrupted takes the session with it. */
  readonly open: (grant: Grant, initialize: Request) => Effect.Effect<OpenedSession, OpenError>
  /** Hands a request to the session's child, which is started first where there is none. A parked session's `ping` is answered here. */
  readonly call: (grant: Grant, id: string, request: Request, options: CallOptions) => Effect.Effect<Call, CallError | LookUpError>
  /**
   * The same for a request without an id, which goes to the grant's newest session whose id nobody has sent back; else to
   * one that the broker initialises itself with `protocolVersion`. `opened` has its id in the answer that creates it.
   */
  readonly callDefault: (
    grant: Grant,
    protocolVersion: string,
    request: Request,
    options: CallOptions
  ) => Effect.Effect<{ readonly call: Call; readonly opened: Redacted.Redacted | undefined }, CallError>
  /** Starts no child: what a parked session is told is said to its next one. */
  readonly notify: (grant: Grant, id: string, notification: Notification) => Effect.Effect<void, LookUpError>
  /** The client answers a request of the child. False where none with its id is open. */
  readonly respond: (grant: Grant, id: string, response: Response) => Effect.Effect<boolean, LookUpError>
  /** The same for an answer without an id: to whichever of the grant's sessions that no id has been sent back for is waiting for it. */
  readonly respondDefault: (grant: Grant, response: Response) => Effect.Effect<boolean>
  /** The revision that the session's client was told in answer to its `initialize`. */
  readonly negotiated: (grant: Grant, id: string) => Effect.Effect<string, LookUpError>
  /** To the grant's default session, if there is one. */
  readonly notifyDefault: (grant: Grant, notification: Notification) => Effect.Effect<void>
  /**
   * A GET stream. Without `lastEventId`, or with one that names nothing that we know, the session's standing stream: what
   * its child says that belongs to no request. It starts no child and keeps none alive, and ends with the session, not with
   * a child. Else the stream that `lastEventId` names, behind that event. A newer reader takes the place of an older one.
   */
  readonly stream: (grant: Grant, id: string, lastEventId?: string) => Effect.Effect<EventStream, LookUpError | NothingFollows | GrantOver, Scope.Scope>
  /** Ends the session and returns when its process group is gone. */
  readonly end: (grant: Grant, id: string) => Effect.Effect<void, LookUpError>
  /** Ends the standing streams: the daemon stops, and their clients come back to the next one. */
  readonly endStreams: Effect.Effect<void>
  /** Parks everything, for the daemon stops: whoever waits for an answer gets an error. Does not wait for the processes. */
  readonly parkAll: Effect.Effect<void>
  /** How many slots are taken. */
  readonly size: Effect.Effect<number>
}>() {}
