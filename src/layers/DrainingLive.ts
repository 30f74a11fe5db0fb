import { Deferred, Effect, Layer } from "effect"
import { Draining } from "../services/Draining.ts"

export const DrainingLive = Layer.effect(
  Draining,
  Effect.map(Deferred.make<void>(), (begun) =>
    Draining.of({
      isDraining: Deferred.isDone(begun),
      begun: Deferred.await(begun),
      begin: Effect.asVoid(Deferred.succeed(begun, undefined))
    }))
)
