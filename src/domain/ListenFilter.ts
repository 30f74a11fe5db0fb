import { Either } from "effect"
import { serverMeta } from "./Discovery.ts"
import type { JsonObject, Notification, RequestId } from "./JsonRpc.ts"
import { encodeNotification, encodeResponse, isObject } from "./JsonRpc.ts"

/** What a `subscriptions/listen` stream carries (2026-07-28, basic/patterns/subscriptions). */
export interface ListenFilter {
  readonly toolsListChanged: boolean
  readonly promptsListChanged: boolean
  readonly resourcesListChanged: boolean
  /** URIs whose `notifications/resources/updated` are wanted, each once. */
  readonly resourceSubscriptions: ReadonlyArray<string>
}

const subscriptionKey = "io.modelcontextprotocol/subscriptionId"
const maxSubscriptions = 256
const maxUri = 2048
const lists = ["tools", "prompts", "resources"] as const
const flagOf = (list: typeof lists[number]) => `${list}ListChanged` as const

/** Reads `params.notifications`; the sentence says what is wrong with it (-32602). Kinds that are not known are ignored. */
export const readFilter = (params: JsonObject | undefined): Either.Either<ListenFilter, string> => {
  const asked = params?.notifications
  if (!isObject(asked)) return Either.left("params.notifications is missing or no object; say there what to hear of, such as {\"toolsListChanged\": true}.")
  const wrong = lists.map(flagOf).find((flag) => asked[flag] !== undefined && typeof asked[flag] !== "boolean")
  if (wrong !== undefined) return Either.left(`params.notifications.${wrong} must be true or false.`)
  const uris = asked.resourceSubscriptions ?? []
  if (!Array.isArray(uris) || !uris.every((uri): uri is string => typeof uri === "string" && uri !== "" && uri.length <= maxUri)) {
    return Either.left(`params.notifications.resourceSubscriptions must be a list of URIs of at most ${maxUri} characters.`)
  }
  const resourceSubscriptions = [...new Set(uris)]
  if (resourceSubscriptions.length > maxSubscriptions) {
    return Either.left(`params.notifications.resourceSubscriptions has more than ${maxSubscriptions} URIs; listen to fewer, or on several streams.`)
  }
  return Either.right({
    toolsListChanged: asked.toolsListChanged === true,
    promptsListChanged: asked.promptsListChanged === true,
    resourcesListChanged: asked.resourcesListChanged === true,
    resourceSubscriptions
  })
}

/** The part of a filter that a server with these capabilities can keep. */
export const honoured = (requested: ListenFilter, capabilities: JsonObject): ListenFilter => {
  const has = (list: string, flag: string) => {
    const capability = capabilities[list]
    return isObject(capability) && capability[flag] === true
  }
  return {
    toolsListChanged: requested.toolsListChanged && has("tools", "listChanged"),
    promptsListChanged: requested.promptsListChanged && has("prompts", "listChanged"),
    resourcesListChanged: requested.resourcesListChanged && has("resources", "listChanged"),
    resourceSubscriptions: has("resources", "subscribe") ? requested.resourceSubscriptions : []
  }
}

/** Whether a notification of the child belongs on a stream with this filter. Whatever was not asked for does not. */
export const wants = (filter: ListenFilter, { method, params }: Notification): boolean => {
  if (method === "notifications/resources/updated") {
    const uri = params?.uri
    return typeof uri === "string" && filter.resourceSubscriptions.some((subscribed) => isWithin(uri, subscribed))
  }
  return lists.some((list) => method === `notifications/${list}/list_changed` && filter[flagOf(list)])
}

/** A server may name a part of the resource that the client subscribed to (2025-11-25, schema, ResourceUpdatedNotification). */
const isWithin = (uri: string, subscribed: string): boolean =>
  uri.startsWith(subscribed) && (uri.length === subscribed.length || subscribed.endsWith("/") || "/?#".includes(uri.charAt(subscribed.length)))

/** The first message of a stream: what of the request it will carry. */
export const acknowledged = (filter: ListenFilter, id: RequestId): string => {
  const flags = lists.map(flagOf).filter((flag) => filter[flag]).map((flag) => [flag, true])
  const { resourceSubscriptions } = filter
  return encodeNotification("notifications/subscriptions/acknowledged", {
    _meta: { [subscriptionKey]: id },
    notifications: { ...Object.fromEntries(flags), ...(resourceSubscriptions.length === 0 ? {} : { resourceSubscriptions }) }
  })
}

/** A notification of the child, marked as belonging to the stream. Nothing where it nests too deep to be written again. */
export const tagged = ({ method, params }: Notification, id: RequestId): string | undefined => {
  const meta = isObject(params?._meta) ? params._meta : {}
  try {
    return encodeNotification(method, { ...params, _meta: { ...meta, [subscriptionKey]: id } })
  } catch {
    return undefined
  }
}

/** The last message of a stream that the broker ends: the answer to the request. */
export const listenResult = (id: RequestId, told: JsonObject): string =>
  encodeResponse(id, { result: { resultType: "complete", _meta: { [subscriptionKey]: id, ...serverMeta(told) } } })
