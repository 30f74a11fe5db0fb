import { Command, Options } from "@effect/cli"
import { NodeContext } from "@effect/platform-node"
import type { Scope } from "effect"
import { Effect, Either, Layer, Option } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import type { DemoForgejo } from "../../demo/DemoForgejo.ts"
import { demoRepo, demoUser, otherUser, startDemoForgejo } from "../../demo/DemoForgejo.ts"
import { journey } from "../../demo/Journey.ts"
import { OAuthClient } from "../../demo/OAuthClient.ts"
import { version } from "../domain/Build.ts"
import { quoteWord, splitWords } from "../domain/ShellWords.ts"
import { AppConfigLive, readSettings } from "../layers/AppConfigLive.ts"
import { BrokerLive } from "../layers/Broker.ts"
import { LoggingLive } from "../layers/LoggingLive.ts"
import { readFileText } from "../layers/SettingsSources.ts"
import { CommandFailed, complain, print } from "./CommandFailed.ts"
import { demoBanner } from "./DemoBanner.ts"
import { demoDefaults, madeByTheDemo } from "./DemoSettings.ts"
import { programName } from "./Help.ts"

interface DemoFlags {
  readonly once: boolean
  readonly port: Option.Option<string>
  readonly child: Option.Option<string>
  readonly tokens: Option.Option<string>
}

const defaultPort = 8080

const fail = (sentence: string) => Effect.zipRight(complain(`${programName}: ${sentence}\n`), new CommandFailed({ code: 1 }))

/** A port that is free now: a journey must not meet a demo that is already running. */
const freePort = Effect.async<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "fjmcp-demo-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

const standInChild = [process.execPath, join(dirname(fileURLToPath(import.meta.url)), "demo-child.js")].map(quoteWord).join(" ")

const standInForgejo = (publicUrl: string, users: number): Effect.Effect<DemoForgejo, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.promise(() => startDemoForgejo(publicUrl, users)), ({ forgejo }) => Effect.promise(() => forgejo.stop()))

/** Signs a user in through the whole flow, as a client would. */
const tokenOf = (mcpUrl: string, user: { readonly login: string; readonly password: string }) =>
  Effect.tryPromise(async () => {
    const oauth = new OAuthClient(mcpUrl)
    const server = await oauth.discover()
    return (await oauth.signIn(server, await oauth.register(server, `Demo of ${user.login}`), user)).access_token
  })

/** Wrong flags end with 2, as wrong settings do. */
const refuse = (sentence: string) => Effect.zipRight(complain(`${programName}: ${sentence}\n`), new CommandFailed({ code: 2 }))

const wholeNumber = (flag: string, text: Option.Option<string>, max: number, example: string) =>
  Option.match(text, {
    onNone: () => Effect.succeedNone,
    onSome: (given) =>
      /^\d{1,6}$/.test(given) && Number(given) >= 1 && Number(given) <= max
        ? Effect.succeedSome(Number(given))
        : refuse(`${flag} must be a whole number from 1 to ${max}, for example ${flag} ${example}`)
  })

const run = (flags: DemoFlags) =>
  Effect.gen(function*() {
    const askedPort = yield* wholeNumber("--port", flags.port, 65535, "8080")
    const tokenCount = yield* wholeNumber("--tokens", flags.tokens, 1000, "8")
    const child = Option.map(flags.child, splitWords)
    if (Option.exists(child, (words) => Either.isLeft(words) || words.right.length === 0)) {
      return yield* refuse("--child needs a command, in quotes where it has spaces, for example --child \"node server.js\"")
    }
    const env: Record<string, string | undefined> = { ...process.env }
    for (const name of madeByTheDemo) {
      if (env[name] !== undefined) yield* complain(`${programName}: ${name} is ignored, the demo makes it itself\n`)
      delete env[name]
    }
    // A credential of a service around us would be a second source of the demo's own secret.
    delete env.CREDENTIALS_DIRECTORY
    const ownPort = Option.isSome(askedPort) ? askedPort.value : flags.once ? yield* freePort : defaultPort
    const configured = Option.isNone(askedPort) ? env.FJMCP_LISTEN : undefined
    // The public URL has to be known before anything listens, so a port 0 is chosen here.
    const listen = configured?.endsWith(":0") === true ? `${configured.slice(0, -1)}${yield* freePort}` : configured ?? `127.0.0.1:${ownPort}`
    const publicUrl = `http://127.0.0.1:${/:(\d+)$/.exec(listen)?.[1] ?? defaultPort}`
    const { clientId, clientSecret, extraUsers, forgejo } = yield* standInForgejo(publicUrl, Option.getOrElse(tokenCount, () => 0))
    const isStandIn = Option.isNone(flags.child) && env.FJMCP_CHILD_COMMAND === undefined

    const read = readSettings({
      flags: new Map(),
      env: {
        ...env,
        FJMCP_PUBLIC_URL: publicUrl,
        FJMCP_FORGEJO_URL: forgejo.url,
        FJMCP_FORGEJO_CLIENT_ID: clientId,
        FJMCP_FORGEJO_CLIENT_SECRET: clientSecret,
        FJMCP_LISTEN: listen,
        ...Option.match(flags.child, { onNone: () => ({}), onSome: (command) => ({ FJMCP_CHILD_COMMAND: command }) })
      },
      readFile: readFileText,
      defaults: new Map([
        ["CHILD_COMMAND", standInChild],
        ...(isStandIn ? [["CHILD_PRESET", "forgejo-mcp"] as const] : []),
        ["DATA_DIR", yield* temporaryFolder],
        ...demoDefaults,
        ...(flags.once ? [["LOG_LEVEL", "warning"] as const] : [])
      ])
    })
    if (Either.isLeft(read)) {
      yield* complain(`${programName}: the settings cannot be used\n${read.left.message}\n`)
      return yield* new CommandFailed({ code: 2 })
    }
    const mcpUrl = `${publicUrl}/mcp`
    return yield* Effect.gen(function*() {
      yield* Layer.build(Layer.provide(BrokerLive, AppConfigLive(read.right))).pipe(Effect.catchAll((error) =>
        // Its own sentence names a flag of serve.
        fail(error._tag === "ListenFailed" ? `Cannot listen on ${error.address}: ${error.problem}. Give another port with --port N.` : error.message)))
      if (flags.once) {
        const say = (line: string) => void process.stdout.write(`${line}\n`)
        yield* Effect.tryPromise({ try: () => journey({ mcpUrl, user: demoUser, repo: demoRepo, otherUser, say }), catch: (error) => error })
          .pipe(Effect.catchAll((error) => fail(`the journey failed: ${error instanceof Error ? error.message : String(error)}`)))
        return yield* print("The journey is complete.\n")
      }
      if (Option.isSome(tokenCount)) {
        const tokens = yield* Effect.forEach(extraUsers, (user) => tokenOf(mcpUrl, user)).pipe(
          Effect.catchAll((error) => fail(`signing in failed: ${String(error.error)}`))
        )
        yield* print(`${JSON.stringify({ mcp: mcpUrl, tokens })}\n`)
      } else yield* print(demoBanner({ mcpUrl, forgejoUrl: forgejo.url, user: demoUser, repo: demoRepo }))
      return yield* Effect.never
    }).pipe(Effect.provide(LoggingLive(read.right.settings)))
  }).pipe(
    Effect.scoped,
    Effect.catchAllDefect((defect) =>
      fail(`the demo broke: ${defect instanceof Error ? defect.stack ?? defect.message : String(defect)}`))
  )

/** `demo`: a stand-in Forgejo, a stand-in MCP server and the broker on loopback, with nothing to configure. */
const demoCommand = Command.make("demo", {
  once: Options.boolean("once").pipe(Options.withDescription("Runs a whole client journey, prints its steps, and ends.")),
  port: Options.text("port").pipe(Options.optional, Options.withDescription(`The broker's port on 127.0.0.1; ${defaultPort} unless told.`)),
  child: Options.text("child").pipe(Options.optional, Options.withDescription("Any stdio MCP server in place of the stand-in, with its arguments.")),
  tokens: Options.text("tokens").pipe(Options.optional, Options.withDescription("Signs in so many users, and prints their tokens as one line of JSON."))
}, run).pipe(Command.withDescription("Everything on one machine, with nothing to configure. All FJMCP_ settings but the four required ones apply."))

/** `words`: what follows the command's name. */
export const runDemo = (words: ReadonlyArray<string>) =>
  Command.run(demoCommand, { name: programName, version })([...process.argv.slice(0, 2), ...words]).pipe(Effect.provide(NodeContext.layer))
