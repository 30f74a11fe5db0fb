import { decodeHeader } from "./HeaderText.ts"
import type { JsonObject } from "./JsonRpc.ts"
import { isObject } from "./JsonRpc.ts"

/** A tool's parameter that clients of 2026-07-28 repeat in the header `Mcp-Param-<header>`. */
export interface HeaderParam {
  /** Names of properties, from the arguments down. */
  readonly path: ReadonlyArray<string>
  readonly header: string
  readonly type: "string" | "integer" | "number" | "boolean"
}

const annotation = "x-mcp-header"
/** A field name (RFC 9110 §5.6.2). */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Arguments do not nest deeper than the JSON of a request may. */
const maxDepth = 64
/** `number` is none of the types that the revision allows, but such a header is compared all the same. */
const isType = (type: unknown): type is HeaderParam["type"] => type === "string" || type === "integer" || type === "number" || type === "boolean"

/**
 * The annotated properties of a tool's `inputSchema`: those that a chain of `properties` leads to (2026-07-28, custom
 * headers from tool parameters). None where one of the annotations breaks the rules, for clients leave such a tool out.
 */
export const headerParamsOf = (inputSchema: unknown): ReadonlyArray<HeaderParam> => {
  const found: Array<HeaderParam> = []
  const headers = new Set<string>()
  const open: Array<{ readonly schema: unknown; readonly path: ReadonlyArray<string> }> = [{ schema: inputSchema, path: [] }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { path, schema } = next
    if (!isObject(schema)) continue
    if (annotation in schema) {
      const header = schema[annotation]
      if (path.length === 0 || typeof header !== "string" || !token.test(header) || !isType(schema.type) || headers.has(header.toLowerCase())) return []
      headers.add(header.toLowerCase())
      found.push({ path, header, type: schema.type })
    }
    if (isObject(schema.properties) && path.length < maxDepth) {
      for (const [name, property] of Object.entries(schema.properties)) open.push({ schema: property, path: [...path, name] })
    }
  }
  return found
}

/**
 * The sentence for a call whose headers do not repeat its arguments, or nothing where they do. An argument that is null or
 * absent needs no header; headers that nobody has annotated are nobody's business.
 *
 * @param headers `Mcp-Param-*` by what follows that prefix in lower case.
 */
export const checkParams = (annotations: ReadonlyArray<HeaderParam>, args: JsonObject | undefined, headers: ReadonlyMap<string, string>): string | undefined => {
  for (const param of annotations) {
    const value = valueAt(args, param.path)
    if (value === undefined || value === null) continue
    const name = `Mcp-Param-${param.header}`
    const argument = `the argument ${JSON.stringify(param.path.join("."))}`
    const sent = headers.get(param.header.toLowerCase())
    if (sent === undefined) {
      // An object or a list cannot be sent in a header; the child will refuse it.
      if (typeof value === "object") continue
      return `The header ${name} is missing; this tool wants ${argument} repeated in it.`
    }
    const text = decodeHeader(sent)
    if (text === undefined) return `The header ${name} is not "=?base64?...?=" with the base64 of UTF-8, padded; encode it so, or send plain text.`
    if (!isSame(param.type, text, value)) return `The header ${name} does not say the same as ${argument}; send the same in both.`
  }
  return undefined
}

const valueAt = (args: unknown, path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>((value, name) => isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined, args)

/** A number as JSON writes it. */
const number = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/

const isSame = (type: HeaderParam["type"], text: string, value: unknown): boolean => {
  if (typeof value === "object") return false
  if ((type === "integer" || type === "number") && typeof value === "number" && number.test(text)) return Number(text) === value
  return text === String(value)
}
