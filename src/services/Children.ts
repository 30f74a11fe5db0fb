import type { Chunk, Effect, Redacted, Scope } from "effect"
import { Context, Schema } from "effect"

/** The child could not be started, or was gone before it could be spoken to. */
export class SpawnFailed extends Schema.TaggedError<SpawnFailed>()("SpawnFailed", {
  category: Schema.Literal("binary missing", "not executable", "system limit"),
  detail: Schema.String
}) {}

/** The child's process is over, or its pipes are closed. */
export class ChildGone extends Schema.TaggedError<ChildGone>()("ChildGone", {
  code: Schema.NullOr(Schema.Number),
  signal: Schema.NullOr(Schema.String)
}) {}

/** The child has not read for so long that no more is kept for it. */
export class ChildStalled extends Schema.TaggedError<ChildStalled>()("ChildStalled", {}) {}

/** A running subprocess that speaks newline-delimited JSON-RPC. */
export interface Child {
  /** For the log only. */
  readonly pid: number
  /**
   * Hands one line (without its newline) to the pipe, in the order of the calls, and does not wait for the child to read it.
   * A reply to what the child asks fails sooner than others where it does not read: who floods with requests has room for calls.
   */
  readonly send: (line: string, kind?: "reply") => Effect.Effect<void, ChildGone | ChildStalled>
  /** Waits for output, then takes all whole lines that have come. Secrets are already replaced. Fails at the end of output. */
  readonly takeLines: Effect.Effect<Chunk.Chunk<string>, ChildGone>
  /** KILL to the whole group, at once; the scope still does the rest. */
  readonly kill: Effect.Effect<void>
  /** Completes when the process has ended; never fails. */
  readonly exited: Effect.Effect<ChildGone>
}

export interface SpawnRequest {
  /** The user's Forgejo token: goes into the child's environment, and is replaced in everything that comes out. */
  readonly token: Redacted.Redacted
  /** Stands in log lines about the child's stderr. */
  readonly label: string
}

/** The subprocesses. */
export class Children extends Context.Tag("fjmcp/Children")<Children, {
  /**
   * Starts the configured command in a process group of its own, with an environment built from nothing. When the scope
   * closes the group is gone: stdin is closed, 2 s, TERM, 3 s, KILL, reaped.
   */
  readonly spawn: (request: SpawnRequest) => Effect.Effect<Child, SpawnFailed, Scope.Scope>
  /** Whether the configured program can be found and executed now; else a sentence that says what to do. */
  readonly check: Effect.Effect<void, SpawnFailed>
}>() {}
