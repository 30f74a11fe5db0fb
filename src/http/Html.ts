/** Text that is HTML already. Only `html` makes it, so that whatever did not come from a template is escaped. */
class Markup {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}
export type { Markup }

type Value = string | number | Markup | ReadonlyArray<Markup> | undefined

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;", "'": "&#39;" }

const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => entities[character] ?? character)

const render = (value: Value): string => {
  if (value === undefined) return ""
  if (value instanceof Markup) return value.source
  if (typeof value === "string") return escape(value)
  if (typeof value === "number") return String(value)
  return value.map((item) => item.source).join("")
}

/** HTML by template: every value is escaped, for text and for attributes in double quotes; markup is put in as it is. */
export const html = (literals: TemplateStringsArray, ...values: ReadonlyArray<Value>): Markup =>
  new Markup(literals.reduce((text, literal, index) => text + render(values[index - 1]) + literal))

/** A stylesheet of ours, byte for byte, since its hash stands in the page's policy. Never for anything that came from outside. */
export const styleElement = (css: string): Markup => new Markup(`<style>${css}</style>`)
