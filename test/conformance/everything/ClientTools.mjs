// Tools that no scenario asks for: what the tests with real clients need besides. `hold` and `let_go` order what happens, so
// that no test has to guess how long something takes.
import { EmptyResultSchema } from "@modelcontextprotocol/sdk/types.js"
import { elicitationReport } from "./Asking.mjs"
import { noArguments, object, says, string } from "./Content.mjs"

/** Calls that wait for `let_go`. */
const held = new Set()
let cancelled = 0

export const clientTools = [
  ["hold", "Reports one step of progress, then answers when `let_go` is called", noArguments, async (_, { extra, progress }) => {
    const released = new Promise((resolve) => {
      held.add(resolve)
      extra.signal.addEventListener("abort", () => {
        cancelled += 1
        held.delete(resolve)
        resolve()
      })
    })
    await progress(1, 2)
    await released
    return says("let go")
  }],
  ["let_go", "Lets all calls of `hold` go, and answers how many", noArguments, () => {
    const count = held.size
    for (const resolve of held) resolve()
    held.clear()
    return says(String(count))
  }],
  ["cancelled_calls", "Answers how many calls of `hold` were cancelled", noArguments, () => says(String(cancelled))],
  ["elicit_at_url", "Sends the user to a page, and tells the client when that is done", noArguments, async (_, { ask, server }) => {
    const answer = await ask.elicitAt("Please sign in", "https://example.com/sign-in", "elicitation-1")
    await server.notification({ method: "notifications/elicitation/complete", params: { elicitationId: "elicitation-1" } })
    return elicitationReport(answer)
  }],
  ["ping_client", "Pings the client", noArguments, async (_, { extra }) => {
    await extra.sendRequest({ method: "ping" }, EmptyResultSchema)
    return says("the client answered")
  }],
  ["change_resource", "Announces that a resource has changed, if the client has subscribed to it", object({ uri: string() }, ["uri"]), async ({ uri }, { server, subscriptions }) => {
    if (!subscriptions.has(uri)) return says("nobody has subscribed")
    await server.sendResourceUpdated({ uri })
    return says("announced")
  }],
  ["change_resource_list", "Announces a changed resource list", noArguments, async (_, { server }) => {
    await server.sendResourceListChanged()
    return says("announced")
  }]
]
