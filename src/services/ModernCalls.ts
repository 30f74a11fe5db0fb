import type { Effect, Scope } from "effect"
import { Context, Data } from "effect"
import type { ListenFilter } from "../domain/ListenFilter.ts"
import type { Envelope, Refused } from "../domain/ModernEnvelope.ts"
import type { JsonObject, RequestId } from "../domain/JsonRpc.ts"
import type { Grant } from "./Grants.ts"
import type { Call, CallError, EventStream } from "./Sessions.ts"

/** The broker answers the request itself: a status, and a JSON-RPC error under the request's id. */
export class ModernRefusal extends Data.TaggedError("ModernRefusal")<{ readonly refused: Refused }> {}
/** The grant listens on as many streams as it may. */
export class TooManyListens extends Data.TaggedError("TooManyListens") {}

/** A request that is under way. Whoever goes before the final event must cancel it (2026-07-28, basic/transports/streamable-http). */
export interface ModernCall extends Call {
  /** The HTTP status of the final event, once that was taken, where nothing has been sent before. */
  readonly status: () => number
  /** Does nothing once the request has its answer. */
  readonly cancel: Effect.Effect<void>
}

/**
 * The stateless era (2026-07-28). Its requests go to children that belong to a grant: one for all, at the same time; a
 * child that may ask has one call at a time to itself, and its questions become rounds of `input_required`.
 */
export class ModernCalls extends Context.Tag("fjmcp/ModernCalls")<ModernCalls, {
  /** The result of `server/discover`. Never fails: a client that is turned away here speaks an older revision from then on. */
  readonly discover: (grant: Grant) => Effect.Effect<JsonObject>
  /** Whether the child's program answers a method, as far as is known. */
  readonly isAdvertised: (method: string) => boolean
  /** `params`: the `Mcp-Param-*` headers by what follows that prefix in lower case. */
  readonly call: (
    grant: Grant,
    envelope: Envelope,
    params: ReadonlyMap<string, string>
  ) => Effect.Effect<ModernCall, CallError | ModernRefusal>
  /** `subscriptions/listen`. The stream ends with the scope, the grant, or the daemon. */
  readonly listen: (
    grant: Grant,
    id: RequestId,
    filter: ListenFilter
  ) => Effect.Effect<EventStream, TooManyListens, Scope.Scope>
}>() {}
