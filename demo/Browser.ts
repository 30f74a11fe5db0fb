/** A page as the stand-in browser sees it. */
export interface Page {
  readonly url: string
  readonly status: number
  readonly text: string
  readonly headers: Headers
}

/** The first form of a page: where it goes, its fields, and its buttons. */
export interface Form {
  readonly action: string
  readonly method: string
  readonly fields: Readonly<Record<string, string>>
  readonly buttons: ReadonlyArray<{ readonly name: string; readonly value: string }>
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: "\"", apos: "'" }

const unescape = (text: string): string =>
  text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|([a-z]+));/gi, (whole, decimal?: string, hex?: string, name?: string) =>
    decimal !== undefined
      ? String.fromCodePoint(Number(decimal))
      : hex !== undefined
      ? String.fromCodePoint(Number.parseInt(hex, 16))
      : entities[name ?? ""] ?? whole)

const attribute = (tag: string, name: string): string | undefined => {
  const value = new RegExp(`\\s${name}="([^"]*)"`, "i").exec(tag)?.[1]
  return value === undefined ? undefined : unescape(value)
}

/** What a person sees: the text of a page without its markup. */
export const visibleText = (html: string): string =>
  unescape(html.replace(/<style[\s\S]*?<\/style>/gi, "").replace(/<[^>]+>/g, " ")).replace(/\s+/g, " ").trim()

/** Nothing where the page has no form. */
export const firstForm = (page: Page): Form | undefined => {
  const [, start = "", content = ""] = /<form\b([^>]*)>([\s\S]*?)<\/form>/i.exec(page.text) ?? []
  if (start === "" && content === "") return undefined
  const inputs = [...content.matchAll(/<input\b[^>]*>/gi)].map(([tag]) => tag)
  const named = inputs.filter((tag) => attribute(tag, "name") !== undefined && attribute(tag, "type") !== "submit")
  return {
    action: new URL(attribute(start, "action") ?? page.url, page.url).href,
    method: (attribute(start, "method") ?? "GET").toUpperCase(),
    fields: Object.fromEntries(named.map((tag) => [attribute(tag, "name") ?? "", attribute(tag, "value") ?? ""])),
    buttons: [...content.matchAll(/<button\b[^>]*>/gi)].map(([tag]) => ({ name: attribute(tag, "name") ?? "", value: attribute(tag, "value") ?? "" }))
  }
}

const maxRedirects = 10

/**
 * A browser without script, as far as signing in needs one: cookies by host and port, redirects, forms. It stops in front of
 * `stopAt`, the client's own address, where nothing listens.
 */
export class Browser {
  readonly #cookies = new Map<string, Map<string, string>>()
  readonly #stopAt: string

  constructor(stopAt: string) {
    this.#stopAt = stopAt
  }

  async get(url: string): Promise<Page> {
    return this.#go(url, {})
  }

  /** Presses a button of the page's first form; the first one unless told. */
  async submit(page: Page, values: Readonly<Record<string, string>> = {}, button = 0): Promise<Page> {
    const form = firstForm(page)
    if (form === undefined) throw new Error(`There is no form on ${page.url.split("?")[0]} (status ${page.status}): ${visibleText(page.text).slice(0, 300)}`)
    const pressed = form.buttons[button]
    const fields = { ...form.fields, ...values, ...(pressed === undefined || pressed.name === "" ? {} : { [pressed.name]: pressed.value }) }
    return this.#go(form.action, {
      method: "POST",
      body: new URLSearchParams(fields),
      headers: { origin: new URL(page.url).origin, "sec-fetch-site": "same-origin" }
    })
  }

  async #go(from: string, init: RequestInit): Promise<Page> {
    let url = from
    let request = init
    for (let hops = 0; hops <= maxRedirects; hops++) {
      if (url.startsWith(this.#stopAt)) return { url, status: 0, text: "", headers: new Headers() }
      const { host } = new URL(url)
      const jar = this.#cookies.get(host) ?? new Map<string, string>()
      this.#cookies.set(host, jar)
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ")
      const response = await fetch(url, {
        ...request,
        redirect: "manual",
        headers: { accept: "text/html", ...request.headers as Record<string, string>, ...(cookie === "" ? {} : { cookie }) }
      })
      for (const line of response.headers.getSetCookie()) {
        const [, name = "", value = ""] = /^\s*([^=]+)=([^;]*)/.exec(line) ?? []
        if (/;\s*max-age=0\b/i.test(line)) jar.delete(name)
        else jar.set(name, value)
      }
      const location = response.headers.get("location")
      const text = await response.text()
      if (response.status < 300 || response.status >= 400 || location === null) return { url, status: response.status, text, headers: response.headers }
      url = new URL(location, url).href
      request = {}
    }
    throw new Error(`More than ${maxRedirects} redirects from ${from.split("?")[0]}`)
  }
}
