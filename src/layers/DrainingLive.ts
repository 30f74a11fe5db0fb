import { Effect, Layer } from "effect"
import { Draining } from "../services/Draining.ts"

export const DrainingLive = Layer.sync(Draining, () => {
  let hasBegun = false
  return Draining.of({
    isDraining: () => hasBegun,
    begin: Effect.sync(() => {
      hasBegun = true
    })
  })
})
