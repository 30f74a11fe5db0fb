import { it } from "@effect/vitest"
import { Effect } from "effect"
import type { Page } from "playwright-core"
import { assert } from "vitest"
import { complaintsOn, describeInBrowser, newContext } from "./Chromium.ts"
import { visit } from "./Visit.ts"

/** As wide as the narrowest phones. */
const phone = { width: 320, height: 568 }

const hostileName = `${"W".repeat(60)} an editor with a name that does not want to end`

/** Every page that a person can get before Forgejo, and one that comes after. */
const pagesOf = (url: string, authorizeUrl: string) => ({
  consent: authorizeUrl,
  home: url,
  "unknown client": `${url}/oauth/authorize?client_id=nonsense`,
  "too old": `${url}/oauth/callback?state=0123456789abcdef.x`
})

const overflow = (page: Page): Promise<number> =>
  page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

/** Texts whose colour stands out too little from what is behind them (WCAG 2.1, 1.4.3: 4.5 to 1). */
const faintTexts = (page: Page): Promise<ReadonlyArray<string>> =>
  page.evaluate(`(() => {
    const parts = (colour) => colour.match(/[\\d.]+/g).map(Number)
    const light = (colour) => {
      const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
      const [r, g, b] = parts(colour).map((part) => linear(part / 255))
      return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const behind = (element) => {
      const colour = getComputedStyle(element).backgroundColor
      return parts(colour)[3] === 0 ? behind(element.parentElement) : colour
    }
    return [...document.querySelectorAll("body *")].flatMap((element) => {
      if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== "")) return []
      const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort((x, y) => y - x)
      const ratio = (a + 0.05) / (b + 0.05)
      return ratio < 4.5 ? [element.tagName + " " + element.textContent.trim().slice(0, 30) + ": " + ratio.toFixed(2)] : []
    })
  })()`)

describeInBrowser("the pages", () => {
  it.scopedLive("fit a narrow phone without scrolling sideways, and Chromium has nothing to complain of", () =>
    Effect.gen(function*() {
      const { authorizeUrl, settings } = yield* visit({ clientName: hostileName })
      const context = yield* newContext({ viewport: phone, isMobile: true })
      yield* Effect.promise(async () => {
        for (const [name, address] of Object.entries(pagesOf(settings.url, authorizeUrl()))) {
          const page = await context.newPage()
          const complaints = complaintsOn(page, settings.url)
          await page.goto(address)
          assert.isAtMost(await overflow(page), 0, name)
          assert.strictEqual(await page.locator("main h1").count(), 1, name)
          assert.deepStrictEqual(complaints, [], name)
        }
      })
    }))

  it.scopedLive("show commands whole, without scrolling inside a box", () =>
    Effect.gen(function*() {
      const { settings } = yield* visit()
      const context = yield* newContext({ viewport: phone, isMobile: true })
      yield* Effect.promise(async () => {
        const page = await context.newPage()
        await page.goto(settings.url)
        const cut = await page.evaluate("[...document.querySelectorAll('pre')].filter((box) => box.scrollWidth > box.clientWidth).length")
        assert.strictEqual(cut, 0)
        assert.include(await page.locator("main").innerText(), `claude mcp add --transport http forgejo ${settings.mcpUrl}`)
      })
    }))

  it.scopedLive("can be read in light and in dark, which differ", () =>
    Effect.gen(function*() {
      const { authorizeUrl, settings } = yield* visit()
      const backgrounds = yield* Effect.forEach(["light", "dark"] as const, (colorScheme) =>
        Effect.flatMap(newContext({ colorScheme }), (context) =>
          Effect.promise(async () => {
            const page = await context.newPage()
            for (const [name, address] of Object.entries(pagesOf(settings.url, authorizeUrl()))) {
              await page.goto(address)
              assert.deepStrictEqual(await faintTexts(page), [], `${name}, ${colorScheme}`)
            }
            return page.evaluate<string>("getComputedStyle(document.body).backgroundColor")
          })))
      assert.strictEqual(new Set(backgrounds).size, 2)
    }))
})
