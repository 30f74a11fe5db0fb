import { Effect, Option, Redacted } from "effect"
import type { GrantId } from "../domain/Ids.ts"
import { digestOf, inputRequiredResult } from "../domain/InputRequired.ts"
import type { JsonObject } from "../domain/JsonRpc.ts"
import { encodeError, encodeResponse, ErrorCode } from "../domain/JsonRpc.ts"
import type { Envelope } from "../domain/ModernEnvelope.ts"
import { randomHex } from "../domain/Secrets.ts"
import type { Deadline, Deadlines } from "../services/Deadlines.ts"
import { gatherQuestions } from "../services/Schedules.ts"
import type { Sealing } from "../services/Sealing.ts"
import type { ModernCallSink } from "./ModernCallSink.ts"
import type { Timed } from "./Wheel.ts"
import { makeWheel } from "./Wheel.ts"

/** A call that has a child to itself. */
export interface Conversation {
  readonly grantId: GrantId
  readonly sink: ModernCallSink
  /** Tells the child that nobody waits any more. */
  readonly cancel: Effect.Effect<void>
}

interface Round extends Conversation {
  readonly deadline: Deadline
}

/** Open rounds of one grant, those included whose call has its result by now. The oldest is given up for a newer one. */
const maxRounds = 64
const cannotAsk = "The server asks something that cannot be passed on. The call was given up; it may have run."

/** What a state is sealed with: it fits no other call. */
export const identityOf = (grantId: GrantId, { request }: Envelope): string => JSON.stringify([grantId, request.method, digestOf(request.method, request.params)])

/**
 * Rounds of `input_required` (2026-07-28, basic/patterns/mrtr). The state that the client brings back is a handle, sealed
 * with grant, method and a digest of the parameters: it fits no other call. Each is good for one retry, until the
 * deadline of a call, and only in this run of the broker, for it stands for a call that a child is in the middle of.
 */
export const makeRounds = (sealing: Sealing["Type"], deadlines: Deadlines["Type"], told: () => JsonObject) =>
  Effect.gen(function*() {
    const open = new Map<GrantId, Map<string, Round>>()
    const forget = (grantId: GrantId, handle: string): boolean => {
      const ofGrant = open.get(grantId)
      const isForgotten = ofGrant?.delete(handle) ?? false
      if (ofGrant?.size === 0) open.delete(grantId)
      return isForgotten
    }
    /** Gives the grant's oldest one where there are too many with it. */
    const keep = (grantId: GrantId, handle: string, round: Round): Round | undefined => {
      const ofGrant = open.get(grantId) ?? new Map<string, Round>()
      open.set(grantId, ofGrant.set(handle, round))
      const [oldest] = ofGrant
      if (oldest === undefined || ofGrant.size <= maxRounds) return undefined
      forget(grantId, oldest[0])
      return oldest[1]
    }
    const gathering = yield* makeWheel(gatherQuestions)

    /** Answers the attached request with what the child asks. Nothing happens where it asks no more, or has answered. */
    const ask = (conversation: Conversation): Effect.Effect<void> =>
      Effect.suspend(() => {
        const detached = conversation.sink.detach()
        if (detached === undefined) return Effect.void
        const { caller, channel, identity, questions } = detached
        const handle = randomHex(24)
        const { grantId } = conversation
        const giveUp = Effect.suspend(() => forget(grantId, handle) ? conversation.cancel : Effect.void)
        return Effect.gen(function*() {
          const crowdedOut = keep(grantId, handle, { ...conversation, deadline: deadlines.start(() => giveUp) })
          if (crowdedOut !== undefined) yield* crowdedOut.cancel
          const state = yield* sealing.seal("request-state", identity, Redacted.make(handle))
          channel.complete(encodeResponse(caller.id, { result: inputRequiredResult(questions, state, told()) }))
        }).pipe(
          // Nobody is attached any more who would hear of it otherwise.
          Effect.onError(() => Effect.zipRight(giveUp, Effect.sync(() => channel.complete(encodeError(caller.id, ErrorCode.internal, cannotAsk)))))
        )
      })

    return {
      /** Questions of the conversation wait for others that are asked together with them, and then for the client's answers. */
      begin: (conversation: Conversation): () => void => {
        const timed: Timed = { onDue: Effect.uninterruptible(ask(conversation)) }
        return () => {
          if (!gathering.has(timed)) gathering.start(timed)
        }
      },
      /** What a request's state stands for; `use` has the state used up, and gives false where another request was first. */
      find: (grantId: GrantId, envelope: Envelope): Effect.Effect<Option.Option<Conversation & { readonly use: Effect.Effect<boolean> }>> =>
        Effect.map(
          typeof envelope.requestState === "string"
            ? Effect.option(sealing.open("request-state", identityOf(grantId, envelope), envelope.requestState))
            : Effect.succeedNone,
          Option.flatMap((sealed) => {
            const handle = Redacted.value(sealed)
            return Option.map(Option.fromNullable(open.get(grantId)?.get(handle)), (round) => ({
              ...round,
              use: Effect.sync(() => {
                if (!forget(grantId, handle)) return false
                round.deadline.stop()
                return true
              })
            }))
          })
        )
    }
  })
