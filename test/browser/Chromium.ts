import { describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core"
import { afterAll, assert, beforeAll } from "vitest"
import { executable, launch, names } from "./Launch.ts"

let browser: Browser | undefined

/** A person's browser: cookies of its own, nothing kept. */
export const newContext = (options: BrowserContextOptions = {}): Effect.Effect<BrowserContext, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      if (browser === undefined) throw new Error("Chromium was not started: use describeInBrowser")
      const context = await browser.newContext(options)
      // Less than a test's time, so that what is missing on the page is named.
      context.setDefaultTimeout(10_000)
      return context
    }),
    (context) => Effect.promise(() => context.close())
  )

/** What Chromium complains of on pages of `origin`: scripts and styles that the policy refused, requests that failed. */
export const complaintsOn = (page: Page, origin: string): ReadonlyArray<string> => {
  const complaints: Array<string> = []
  page.on("console", (message) => {
    const isOurs = message.location().url.startsWith(origin) || page.url().startsWith(origin)
    // A page of ours with status 400 or 403 is what some tests want; Chromium notes it as an error.
    const isStatus = message.text().startsWith("Failed to load resource: the server responded with a status of 4")
    if (isOurs && !isStatus && ["error", "warning"].includes(message.type())) complaints.push(message.text())
  })
  page.on("pageerror", (error) => complaints.push(error.message))
  return complaints
}

/**
 * Tests with a real browser. Without one they are skipped, and say so; where `CI` is set that is a failure, for nobody
 * reads what is skipped there.
 */
export const describeInBrowser = (title: string, tests: () => void): void => {
  if (executable === undefined) {
    const sentence = `No Chromium was found (looked for ${names.join(", ")}; CHROMIUM names another): the browser tests of "${title}"`
    if (process.env["CI"] !== undefined) it(`${title}: needs a Chromium`, () => assert.fail(`${sentence} cannot run.`))
    else console.warn(`SKIPPED  ${sentence} are skipped.`)
  }
  describe.skipIf(executable === undefined)(title, () => {
    beforeAll(async () => {
      browser = await launch()
    })
    afterAll(() => browser?.close())
    tests()
  })
}
