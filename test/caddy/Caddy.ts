/**
 * The shipped Caddyfile in a running Caddy: scripts/check-caddy.mjs sees to Caddy and its certificate authority, and starts
 * this. Behind it is the broker with the stand-in Forgejo, or a server that keeps what it is sent.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { startDemoForgejo } from "../../demo/DemoForgejo.ts"
import type { Check } from "../image/Check.ts"
import { expect, mustFail } from "../image/Check.ts"
import { progressAtOnce, startBroker, stopBroker, wholeJourney } from "./BrokerChecks.ts"
import { freePort } from "../fakes/FreePort.ts"
import { caddy, killAll, shippedFile, validate, withCaddy } from "./Proxy.ts"
import { upstream } from "./Upstream.ts"
import { eventsAtOnce, headersArrive, leavingIsNoticed } from "./WireChecks.ts"

const text = { type: "string", default: "" } as const
const { values: { examples, scratch, storage } } = parseArgs({ options: { scratch: text, storage: text, examples: text } })
const folders = { scratch, storage }

/** Adds lines to the proxy, or takes one thing for another, as somebody might do in good faith. */
const inProxy = (...lines: ReadonlyArray<string>) => (file: string) => file.replace(/(reverse_proxy \S+ \{\n)/, `$1${lines.map((line) => `\t\t${line}\n`).join("")}`)
const instead = (part: string, other: string) => (file: string) => {
  if (!file.includes(part)) throw new Error(`the Caddyfile has no "${part}" to change`)
  return file.replace(part, other)
}

const checks: Array<Check> = [
  { name: "caddy validate takes the Caddyfile as it is", run: async () => void await validate(scratch, readFileSync(shippedFile, "utf8")) },
  {
    name: "caddy fmt would not change it",
    run: async () => expect(await caddy(scratch, "fmt", shippedFile) === readFileSync(shippedFile, "utf8"), "it is formatted", "it is not: caddy fmt --overwrite")
  },
  {
    name: "(broken on purpose) caddy validate refuses a word that it does not know",
    run: () => mustFail("the wrong word", async () => void await validate(scratch, inProxy("flush_intervall 1s")(readFileSync(shippedFile, "utf8"))))
  },
  ...(JSON.parse(examples) as ReadonlyArray<{ readonly place: string; readonly text: string }>).map(({ place, text }) => ({
    name: `caddy validate takes the example in ${place}`,
    run: async () => void await validate(scratch, text)
  }))
]

const behind = await upstream()
const through = (run: (origin: string) => Promise<void>, change?: (file: string) => string) => () => withCaddy(folders, behind.port, run, change)
const notWith = (what: string, run: (origin: string) => Promise<void>, change: (file: string) => string): Check => ({
  name: `(broken on purpose) ${what} is noticed`,
  run: () => mustFail(what, through(run, change))
})
const major = /v?(\d+)\.(\d+)\.(\d+)/.exec(await caddy(scratch, "version"))?.slice(1).map(Number) ?? []
const is262 = major.join(".") === "2.6.2"

checks.push(
  { name: "the headers of MCP reach the broker and the client; JSON is compressed", run: through(headersArrive(behind)) },
  { name: "events arrive at once, over HTTP/1.1 and HTTP/2", run: through(eventsAtOnce(behind)) },
  { name: "a client that leaves a silent stream is noticed behind Caddy", run: through(leavingIsNoticed(behind)) },
  notWith("a proxy that takes Mcp-Session-Id away from the request", headersArrive(behind), inProxy("header_up -Mcp-Session-Id")),
  notWith("a proxy that takes Mcp-Session-Id away from the answer", headersArrive(behind), inProxy("header_down -Mcp-Session-Id")),
  notWith("a proxy that takes Last-Event-ID away", headersArrive(behind), inProxy("header_up -Last-Event-ID")),
  notWith("a proxy with a host name of its own", headersArrive(behind), inProxy("header_up Host {upstream_hostport}")),
  notWith("a proxy that buffers answers", eventsAtOnce(behind), inProxy(is262 ? "buffer_responses" : "response_buffers 64KiB")),
  notWith("a stream that is compressed", eventsAtOnce(behind), instead("match {\n", "minimum_length 1\n\t\tmatch {\n\t\t\theader Content-Type text/event-stream*\n")),
  // Later versions may have mended it.
  ...(is262 ? [notWith("flush_interval -1, which keeps upstream requests of clients that left,", leavingIsNoticed(behind), inProxy("flush_interval -1"))] : [])
)

/** Caddy has to be there before the broker knows its public address, and stays while the broker goes and comes. */
const withBroker = async (): Promise<void> => {
  const port = await freePort()
  await withCaddy(folders, port, async (origin) => {
    const forgejo = await startDemoForgejo(origin, 0)
    const folder = join(scratch, "data")
    let broker = await startBroker(forgejo, origin, port, folder)
    try {
      await run({ name: "a whole client journey through Caddy: discovery, sign-in, session, tools, end", run: () => wholeJourney(origin) })
      await run({ name: "a tool's progress arrives while it works", run: () => progressAtOnce(origin) })
      await run({
        name: "a request waits while the broker is restarted",
        run: async () => {
          await stopBroker(broker)
          const answer = fetch(`${origin}/healthz`)
          await sleep(500)
          broker = await startBroker(forgejo, origin, port, folder)
          const { status } = await answer
          expect(status === 200, "it is answered", status)
        }
      })
    } finally {
      await stopBroker(broker)
      await forgejo.forgejo.stop()
    }
  })
}

const count = { passed: 0, failed: 0 }
const run = async ({ name, run: attempt }: Check): Promise<void> => {
  try {
    await attempt()
    count.passed += 1
    console.log(`ok  ${name}`)
  } catch (error) {
    count.failed += 1
    console.log(`FAILED  ${name}\n    ${error instanceof Error ? error.message : String(error)}`)
  }
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    killAll()
    process.exit(1)
  })
}
try {
  for (const check of checks) await run(check)
} finally {
  behind.close()
}
await run({ name: "the broker behind Caddy starts and ends", run: withBroker })
console.log(`${count.passed} passed, ${count.failed} failed, 0 skipped`)
process.exitCode = count.failed === 0 ? 0 : 1
