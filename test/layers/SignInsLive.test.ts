import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Option, PubSub, Redacted, Ref } from "effect"
import { FlowId, type GrantId } from "../../src/domain/Ids.ts"
import { SignInsLive } from "../../src/layers/SignInsLive.ts"
import { Grants } from "../../src/services/Grants.ts"
import { SignIns } from "../../src/services/SignIns.ts"
import { settingsWith } from "../fakes/OAuthSettings.ts"
import { SignInUpstream, somePair, UpstreamControl } from "../fakes/SignInUpstream.ts"

/** Nothing of it is called here. */
const NoGrants = Layer.unwrapEffect(Effect.map(PubSub.unbounded<GrantId>(), (ended) => Layer.mock(Grants, { ended })))
const TestSignIns = SignInsLive.pipe(Layer.provideMerge(Layer.mergeAll(SignInUpstream, settingsWith({}), NoGrants)))

it.scoped("a browser that leaves during the exchange does not cost the user the pair", () =>
  Effect.gen(function*() {
    const control = yield* UpstreamControl
    const signIns = yield* SignIns
    const asked = yield* Deferred.make<void>()
    const answered = yield* Deferred.make<void>()
    const checked = yield* Deferred.make<void>()
    yield* Ref.set(control.exchange, Deferred.succeed(asked, undefined).pipe(Effect.zipRight(Deferred.await(answered)), Effect.as(somePair)))
    yield* Ref.set(control.introspect, Effect.zipRight(Deferred.succeed(checked, undefined), Effect.never))
    const request = yield* Effect.forkScoped(signIns.complete({
      login: {
        flowId: FlowId.make("0123456789abcdef"),
        clientId: "client",
        redirectUri: "http://127.0.0.1/cb",
        state: Option.none(),
        codeChallenge: "c",
        scope: "mcp",
        resource: "https://broker.example/mcp"
      },
      upstreamCode: Redacted.make("code"),
      verifier: Redacted.make("verifier")
    }))
    yield* Deferred.await(asked)
    yield* Fiber.interrupt(request)
    yield* Deferred.succeed(answered, undefined)
    yield* Deferred.await(checked)
    assert.deepStrictEqual(yield* Ref.get(control.log), ["exchange code verifier", "store 7"])
  }).pipe(Effect.provide(TestSignIns)))
