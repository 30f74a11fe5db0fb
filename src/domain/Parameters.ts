import { Option } from "effect"

/**
 * Request parameters of OAuth endpoints. A parameter without a value counts as omitted (RFC 6749 section 3.1), and one
 * that must not be repeated but is makes the request invalid.
 */
export interface Parameters {
  readonly get: (name: string) => Option.Option<string>
  readonly getAll: (name: string) => ReadonlyArray<string>
  /** The first name that occurs more than once, other than `resource`, which RFC 8707 section 2 allows to repeat. */
  readonly repeated: Option.Option<string>
  readonly isRepeated: (name: string) => boolean
}

/** From a query or a form body, percent-decoded. */
export const parseParameters = (text: string): Parameters => {
  const search = new URLSearchParams(text)
  const getAll = (name: string) => search.getAll(name).filter((value) => value !== "")
  const isRepeated = (name: string) => search.getAll(name).length > 1
  const names = [...search.keys()]
  return {
    get: (name) => Option.fromNullable(getAll(name)[0]),
    getAll,
    repeated: Option.fromNullable(names.find((name, index) => name !== "resource" && names.indexOf(name) !== index)),
    isRepeated
  }
}
