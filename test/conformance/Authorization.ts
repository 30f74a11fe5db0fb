import { Effect, type Scope } from "effect"
import { join } from "node:path"
import { OAuthClient } from "../../demo/OAuthClient.ts"
import { answering } from "../process/Person.ts"
import { ada, freePort } from "../process/Serving.ts"
import { plain, type Scenario, startSuite, type Tools } from "./Suite.ts"

const scenarios = ["authorization-server-metadata-endpoint", "authorization-code-grant"]

/** Runs the two scenarios for authorization servers, and is the person at the browser that the second one waits for. */
export const runAuthorization = (tools: Tools, mcpUrl: string): Effect.Effect<ReadonlyArray<Scenario>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const port = yield* freePort
    const oauth = new OAuthClient(mcpUrl)
    const metadata = yield* Effect.promise(() => oauth.discover())
    // Registered with a loopback address: the suite may listen on any port of it.
    const clientId = yield* Effect.promise(() => oauth.register(metadata, "Conformance"))
    const suite = yield* startSuite(tools, [
      "authorization", "--url", metadata.issuer, "--client-id", clientId, "--resource", mcpUrl, "--port", `${port}`,
      "-o", join(tools.output, "authorization")
    ])
    const asked = suite.stdout.until("a URL to open", (text) =>
      // By the time of that line it listens for the answer.
      text.includes("Waiting up to") ? /^https?:\/\/\S*[?&]code_challenge=\S+$/m.exec(plain(text))?.[0] : undefined)
    const answer = Effect.flatMap(asked, (url) => Effect.promise(() => answering(url, ada)))
    // A suite that fails before it asks ends by itself.
    yield* Effect.race(Effect.zipRight(Effect.exit(answer), suite.exited), suite.exited).pipe(
      Effect.timeoutFail({ duration: "6 minutes", onTimeout: () => new Error("the authorization suite did not end") }),
      Effect.orDie
    )
    const log = plain(suite.stdout.text)
    return scenarios.map((name) => {
      const [, passed = "0", failed = "0"] = new RegExp(`^[✓✗] ${name}: (\\d+) passed, (\\d+) failed`, "m").exec(log) ?? []
      // Without a single check it was skipped.
      const isSkipped = Number(passed) + Number(failed) === 0
      const reasons = log.split("\n").filter((line) => /FAILURE|WARNING|Error:/.test(line))
      return { name, passed: Number(passed), failed: Number(failed) + (isSkipped ? 1 : 0), warned: 0, isScored: true, reasons }
    })
  })
