import type { Effect } from "effect"
import type { JsonObject, Notification, RequestId, Response } from "../domain/JsonRpc.ts"

/** A request of the child's towards the client that has no answer yet. */
export interface Ask {
  /** Its id towards the client; nobody can guess it. */
  readonly id: string
  readonly method: string
  readonly params: JsonObject | undefined
  /** The whole message, under `id`. */
  readonly line: string
  /** Hands the answer to the child. False where it has one, or is no longer waited for. */
  readonly answer: (body: Response["body"]) => Effect.Effect<boolean>
}

/** A response of the child, and whose call it answers. */
export interface Answer {
  readonly line: string
  readonly body: Response["body"]
  readonly clientId: RequestId
  readonly method: string
}

/** Where the pump of a child puts what belongs to one call. The pump serves all calls of the child: nothing here may wait. */
export interface CallSink {
  /** Whether what precedes the response can reach anybody. */
  readonly isStreamed: boolean
  /** The child's response as the client gets it. Throws where it nests too deep to be written anew. */
  readonly render: (answer: Answer) => string
  /** Progress under the client's token, a log message, or (without `notification`) what a legacy client was not told yet. */
  readonly interim: (line: string, notification?: Notification) => void
  /** False where the client reads too slowly: it would never get it. */
  readonly asked: (ask: Ask) => Effect.Effect<boolean>
  /** Whether what the child asks during the call is a part of it, and ends with it. */
  readonly ownsAsks: boolean
  /** The child asks no longer; `line` tells the client. */
  readonly withdrawn: (ask: Pick<Ask, "id">, line: string) => void
  /** The response; only the first counts. */
  readonly complete: (line: string) => void
}
