import { it } from "@effect/vitest"
import { Effect } from "effect"
import { assert } from "vitest"
import { complaintsOn, describeInBrowser, newContext } from "./Chromium.ts"
import { allow, press, throughForgejo, visit } from "./Visit.ts"

describeInBrowser("a person at the consent page", () => {
  it.scopedLive("allows: the broker's page, Forgejo's sign-in, Forgejo's page, back at the client with a code that works", () =>
    Effect.gen(function*() {
      const { authorizeUrl, callbacks, client, forgejo, issuer, redeem, settings } = yield* visit()
      const context = yield* newContext()
      yield* Effect.promise(async () => {
        const page = await context.newPage()
        const complaints = complaintsOn(page, settings.url)
        await page.goto(authorizeUrl("the-clients-state"))
        const text = await page.locator("main").innerText()
        for (const part of ["Test editor", new URL(forgejo.url).host, new URL(client.url).host, "this computer", "Nobody has verified"]) {
          assert.include(text, part)
        }
        assert.strictEqual(await page.locator("strong.host").innerText(), new URL(client.url).host)
        await press(page, "Allow")
        assert.isTrue(page.url().startsWith(`${forgejo.url}/user/login`), page.url())
        await throughForgejo(page)
        const [answer] = callbacks()
        assert.strictEqual(answer?.get("state"), "the-clients-state")
        assert.strictEqual(answer?.get("iss"), issuer)
        assert.strictEqual(await redeem(answer?.get("code") ?? ""), 200)
        assert.deepStrictEqual(complaints, [])
        const left = (await context.cookies(settings.url)).filter(({ name }) => name.startsWith("fjmcp-login"))
        assert.deepStrictEqual(left, [], "the login cookie is gone")
      })
    }))

  it.scopedLive("denies: the client is told, and Forgejo never heard of it", () =>
    Effect.gen(function*() {
      const { authorizeUrl, callbacks, forgejo } = yield* visit()
      const context = yield* newContext()
      yield* Effect.promise(async () => {
        const page = await context.newPage()
        await page.goto(authorizeUrl())
        await press(page, "Deny")
        await page.getByRole("heading", { name: "Back at the client" }).waitFor()
        assert.strictEqual(callbacks()[0]?.get("error"), "access_denied")
        assert.isNull(callbacks()[0]?.get("code"))
        assert.strictEqual(forgejo.requests.count("/login/oauth/authorize"), 0)
      })
    }))

  it.scopedLive("who administers the site is told so, and goes on only by a click", () =>
    Effect.gen(function*() {
      const { authorizeUrl, callbacks, forgejo, redeem, settings } = yield* visit()
      forgejo.addUser({ login: "root", password: "root-password-1", isAdmin: true })
      const context = yield* newContext()
      yield* Effect.promise(async () => {
        const page = await context.newPage()
        const complaints = complaintsOn(page, settings.url)
        await page.goto(authorizeUrl())
        await press(page, "Allow")
        await page.getByLabel("Username").fill("root")
        await page.getByLabel("Password").fill("root-password-1")
        await press(page, "Sign in")
        await press(page, "Allow")
        await page.getByRole("heading", { name: "You signed in as a site administrator" }).waitFor()
        assert.lengthOf(callbacks(), 0)
        await page.getByRole("link", { name: "Go on as root" }).click()
        await page.getByRole("heading", { name: "Back at the client" }).waitFor()
        assert.strictEqual(await redeem(callbacks()[0]?.get("code") ?? ""), 200)
        assert.deepStrictEqual(complaints, [])
      })
    }))

  it.scopedLive("needs no script", () =>
    Effect.gen(function*() {
      const { authorizeUrl, callbacks, redeem } = yield* visit()
      const context = yield* newContext({ javaScriptEnabled: false })
      yield* Effect.promise(async () => {
        const page = await context.newPage()
        await page.goto(authorizeUrl())
        await press(page, "Allow")
        await throughForgejo(page)
        assert.strictEqual(await redeem(callbacks()[0]?.get("code") ?? ""), 200)
      })
    }))

  it.scopedLive("needs no mouse: the first key stop is Allow, Enter presses it", () =>
    Effect.gen(function*() {
      const { authorizeUrl, forgejo } = yield* visit()
      const context = yield* newContext()
      yield* Effect.promise(async () => {
        const page = await context.newPage()
        await page.goto(authorizeUrl())
        await page.keyboard.press("Tab")
        assert.strictEqual(await page.locator(":focus").innerText(), "Allow")
        await page.keyboard.press("Enter")
        await page.waitForURL(`${forgejo.url}/user/login`)
      })
    }))

  it.scopedLive("clicks twice on Allow: signs in once and is connected", () =>
    Effect.gen(function*() {
      const { authorizeUrl, callbacks, daemon, forgejo, redeem } = yield* visit()
      const context = yield* newContext()
      yield* Effect.promise(async () => {
        const page = await context.newPage()
        await page.goto(authorizeUrl())
        // Forgejo's page is slow to come, so that the second click finds ours still there.
        forgejo.knobs.latencyMs = 1000
        const button = page.getByRole("button", { name: "Allow", exact: true })
        await button.scrollIntoViewIfNeeded()
        const { height, width, x, y } = await button.boundingBox() ?? { height: 0, width: 0, x: 0, y: 0 }
        const click = () => page.mouse.click(x + width / 2, y + height / 2)
        await click()
        await Effect.runPromise(daemon.untilLogged("signin.allowed"))
        await click()
        await page.getByRole("heading", { name: "Sign in to Forgejo" }).waitFor()
        forgejo.knobs.latencyMs = 0
        await throughForgejo(page)
        assert.lengthOf(callbacks(), 1)
        assert.strictEqual(await redeem(callbacks()[0]?.get("code") ?? ""), 200)
      })
      assert.lengthOf(daemon.log.filter(({ event }) => event === "signin.allowed"), 2, "both clicks arrived")
      assert.lengthOf(daemon.log.filter(({ event }) => event === "signin.failed"), 0)
    }))

  it.scopedLive("has two sign-ins open in two tabs: each comes back with its own state", () =>
    Effect.gen(function*() {
      const { authorizeUrl, callbacks, redeem } = yield* visit()
      const context = yield* newContext()
      yield* Effect.promise(async () => {
        const [first, second] = [await context.newPage(), await context.newPage()]
        await first.goto(authorizeUrl("first"))
        await second.goto(authorizeUrl("second"))
        await allow(first)
        await allow(second)
        await throughForgejo(second)
        // Forgejo knows one sign-in at a time: the first tab's form leads nowhere now. Allow may be pressed again.
        await first.goBack()
        await press(first, "Allow")
        await first.getByRole("heading", { name: "Back at the client" }).waitFor()
        assert.deepStrictEqual(callbacks().map((answer) => answer.get("state")), ["second", "first"])
        for (const answer of callbacks()) assert.strictEqual(await redeem(answer.get("code") ?? ""), 200)
      })
    }))

  it.scopedLive("goes back after Allow, and allows again", () =>
    Effect.gen(function*() {
      const { authorizeUrl, callbacks, redeem, settings } = yield* visit()
      const context = yield* newContext()
      yield* Effect.promise(async () => {
        const page = await context.newPage()
        await page.goto(authorizeUrl())
        await allow(page)
        await page.goBack()
        assert.isTrue(page.url().startsWith(`${settings.url}/oauth/authorize`), page.url())
        await press(page, "Allow")
        await throughForgejo(page)
        assert.strictEqual(await redeem(callbacks()[0]?.get("code") ?? ""), 200)
      })
    }))

  it.scopedLive("is asked again when the same client connects again", () =>
    Effect.gen(function*() {
      const { authorizeUrl, callbacks, redeem } = yield* visit()
      const context = yield* newContext()
      yield* Effect.promise(async () => {
        const page = await context.newPage()
        await page.goto(authorizeUrl("again"))
        await press(page, "Allow")
        await throughForgejo(page)
        await page.goto(authorizeUrl("again"))
        await press(page, "Allow")
        await page.getByRole("heading", { name: "Back at the client" }).waitFor()
        assert.lengthOf(callbacks(), 2)
        assert.strictEqual(await redeem(callbacks()[1]?.get("code") ?? ""), 200)
      })
    }))
})
