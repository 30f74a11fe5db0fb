import type { Effect } from "effect"
import type { SignedIn, TestBroker } from "../e2e/TestBroker.ts"
import { rpc } from "../e2e/TestBroker.ts"
import type { Answer } from "../e2e/Wire.ts"

export const version = "2026-07-28"
const prefix = "io.modelcontextprotocol/"

export const meta = (capabilities: unknown = {}, revision: string = version) => ({
  [`${prefix}protocolVersion`]: revision,
  [`${prefix}clientInfo`]: { name: "t", version: "1" },
  [`${prefix}clientCapabilities`]: capabilities
})

export interface ModernRequest {
  readonly id?: string | number
  readonly method: string
  /** Beside `_meta`. */
  readonly params?: Readonly<Record<string, unknown>>
  /** Over the usual one. */
  readonly meta?: Readonly<Record<string, unknown>>
  readonly capabilities?: unknown
  /** Over those that say again what the body says. An empty value takes one away. */
  readonly headers?: Readonly<Record<string, string>>
}

const named = (params: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> => {
  const name = params["name"] ?? params["uri"]
  return typeof name === "string" ? { "mcp-name": name } : {}
}

/** A stateless request, and the headers that go with it. */
export const modern = ({ capabilities = {}, headers = {}, id = 1, meta: more = {}, method, params = {} }: ModernRequest) => ({
  message: rpc(id, method, { ...params, _meta: { ...meta(capabilities), ...more } }),
  headers: { "mcp-protocol-version": version, "mcp-method": method, ...named(params), ...headers }
})

export const send = (broker: TestBroker, client: SignedIn, request: ModernRequest): Effect.Effect<Answer> => {
  const { headers, message } = modern(request)
  return broker.post(client, message, { headers })
}
