/**
 * Clients from the registry against the built broker: `npm run clients`, which scripts/clients.mjs starts. They are programs
 * that need a newer Node than the broker; clients that are libraries stand in test/e2e.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Cause, Effect, Exit } from "effect"
import { parseArgs } from "node:util"
import { tempDirectory } from "../fakes/TempDirectory.ts"
import { everything } from "../process/Everything.ts"
import { signIn } from "../process/Serving.ts"
import type { Check, Tools } from "./Check.ts"
import { inspectorChecks } from "./Inspector.ts"
import { mcpRemoteChecks } from "./McpRemote.ts"

const clients = (tools: Tools) =>
  Effect.scoped(Effect.gen(function*() {
    const { daemon, settings } = yield* everything()
    const { access_token } = yield* signIn(settings.mcpUrl)
    const checks = [
      ...inspectorChecks(tools, settings.mcpUrl, access_token),
      ...mcpRemoteChecks(tools, settings.mcpUrl, yield* tempDirectory)
    ]
    // A client that leaves without a word leaves a session behind, and nothing to complain about.
    const quiet: Check = {
      name: "the broker has logged no error",
      run: Effect.suspend(() => {
        const errors = daemon.log.filter(({ level }) => level === "error" || level === "fatal")
        return errors.length === 0 ? Effect.void : Effect.dieMessage(JSON.stringify(errors))
      })
    }
    let failed = 0
    for (const { name, run } of [...checks, quiet]) {
      const exit = yield* run.pipe(
        Effect.scoped,
        Effect.timeoutFail({ duration: "1 minute", onTimeout: () => new Error("it did not end within a minute") }),
        Effect.exit
      )
      if (Exit.isFailure(exit)) failed += 1
      console.log(`${Exit.isSuccess(exit) ? "ok    " : "FAILED"}  ${name}`)
      if (Exit.isFailure(exit)) console.log(`        ${String(Cause.squash(exit.cause))}`)
    }
    console.log(`\n${checks.length + 1 - failed} passed, ${failed} failed`)
    process.exitCode = failed === 0 ? 0 : 1
  }))

const { values } = parseArgs({ options: { node: { type: "string", default: "" }, packages: { type: "string", default: "" } } })
// Its handling of signals ends the daemon too.
NodeRuntime.runMain(clients({ node: values.node, packages: values.packages }))
