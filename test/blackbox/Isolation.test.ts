import { assert, layer } from "@effect/vitest"
import { Effect, FastCheck as fc } from "effect"
import type { SignedIn, TestBroker } from "../e2e/TestBroker.ts"
import { ben, notification, SharedBroker, sharedBroker, toolCall } from "../e2e/TestBroker.ts"
import type { Rpc } from "../e2e/Wire.ts"
import { messages, openStream, response } from "../e2e/Wire.ts"
import type { Seen } from "./EchoChild.ts"
import { echoChild } from "./EchoChild.ts"

/** One thing that a caller does. Ids and progress tokens come from so few that they are equal all the time. */
type Step =
  | { readonly _tag: "call"; readonly id: string | number; readonly token: string | number | undefined; readonly steps: number; readonly pause: number; readonly log: boolean; readonly changed: boolean; readonly drops: boolean }
  | { readonly _tag: "cancel"; readonly id: string | number }
  | { readonly _tag: "notify" }

const id = fc.constantFrom<string | number>(1, "1", 2)
const call = fc.record({
  _tag: fc.constant("call" as const),
  id,
  token: fc.constantFrom<string | number | undefined>("t", 1, undefined),
  steps: fc.integer({ min: 0, max: 3 }),
  pause: fc.integer({ min: 0, max: 5 }),
  log: fc.boolean(),
  changed: fc.boolean(),
  drops: fc.boolean()
})
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: call },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("cancel" as const), id }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("notify" as const) }) }
)
const schedule = fc.tuple(...[1, 2].map(() => fc.array(step, { minLength: 1, maxLength: 8 })))

interface Caller {
  readonly client: SignedIn
  readonly session: string
}
/** A call, and all that came on its stream. */
interface Made {
  readonly session: string
  readonly nonce: string
  readonly call: Extract<Step, { readonly _tag: "call" }>
  readonly got: ReadonlyArray<Rpc>
}

const textOf = (answer: Rpc | undefined) => (answer?.result?.["content"] as ReadonlyArray<{ readonly text: string }> | undefined)?.[0]?.text
const nonceOf = ({ params, ...message }: Rpc): unknown =>
  params === undefined
    ? textOf(message) === undefined ? undefined : (JSON.parse(textOf(message) ?? "") as { readonly nonce: unknown }).nonce
    : params["message"] ?? (typeof params["data"] === "string" ? params["data"] : (params["_meta"] as { readonly nonce?: unknown } | undefined)?.nonce)

/** A call whose connection is lost with the first that comes of its stream, and that is gone on with. */
const interrupted = (broker: TestBroker, { client, session }: Caller, message: unknown): Effect.Effect<ReadonlyArray<Rpc>> =>
  Effect.gen(function*() {
    const stream = yield* openStream(broker.mcpUrl, broker.init(client, message, { session }))
    const { first, headers, status } = stream
    assert.strictEqual(status, 200, first)
    const isStream = headers.get("content-type") === "text/event-stream"
    const got = messages({ status, headers, text: isStream ? first : first + (yield* Effect.orDie(stream.rest)) })
    if (got.at(-1)?.id !== undefined && got.at(-1)?.method === undefined) return got
    stream.hangUp()
    const lastEventId = [...first.matchAll(/^id: (\S+)$/gm)].at(-1)?.[1] ?? assert.fail(`no event id: ${first}`)
    const more = { authorization: `Bearer ${client.token}`, accept: "text/event-stream", "mcp-session-id": session, "last-event-id": lastEventId }
    const resumed = yield* broker.get("/mcp", { headers: more })
    assert.strictEqual(resumed.status, 200, resumed.text)
    return [...got, ...messages(resumed)]
  })

let runs = 0

/** Both callers do what they do at once, each step without waiting for the one before. */
const perform = (broker: TestBroker, callers: ReadonlyArray<Caller>, plan: ReadonlyArray<ReadonlyArray<Step>>) =>
  Effect.gen(function*() {
    const run = ++runs
    const steps = plan.flatMap((of, caller) => of.map((step, n) => ({ step, n, caller })))
    // Interleaved: the first of both, then the second of both.
    steps.sort((a, b) => a.n - b.n || a.caller - b.caller)
    const done = yield* Effect.forEach(steps, ({ caller, n, step }): Effect.Effect<ReadonlyArray<Made>> => {
      const who = callers[caller] ?? assert.fail("no caller")
      const { client, session } = who
      if (step._tag === "notify") return Effect.as(broker.post(client, notification("notifications/roots/list_changed"), { session }), [])
      if (step._tag === "cancel") return Effect.as(broker.post(client, notification("notifications/cancelled", { requestId: step.id }), { session }), [])
      const nonce = `${run}.${caller}.${n}`
      const { changed, log, pause, steps: count, token } = step
      const message = toolCall(step.id, "work", { nonce, steps: count, pause, log, changed }, token)
      const got = step.drops ? interrupted(broker, who, message) : Effect.map(broker.post(client, message, { session }), (answer) => {
        assert.strictEqual(answer.status, 200, answer.text)
        return messages(answer)
      })
      return Effect.map(got, (got) => [{ session, nonce, call: step, got }])
    }, { concurrency: "unbounded" })
    return { calls: done.flat(), cancelled: steps.flatMap(({ caller, step }) => step._tag === "cancel" ? [`${callers[caller]?.session}/${typeof step.id}/${step.id}`] : []) }
  })

/** What every stream may hold, whatever happened when: its own call's answer and progress, and of its own session what belongs to no call. */
const check = ({ calls, cancelled }: Effect.Effect.Success<ReturnType<typeof perform>>) => {
  const sessionOf = new Map(calls.map(({ nonce, session }) => [nonce, session]))
  for (const { call, got, nonce, session } of calls) {
    const last = got.at(-1) ?? {}
    assert.deepStrictEqual(got.filter(({ method }) => method === undefined).length, 1, "one response")
    assert.strictEqual(last.id, call.id)
    if (last.error === undefined) assert.strictEqual(nonceOf(last), nonce)
    else {
      assert.strictEqual(last.error.message, "Cancelled by the client.")
      assert.include(cancelled, `${session}/${typeof call.id}/${call.id}`, "only its own session's client can cancel it")
    }
    const progress = got.filter(({ method }) => method === "notifications/progress").map(({ params }) => params)
    const due = call.token === undefined ? [] : Array.from({ length: call.steps }, (_, n) => ({ progressToken: call.token, progress: n + 1, total: call.steps, message: nonce }))
    assert.deepStrictEqual(progress, last.error === undefined ? due : due.slice(0, progress.length))
    for (const message of got.filter(({ method }) => method === "notifications/message")) {
      const about = String(nonceOf(message)).split("/")[0] ?? ""
      assert.strictEqual(sessionOf.get(about), session, "a log message of another session")
    }
  }
}

/** Nothing that can be told apart has come twice. Progress can by its step, which `check` looks at; answers by their calls. */
const once = (all: ReadonlyArray<Rpc>) => {
  const logged = all.filter(({ method }) => method === "notifications/message" || method === "notifications/tools/list_changed").map(nonceOf)
  assert.deepStrictEqual(logged.toSorted(), [...new Set(logged)].toSorted())
  return logged
}

/** What the child has been sent: never an id or a token twice, and cancellations only of what it was working at. */
const childOf = (broker: TestBroker, { client, session }: Caller) =>
  Effect.map(broker.post(client, toolCall("seen", "seen"), { session }), (answer) => {
    const seen = JSON.parse(textOf(response(answer)) ?? "") as ReadonlyArray<Seen>
    const ids = seen.flatMap(({ id }) => id ?? [])
    const tokens = seen.flatMap(({ progressToken }) => progressToken ?? [])
    assert.lengthOf(new Set(ids), ids.length)
    assert.lengthOf(new Set(tokens), tokens.length)
    for (const { requestId } of seen) if (requestId !== undefined) assert.include(ids, requestId)
    return seen
  })

layer(sharedBroker(echoChild), { excludeTestServices: true })("clients with equal ids and equal progress tokens", (it) => {
  const property = (title: string, setUp: (broker: TestBroker) => Effect.Effect<ReadonlyArray<Caller>>) =>
    it.scoped(title, () =>
      Effect.gen(function*() {
        const { broker } = yield* SharedBroker
        const callers = yield* setUp(broker)
        const sessions = [...new Map(callers.map((caller) => [caller.session, caller])).values()]
        const streams = yield* Effect.forEach(sessions, ({ client, session }) =>
          openStream(broker.mcpUrl, { headers: { authorization: `Bearer ${client.token}`, accept: "text/event-stream", "mcp-session-id": session } }))
        const performed: Array<Made> = []
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(schedule, (plan) =>
              perform(broker, callers, plan).pipe(
                Effect.map((outcome) => {
                  check(outcome)
                  performed.push(...outcome.calls)
                }),
                Effect.runPromise
              )),
            { numRuns: 60, interruptAfterTimeLimit: 15_000 }
          ))
        const seen = yield* Effect.forEach(sessions, (caller) => childOf(broker, caller))
        yield* Effect.forEach(sessions, ({ client, session }) => broker.delete(client, session))
        const standing = yield* Effect.forEach(streams, ({ first, headers, rest }) => Effect.map(rest, (text) => messages({ status: 200, headers, text: first + text })))
        const announced = once([...performed.flatMap(({ got }) => got), ...standing.flat()])
        sessions.forEach(({ session }, n) => {
          const own = new Set(performed.filter((made) => made.session === session).map(({ nonce }) => nonce))
          const heard = standing[n] ?? []
          for (const message of heard) {
            assert.notInclude([undefined, "notifications/progress"], message.method, "answers and progress belong to their calls")
            assert.isTrue(own.has(String(nonceOf(message)).split("/")[0] ?? ""), "a message of another session")
          }
          const worked = (seen[n] ?? []).flatMap(({ nonce }) => nonce ?? [])
          assert.deepStrictEqual(worked.toSorted(), [...own].toSorted(), "each call reached its own child, once")
        })
        const changes = performed.filter(({ call }) => call.changed).map(({ nonce }) => nonce)
        for (const nonce of changes) assert.include(announced, nonce, "a change that nobody was told of")
      }).pipe(Effect.orDie))

  property("two users' sessions: no message reaches two streams, or the other session", (broker) =>
    Effect.gen(function*() {
      const clients = [yield* broker.signIn(), yield* broker.signIn(ben)]
      return yield* Effect.forEach(clients, (client) => Effect.map(broker.open(client), (session) => ({ client, session })))
    }))

  property("two sessions of one client: no message reaches two streams, or the other session", (broker) =>
    Effect.gen(function*() {
      const client = yield* broker.signIn()
      return yield* Effect.forEach([1, 2], () => Effect.map(broker.open(client), (session) => ({ client, session })))
    }))

  property("two callers of one session: each gets its own answers and progress, and no message reaches two streams", (broker) =>
    Effect.gen(function*() {
      const client = yield* broker.signIn()
      const session = yield* broker.open(client)
      return [{ client, session }, { client, session }]
    }))
})
