import { Effect, Layer, Ref } from "effect"
import { Draining } from "../services/Draining.ts"

export const DrainingLive = Layer.effect(
  Draining,
  Effect.map(Ref.make(false), (draining) => Draining.of({ isDraining: Ref.get(draining), begin: Ref.set(draining, true) }))
)
