import { assumedVersion } from "./Era.ts"
import type { JsonObject, Notification, Request } from "./JsonRpc.ts"
import { encodeNotification, isObject } from "./JsonRpc.ts"
import { isLogLevel } from "./LogLevels.ts"

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
}

/** The revision that the client was told to speak. */
export const revisionTold = ({ told }: Pick<Handshake, "told">): string => typeof told.protocolVersion === "string" ? told.protocolVersion : assumedVersion

const request = (method: string, params: JsonObject): Request => ({ _tag: "Request", id: 0, method, params })

export const initializeRequest = ({ initializeParams }: Pick<Handshake, "initializeParams">): Request => request("initialize", initializeParams)

export const initialized: Notification = { _tag: "Notification", method: "notifications/initialized", params: undefined }

/** What a new child hears once it has answered `initialize`: requests whose answers nobody waits for. */
export const replayOf = (handshake: Handshake): ReadonlyArray<Request> => changesSince({ ...handshake, logLevel: undefined, subscriptions: [] }, handshake)

/** As many subscriptions of one session are kept, of so many characters each; each is one more request at every revival. */
export const maxSubscriptions = 256
const maxUri = 2048

/** What a request changes of the handshake, once the child has granted it. */
export type Change = { readonly logLevel: string } | { readonly subscribe: string } | { readonly unsubscribe: string }

export const requestOf = (change: Change): Request =>
  "logLevel" in change
    ? request("logging/setLevel", { level: change.logLevel })
    : "subscribe" in change
    ? request("resources/subscribe", { uri: change.subscribe })
    : request("resources/unsubscribe", { uri: change.unsubscribe })

/** Nothing where it changes nothing that is kept. */
export const changeOf = ({ method, params }: Request): Change | undefined => {
  if (method === "logging/setLevel") return isLogLevel(params?.level) ? { logLevel: params.level } : undefined
  const uri = params?.uri
  if (typeof uri !== "string" || uri.length > maxUri) return undefined
  return method === "resources/subscribe" ? { subscribe: uri } : method === "resources/unsubscribe" ? { unsubscribe: uri } : undefined
}

/** The handshake after a change; the same object where it is so already. */
export const after = (handshake: Handshake, change: Change): Handshake => {
  const { logLevel, subscriptions } = handshake
  if ("logLevel" in change) return change.logLevel === logLevel ? handshake : { ...handshake, logLevel: change.logLevel }
  if ("subscribe" in change) {
    return subscriptions.includes(change.subscribe)
      ? handshake
      : { ...handshake, subscriptions: [...subscriptions, change.subscribe].slice(-maxSubscriptions) }
  }
  return subscriptions.includes(change.unsubscribe)
    ? { ...handshake, subscriptions: subscriptions.filter((uri) => uri !== change.unsubscribe) }
    : handshake
}

/** What a child that knows the handshake `before` has to hear, so that it knows `now`. */
export const changesSince = (before: Handshake, now: Handshake): ReadonlyArray<Request> => [
  ...(now.logLevel === undefined || now.logLevel === before.logLevel ? [] : [requestOf({ logLevel: now.logLevel })]),
  ...before.subscriptions.filter((uri) => !now.subscriptions.includes(uri)).map((uri) => requestOf({ unsubscribe: uri })),
  ...now.subscriptions.filter((uri) => !before.subscriptions.includes(uri)).map((uri) => requestOf({ subscribe: uri }))
]

const maxMissed = 16
const maxMissedLength = 4096
/** They speak of requests that went with the child, or are said to every new child anyway. */
const meaningless = new Set(["notifications/initialized", "notifications/cancelled", "notifications/progress"])

/** Whether a notification that comes while there is no child is kept for the next one. */
export const isKept = ({ method, params }: Notification): boolean =>
  !meaningless.has(method) && encodeNotification(method, params).length <= maxMissedLength

/** What the next child has to hear after `notification` came. */
export const missing = (missed: ReadonlyArray<Notification>, notification: Notification): ReadonlyArray<Notification> =>
  [...missed, notification].slice(-maxMissed)

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
