import type { Scope } from "effect"
import { Effect, Either } from "effect"
import { maxSubscriptions } from "../domain/Handshake.ts"
import type { GrantId } from "../domain/Ids.ts"
import type { JsonObject, RequestId } from "../domain/JsonRpc.ts"
import { classify } from "../domain/JsonRpc.ts"
import type { ListenFilter } from "../domain/ListenFilter.ts"
import { acknowledged, listenResult, tagged, wants } from "../domain/ListenFilter.ts"
import { TooManyListens } from "../services/ModernCalls.ts"
import type { StreamableCall } from "./StreamableCall.ts"

interface Listener {
  readonly id: RequestId
  readonly filter: ListenFilter
  readonly channel: StreamableCall
}

/** A resource that streams of a grant want to hear of. */
interface Wanted {
  streams: number
  /** Whether a child of the grant has granted it. */
  isSubscribed: boolean
}

/** Streams of one grant; each holds a connection. */
const maxStreams = 32
/** Resources that all of them together can hear of: as many as a session's child is told again when it is replaced. */
const maxWanted = maxSubscriptions

/**
 * The `subscriptions/listen` streams (2026-07-28, basic/patterns/subscriptions). They belong to their requests and hang
 * from a grant: what any of its children says of lists and resources goes to every stream that asked for it.
 */
export class ListenStreams {
  private readonly open = new Map<GrantId, Set<Listener>>()
  private readonly wanted = new Map<GrantId, Map<string, Wanted>>()
  private readonly told: () => JsonObject
  private readonly makeChannel: (id: RequestId) => StreamableCall
  private isOver = false

  /** `told`: the `InitializeResult` of the child's program, for the last message of a stream. */
  constructor(told: () => JsonObject, makeChannel: (id: RequestId) => StreamableCall) {
    this.told = told
    this.makeChannel = makeChannel
  }

  isFull(grantId: GrantId): boolean {
    return (this.open.get(grantId)?.size ?? 0) >= maxStreams
  }

  /** A stream that begins with what it will carry. It ends with its scope, its grant, or the daemon. */
  attach(grantId: GrantId, id: RequestId, filter: ListenFilter): Effect.Effect<StreamableCall, TooManyListens, Scope.Scope> {
    const opened = Effect.suspend(() => {
      if (this.isFull(grantId)) return new TooManyListens()
      const listener: Listener = { id, filter, channel: this.makeChannel(id) }
      listener.channel.interim(acknowledged(filter, id))
      if (this.isOver) this.end(listener)
      else this.open.set(grantId, (this.open.get(grantId) ?? new Set()).add(listener))
      return Effect.succeed(listener)
    })
    return Effect.map(Effect.acquireRelease(opened, (listener) => Effect.sync(() => this.remove(grantId, listener))), ({ channel }) => channel)
  }

  /** What a child of the grant said that belongs to no call. */
  publish(grantId: GrantId, line: string): void {
    const listeners = this.open.get(grantId)
    const message = listeners === undefined ? undefined : Either.getOrUndefined(classify(JSON.parse(line)))
    if (listeners === undefined || message?._tag !== "Notification") return
    for (const { channel, filter, id } of listeners) {
      const copy = wants(filter, message) ? tagged(message, id) : undefined
      if (copy !== undefined) channel.interim(copy)
    }
  }

  /** One more stream wants to hear of a resource; it says there whether a child has granted that. Nothing where the grant hears of as many as it may. */
  want(grantId: GrantId, uri: string): Wanted | undefined {
    const ofGrant = this.wanted.get(grantId) ?? new Map<string, Wanted>()
    const known = ofGrant.get(uri)
    if (known === undefined && ofGrant.size >= maxWanted) return undefined
    const wanted = known ?? { streams: 0, isSubscribed: false }
    wanted.streams++
    this.wanted.set(grantId, ofGrant.set(uri, wanted))
    return wanted
  }

  /** One fewer. True where it was the last, and a child would go on telling. */
  unwant(grantId: GrantId, uri: string): boolean {
    const ofGrant = this.wanted.get(grantId)
    const wanted = ofGrant?.get(uri)
    if (ofGrant === undefined || wanted === undefined || --wanted.streams > 0) return false
    ofGrant.delete(uri)
    if (ofGrant.size === 0) this.wanted.delete(grantId)
    return wanted.isSubscribed
  }

  /** The resources that a child of the grant is subscribed to, and its next one must be. */
  subscriptions(grantId: GrantId): ReadonlyArray<string> {
    return [...this.wanted.get(grantId) ?? []].flatMap(([uri, { isSubscribed }]) => isSubscribed ? [uri] : [])
  }

  isOpen(grantId: GrantId): boolean {
    return this.open.has(grantId)
  }

  closeOf(grantId: GrantId): void {
    for (const listener of this.open.get(grantId) ?? []) this.end(listener)
    this.open.delete(grantId)
  }

  /** For the daemon stops: what is just being opened ends, too. */
  closeAll(): void {
    this.isOver = true
    for (const grantId of [...this.open.keys()]) this.closeOf(grantId)
  }

  private end({ channel, id }: Listener): void {
    channel.complete(listenResult(id, this.told()))
  }

  private remove(grantId: GrantId, listener: Listener): void {
    const listeners = this.open.get(grantId)
    if (listeners?.delete(listener) === true && listeners.size === 0) this.open.delete(grantId)
  }
}
