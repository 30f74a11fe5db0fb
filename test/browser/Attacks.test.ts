import { it } from "@effect/vitest"
import { Effect } from "effect"
import { assert } from "vitest"
import { describeInBrowser, newContext } from "./Chromium.ts"
import { foreignSite, visit } from "./Visit.ts"

const hidden = (page: string, name: string) => new RegExp(`name="${name}" value="([^"]+)"`).exec(page)?.[1] ?? "?"

/** The attacker's own pending login: everything that his browser got. */
const attackersLogin = async (authorizeUrl: string) => {
  const answer = await fetch(authorizeUrl)
  const page = await answer.text()
  const [, name = "?", value = "?"] = /^([^=]+)=([^;]+)/.exec(answer.headers.getSetCookie()[0] ?? "") ?? []
  return { flow: hidden(page, "flow"), formToken: hidden(page, "form_token"), cookie: { name, value } }
}

const selfSubmitting = (action: string, fields: Readonly<Record<string, string>>) =>
  `<body onload="document.forms[0].submit()"><form method="post" action="${action}">${
    Object.entries(fields).map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`).join("")
  }</form></body>`

describeInBrowser("a page of somebody else", () => {
  for (const host of ["127.0.0.1", "localhost"]) {
    for (const plants of [false, true]) {
      const how = plants ? ", having planted the attacker's consent cookie" : ""
      it.scopedLive(`on ${host} with another port cannot answer for a person${how}: 403, no cookie`, () =>
        Effect.gen(function*() {
          const { authorizeUrl, callbacks, forgejo, settings } = yield* visit()
          const login = yield* Effect.promise(() => attackersLogin(authorizeUrl()))
          const site = yield* foreignSite(() =>
            selfSubmitting(`${settings.url}/oauth/consent`, { flow: login.flow, form_token: login.formToken, decision: "allow" }))
          const context = yield* newContext()
          yield* Effect.promise(async () => {
            // Cookies know no ports: whatever else runs on the same host can set one.
            if (plants) await context.addCookies([{ ...login.cookie, url: settings.url, sameSite: "Strict", httpOnly: true }])
            const before = await context.cookies()
            const page = await context.newPage()
            const answered = page.waitForResponse((response) => response.url() === `${settings.url}/oauth/consent`)
            await page.goto(site.url.replace("127.0.0.1", host)).catch(() => undefined)
            const answer = await answered
            assert.strictEqual(answer.status(), 403)
            assert.deepStrictEqual((await answer.headersArray()).filter(({ name }) => name.toLowerCase() === "set-cookie"), [])
            await page.getByRole("heading", { name: "This answer did not come from your consent page" }).waitFor()
            assert.deepStrictEqual(await context.cookies(), before)
            assert.lengthOf(callbacks(), 0)
            assert.strictEqual(forgejo.requests.count("/login/oauth/authorize"), 0)
          })
        }))
    }
  }

  it.scopedLive("cannot show the consent page in a frame", () =>
    Effect.gen(function*() {
      const { authorizeUrl } = yield* visit()
      const site = yield* foreignSite(() => `<iframe src="${authorizeUrl().replaceAll("&", "&amp;")}" width="600" height="600"></iframe>`)
      const context = yield* newContext()
      yield* Effect.promise(async () => {
        const page = await context.newPage()
        const refusals: Array<string> = []
        page.on("console", (message) => refusals.push(message.text()))
        await page.goto(site.url)
        const frame = page.frames()[1]
        assert.isDefined(frame)
        assert.strictEqual(await frame?.getByRole("button").count(), 0)
        assert.isNotEmpty(refusals.filter((text) => text.includes("frame-ancestors 'none'")), refusals.join("\n"))
      })
    }))
})
