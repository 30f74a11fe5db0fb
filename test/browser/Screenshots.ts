import { NodeRuntime } from "@effect/platform-node"
import { Effect } from "effect"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Browser } from "playwright-core"
import { s256Challenge } from "../../src/domain/Pkce.ts"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import { startDaemon } from "../process/DaemonProcess.ts"
import { freePort } from "../process/Serving.ts"
import { executable, launch, names } from "./Launch.ts"

const folder = fileURLToPath(new URL("../../docs/images/", import.meta.url))
/** What Claude.ai registers (docs/clients.md). */
const client = { client_name: "Claude", redirect_uris: ["https://claude.ai/api/mcp/auth_callback"], token_endpoint_auth_method: "none" }

/** The address of a consent page, as a client has it opened. */
const authorizeUrl = async (url: string): Promise<string> => {
  const headers = { "content-type": "application/json" }
  const answer = await fetch(`${url}/oauth/register`, { method: "POST", headers, body: JSON.stringify(client) })
  const { client_id } = await answer.json() as { readonly client_id: string }
  return `${url}/oauth/authorize?${new URLSearchParams({
    response_type: "code",
    client_id,
    redirect_uri: client.redirect_uris[0] ?? "",
    state: "a-state",
    resource: `${url}/mcp`,
    code_challenge: s256Challenge("a-verifier-of-a-client-whose-page-is-pictured-01"),
    code_challenge_method: "S256"
  })}`
}

const picture = async (browser: Browser, address: string, file: string) => {
  const page = await browser.newPage({ viewport: { width: 640, height: 400 }, deviceScaleFactor: 1.25, colorScheme: "light" })
  await page.goto(address)
  await page.screenshot({ path: join(folder, file), fullPage: true })
  console.log(`docs/images/${file}`)
}

/** The real daemon, with host names as operators have them: nothing is asked of Forgejo before somebody presses Allow. */
const takeAll = Effect.scoped(Effect.gen(function*() {
  if (executable === undefined) return yield* Effect.dieMessage(`No Chromium was found (looked for ${names.join(", ")}; CHROMIUM names another).`)
  const port = yield* freePort
  const url = `http://127.0.0.1:${port}`
  const daemon = yield* startDaemon(["serve"], {
    FJMCP_PUBLIC_URL: url,
    FJMCP_LISTEN: `127.0.0.1:${port}`,
    FJMCP_FORGEJO_URL: "https://forgejo.example.org",
    FJMCP_FORGEJO_CLIENT_ID: "an-id",
    FJMCP_FORGEJO_CLIENT_SECRET: "a-secret",
    FJMCP_DATA_DIR: yield* tempDirectory
  })
  yield* daemon.untilLogged("broker.listening")
  const browser = yield* Effect.acquireRelease(Effect.promise(launch), (open) => Effect.promise(() => open.close()))
  mkdirSync(folder, { recursive: true })
  const address = yield* Effect.promise(() => authorizeUrl(url))
  yield* Effect.promise(() => picture(browser, address, "consent.png"))
}))

NodeRuntime.runMain(takeAll)
