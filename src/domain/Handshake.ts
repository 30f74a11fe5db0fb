import type { JsonObject, Notification, Request } from "./JsonRpc.ts"
import { encodeNotification } from "./JsonRpc.ts"

/**
 * What a client has said that a new child of its session must hear as well, and what the client was told. Kept in the
 * session's row, so that neither a crash nor a restart loses it.
 */
export interface Handshake {
  /** The client's own parameters of `initialize`. */
  readonly initializeParams: JsonObject
  /** The `InitializeResult` that the client holds. */
  readonly told: JsonObject
  readonly logLevel: string | undefined
  /** URIs of `resources/subscribe`. */
  readonly subscriptions: ReadonlyArray<string>
  /** What the client notified while there was no child. */
  readonly missed: ReadonlyArray<Notification>
}

const isObject = (value: unknown): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value)

const request = (method: string, params: JsonObject): Request => ({ _tag: "Request", id: 0, method, params })

export const initializeRequest = ({ initializeParams }: Pick<Handshake, "initializeParams">): Request => request("initialize", initializeParams)

export const initialized: Notification = { _tag: "Notification", method: "notifications/initialized", params: undefined }

/** What a new child hears once it has answered `initialize`: requests whose answers nobody waits for, in this order. */
export const replayOf = ({ logLevel, subscriptions }: Handshake): ReadonlyArray<Request> => [
  ...(logLevel === undefined ? [] : [request("logging/setLevel", { level: logLevel })]),
  ...subscriptions.map((uri) => request("resources/subscribe", { uri }))
]

/** As many subscriptions of one session are kept, of so many characters each; each is one more request at every revival. */
const maxSubscriptions = 256
const maxUri = 2048

/** The handshake after the child has granted `request`; the same object where that changes nothing that is kept. */
export const after = (handshake: Handshake, { method, params }: Request): Handshake => {
  if (method === "logging/setLevel") {
    return typeof params?.level === "string" && params.level !== handshake.logLevel ? { ...handshake, logLevel: params.level } : handshake
  }
  const uri = params?.uri
  if (typeof uri !== "string" || uri.length > maxUri || (method !== "resources/subscribe" && method !== "resources/unsubscribe")) return handshake
  const { subscriptions } = handshake
  const isOn = method === "resources/subscribe"
  if (isOn === subscriptions.includes(uri)) return handshake
  return { ...handshake, subscriptions: isOn ? [...subscriptions, uri].slice(-maxSubscriptions) : subscriptions.filter((other) => other !== uri) }
}

const maxMissed = 16
const maxMissedLength = 4096
/** They speak of requests that went with the child, or are said to every new child anyway. */
const meaningless = new Set(["notifications/initialized", "notifications/cancelled", "notifications/progress"])

/** The handshake after a notification that came while there was no child. */
export const missing = (handshake: Handshake, notification: Notification): Handshake =>
  meaningless.has(notification.method) || encodeNotification(notification.method, notification.params).length > maxMissedLength
    ? handshake
    : { ...handshake, missed: [...handshake.missed, notification].slice(-maxMissed) }

/** Whether everything in `told` still stands in `found`: more does no harm, less or other would. */
const covers = (found: unknown, told: unknown): boolean =>
  isObject(told)
    ? isObject(found) && Object.entries(told).every(([name, value]) => value === false || covers(found[name], value))
    : JSON.stringify(found) === JSON.stringify(told)

const nameOf = (result: JsonObject): unknown => isObject(result.serverInfo) ? result.serverInfo.name : undefined
const versionOf = (result: JsonObject): unknown => isObject(result.serverInfo) ? result.serverInfo.version : undefined

/** Whether a client that was told `told` can go on with a child that answers `found`: protocol version, server name, capabilities. */
export const isCompatible = (told: JsonObject, found: JsonObject): boolean =>
  found.protocolVersion === told.protocolVersion && nameOf(found) === nameOf(told) && covers(found.capabilities ?? {}, told.capabilities ?? {})

/** Another version of the same server may have other tools: the notifications for the lists whose changes the client was told to hear of. */
export const listsThatMayHaveChanged = (told: JsonObject, found: JsonObject): ReadonlyArray<string> => {
  const { capabilities } = told
  if (versionOf(told) === versionOf(found) || !isObject(capabilities)) return []
  return ["tools", "prompts", "resources"].flatMap((list) => {
    const capability = capabilities[list]
    return isObject(capability) && capability.listChanged === true ? [encodeNotification(`notifications/${list}/list_changed`, undefined)] : []
  })
}
