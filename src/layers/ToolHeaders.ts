import type { Scope } from "effect"
import { Clock, Effect } from "effect"
import { listTtlMs } from "../domain/Discovery.ts"
import type { JsonObject, Request } from "../domain/JsonRpc.ts"
import { isObject } from "../domain/JsonRpc.ts"
import type { HeaderParam } from "../domain/ModernParams.ts"
import { checkParams, headerParamsOf } from "../domain/ModernParams.ts"
import type { Grant } from "../services/Grants.ts"
import type { CallError } from "../services/Sessions.ts"
import { makeSingleFlight } from "./SingleFlight.ts"

/** A list of tools that goes on for longer is not read to its end. */
const maxPages = 20

const listRequest = (cursor: string | undefined): Request => ({
  _tag: "Request",
  id: 0,
  method: "tools/list",
  params: cursor === undefined ? {} : { cursor }
})

/**
 * Which arguments of which tools the client must repeat in `Mcp-Param-*` headers (2026-07-28, custom headers from tool
 * parameters). Tools are a matter of the child's program: whoever calls first has the list read, and it is good for as
 * long as clients may keep theirs.
 */
export const makeToolHeaders = (ask: (grant: Grant, request: Request) => Effect.Effect<JsonObject, CallError>, owner: Scope.Scope) => {
  // One for each grant: that another one's child does not come up is no reason.
  const flights = makeSingleFlight<void, CallError>(owner)
  let known: ReadonlyMap<string, ReadonlyArray<HeaderParam>> = new Map()
  let readAt = -Infinity

  const read = (grant: Grant, cursor: string | undefined, page: number): Effect.Effect<ReadonlyArray<unknown> | undefined, CallError> =>
    Effect.flatMap(ask(grant, listRequest(cursor)), ({ result }) => {
      // What one user's child refuses says nothing of the tools.
      if (!isObject(result) || !Array.isArray(result.tools)) return Effect.succeed(undefined)
      const tools: ReadonlyArray<unknown> = result.tools
      const next = result.nextCursor
      return typeof next !== "string" || page >= maxPages ? Effect.succeed(tools) : Effect.map(read(grant, next, page + 1), (more) => more === undefined ? undefined : [...tools, ...more])
    })
  const refresh = (grant: Grant, now: number) =>
    flights.join(grant.id, "tools/list", Effect.map(read(grant, undefined, 1), (tools) => {
      if (tools === undefined) return
      known = new Map(tools.flatMap((tool) => {
        if (!isObject(tool) || typeof tool.name !== "string") return []
        const params = headerParamsOf(tool.inputSchema)
        return params.length === 0 ? [] : [[tool.name, params] as const]
      }))
      readAt = now
    }))
  const problem = ({ params }: Request, headers: ReadonlyMap<string, string>): string | undefined => {
    const annotations = typeof params?.name === "string" ? known.get(params.name) : undefined
    return annotations === undefined ? undefined : checkParams(annotations, isObject(params?.arguments) ? params.arguments : undefined, headers)
  }

  /** The sentence for a call whose headers do not repeat its arguments, or nothing. Nobody is refused for what the child said a while ago. */
  return (grant: Grant, request: Request, headers: ReadonlyMap<string, string>): Effect.Effect<string | undefined, CallError> =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const isFresh = now < readAt + listTtlMs
      if (!isFresh) yield* refresh(grant, now)
      if (!isFresh || problem(request, headers) === undefined) return problem(request, headers)
      yield* refresh(grant, now)
      return problem(request, headers)
    })
}
