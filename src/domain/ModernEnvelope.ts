import { Either } from "effect"
import { modernVersion } from "./Era.ts"
import { decodeHeader, trimSpace } from "./HeaderText.ts"
import type { JsonObject, Request } from "./JsonRpc.ts"
import { ErrorCode, isObject } from "./JsonRpc.ts"
import { isLogLevel } from "./LogLevels.ts"

/** What 2026-07-28 repeats of a request in its HTTP headers. */
export interface ModernHeaders {
  readonly version: string | undefined
  readonly method: string | undefined
  /** As sent: it may be written in base64. */
  readonly name: string | undefined
  /** `Mcp-Param-*`, by what follows that prefix in lower case. */
  readonly params: ReadonlyMap<string, string>
}

/** A request of 2026-07-28, taken apart. */
export interface Envelope {
  /** What the client can do, for this request only. */
  readonly capabilities: JsonObject
  /** One of the eight levels; absent where the client wants no log messages. */
  readonly logLevel: string | undefined
  /** For the child: without what only this revision knows. */
  readonly request: Request
  /** `undefined` where the request has none; `null` and all else is what the client sent. */
  readonly inputResponses: unknown
  /** `undefined` where the request has none. */
  readonly requestState: unknown
}

/** An error answer of the broker itself: HTTP status, and the JSON-RPC error that goes with it. */
export interface Refused {
  readonly status: 200 | 400 | 404
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

/** Error codes that 2026-07-28 adds (basic, error codes). */
export const ModernErrorCode = { headerMismatch: -32020, missingCapability: -32021, unsupportedVersion: -32022 } as const

const ours = "io.modelcontextprotocol/"
const paramPrefix = "mcp-param-"

/** Finds them among headers whose names are in lower case. */
export const modernHeaders = (headers: Readonly<Record<string, string | undefined>>): ModernHeaders => ({
  version: headers["mcp-protocol-version"],
  method: headers["mcp-method"],
  name: headers["mcp-name"],
  params: new Map(Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith(paramPrefix) && value !== undefined ? [[name.slice(paramPrefix.length), value] as const] : []))
})

const bad = (code: number, message: string, data?: unknown): Refused => ({ status: 400, code, message, ...(data === undefined ? {} : { data }) })
const mismatch = (message: string) => bad(ModernErrorCode.headerMismatch, message)
const shown = (text: string) => JSON.stringify(text.slice(0, 100))

/**
 * Takes a request of 2026-07-28 apart, or says what is wrong with it. The checks come in the order in which the official
 * SDK makes them: `_meta`, version header, version, `Mcp-Method`, `Mcp-Name` (basic/transports/streamable-http, server
 * validation). Methods and `Mcp-Param-*` come after them and are not looked at here.
 */
export const readEnvelope = (request: Request, headers: ModernHeaders): Either.Either<Envelope, Refused> => {
  const { _meta, inputResponses, requestState, task: _task, ...params } = request.params ?? {}
  return Either.flatMap(readClaims(request.method, _meta, headers), ({ capabilities, forChild, logLevel, version }) => {
    const refused = versionProblem(version, headers) ?? methodProblem(request, headers) ?? nameProblem(request, headers)
    return refused === undefined
      ? Either.right({
        capabilities,
        logLevel,
        request: { ...request, params: Object.keys(forChild).length === 0 ? params : { ...params, _meta: forChild } },
        inputResponses,
        requestState
      })
      : Either.left(refused)
  })
}

interface Claims {
  readonly version: string
  readonly capabilities: JsonObject
  readonly logLevel: string | undefined
  /** `_meta` without the keys of the protocol itself. */
  readonly forChild: JsonObject
}

const readClaims = (method: string, meta: unknown, headers: ModernHeaders): Either.Either<Claims, Refused> => {
  const refuse = (message: string) => Either.left(bad(ErrorCode.invalidParams, message))
  if (!isObject(meta) || !(`${ours}protocolVersion` in meta)) {
    if (method === "initialize") {
      return Either.left(mismatch(`"initialize" belongs to revisions before ${modernVersion}, which the header MCP-Protocol-Version names; leave the header out, or begin with "server/discover".`))
    }
    const why = headers.version === undefined ? "." : ", for the header MCP-Protocol-Version names that revision."
    return refuse(`Each request of ${modernVersion} needs an object params._meta with "${ours}protocolVersion" and "${ours}clientCapabilities"${why}`)
  }
  const version = meta[`${ours}protocolVersion`]
  if (typeof version !== "string") return refuse(`params._meta["${ours}protocolVersion"] must be a string such as "${modernVersion}".`)
  const capabilities = meta[`${ours}clientCapabilities`]
  if (!isObject(capabilities)) {
    return refuse(`params._meta["${ours}clientCapabilities"] is missing or no object; send {} where the client can do nothing special.`)
  }
  const logLevel = meta[`${ours}logLevel`]
  if (logLevel !== undefined && !isLogLevel(logLevel)) {
    return refuse(`params._meta["${ours}logLevel"] must be one of debug, info, notice, warning, error, critical, alert, emergency.`)
  }
  const token = meta.progressToken
  if (token !== undefined && typeof token !== "string" && !Number.isSafeInteger(token)) {
    return refuse("params._meta.progressToken must be a string or an integer of at most 53 bits.")
  }
  const forChild = Object.fromEntries(Object.entries(meta).filter(([key]) => !key.startsWith(ours)))
  return Either.right({ version, capabilities, logLevel, forChild })
}

const versionProblem = (claimed: string, { version }: ModernHeaders): Refused | undefined => {
  if (version === undefined) return mismatch(`The header MCP-Protocol-Version is missing; send ${shown(claimed)}, as params._meta says.`)
  if (trimSpace(version) !== claimed) {
    return mismatch(`The header MCP-Protocol-Version says ${shown(version)}, and params._meta says ${shown(claimed)}; send the same in both.`)
  }
  return claimed === modernVersion ? undefined : bad(
    ModernErrorCode.unsupportedVersion,
    `Version ${shown(claimed)} cannot be used with params._meta here; use ${modernVersion}.`,
    { supported: [modernVersion], requested: claimed }
  )
}

const methodProblem = ({ method }: Request, headers: ModernHeaders): Refused | undefined =>
  headers.method === undefined
    ? mismatch(`The header Mcp-Method is missing; send ${shown(method)}, the method of the body.`)
    : trimSpace(headers.method) === method
    ? undefined
    : mismatch(`The header Mcp-Method says ${shown(headers.method)}, and the body ${shown(method)}; send the same in both, in the same case.`)

/** The member of the parameters that `Mcp-Name` repeats. */
const namedBy = new Map([["tools/call", "name"], ["prompts/get", "name"], ["resources/read", "uri"]])

const nameProblem = ({ method, params }: Request, headers: ModernHeaders): Refused | undefined => {
  const member = namedBy.get(method)
  if (member === undefined) return undefined
  const value = params?.[member]
  // What has no name anywhere is for the child to refuse.
  if (headers.name === undefined) {
    return typeof value === "string" ? mismatch(`The header Mcp-Name is missing; send the value of params.${member}: ${shown(value)}.`) : undefined
  }
  const name = decodeHeader(headers.name)
  if (name === undefined) return mismatch("The header Mcp-Name is not \"=?base64?...?=\" with the base64 of UTF-8, padded; encode it so, or send plain text.")
  return name === value ? undefined : mismatch(`The header Mcp-Name says ${shown(name)}, which is not the value of params.${member}; send the same in both.`)
}
