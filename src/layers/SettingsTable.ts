import { type Duration, Either, LogLevel, Redacted } from "effect"
import { defaultScopes, parseScopes } from "../domain/ForgejoScopes.ts"
import {
  duration, hostPort, oneOf, oneWord, origin, type Parsed, privateScheme, secureOrigin, several, shown, size, webUrl, wholeNumber, wrong
} from "../domain/Formats.ts"
import { splitWords } from "../domain/ShellWords.ts"
import type { ChildPreset, Settings } from "../services/AppConfig.ts"

/** What holds where a setting is not given. `derived`: read off something else; `AppConfigLive.ts` does that. */
export type Fallback = { readonly text: string } | { readonly derived: string } | "required"

/** One setting as a person sees it, and how its text becomes a value. */
export interface Setting<A> {
  /** Without `FJMCP_`. The flag is the same in kebab case. */
  readonly name: string
  /** Stands for the value in the help. */
  readonly metavar: string
  readonly fallback: Fallback
  /** Sentences, without the default. */
  readonly description: string
  /** What may stand there, in words for the reference. */
  readonly allowed: string
  readonly parse: (text: string) => Parsed<A>
  /** Something right, for the messages that come without the parser's own example. */
  readonly example: string
  /** Never on a command line, never in a message; `SettingsSources.ts` has its sources. */
  readonly secret?: true
}

/** The fields of `Settings` that a person sets. */
export type SettingKey = Exclude<keyof Settings, "sealingKeyIsCredential">

const required = "required"
const text = (value: string) => ({ text: value })

/** A number of something; 0 would mean that the broker cannot work. */
const count = (name: string, value: number, max: number, description: string, min = 1): Setting<number> => ({
  name, metavar: "COUNT", fallback: text(`${value}`), description, example: `${value}`, allowed: `${min} to ${max}`,
  parse: wholeNumber(`${value}`, { min, max })
})

const time = (name: string, value: string, description: string, zero: "zero" | "positive" = "positive"): Setting<Duration.Duration> => ({
  name, metavar: "DURATION", fallback: text(value), description, example: value,
  allowed: `${zero === "zero" ? "0s" : "1ms"} to 24d`, parse: duration(value, zero)
})

const bytes = (name: string, value: string, description: string): Setting<number> => ({
  name, metavar: "SIZE", fallback: text(value), description, example: value, allowed: "1KiB to 256MiB",
  parse: size(value, { min: 1024, max: 256 * 1024 * 1024 })
})

const choice = <A>(name: string, words: Readonly<Record<string, A>>, value: string, description: string): Setting<A> => ({
  name, metavar: Object.keys(words).join("|"), fallback: text(value), description, example: value,
  allowed: Object.keys(words).join(", "), parse: oneOf(words, value)
})

const path = (example: string) => (value: string): Parsed<string> =>
  value.startsWith("~")
    ? wrong(`begins with "~", which only a shell replaces: ${shown(value)}. Write the whole path`, example)
    : value.includes("\0") ? wrong("is not a path", example) : Either.right(value)

const childCommandExample = "forgejo-mcp --transport stdio"

const childCommand = (line: string): Parsed<Settings["childCommand"]> =>
  Either.match(splitWords(line), {
    onLeft: (problem) => wrong(problem, childCommandExample),
    onRight: ([program, ...args]) =>
      program === undefined || program === "" ? wrong("names no program", childCommandExample) : Either.right([program, ...args])
  })

/** What the child is given anyway, and what would change how it is started. */
const takenVariables = /^(PATH|HOME|FORGEJO_URL|GITEA_HOST|FORGEJO_USER_AGENT|NODE_OPTIONS|LD_.*)$/

const tokenVariable = (name: string): Parsed<string> =>
  !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)
    ? wrong(`is not the name of an environment variable: ${shown(name)}`, "FORGEJO_ACCESS_TOKEN")
    : takenVariables.test(name)
    ? wrong(`must not be ${name}, which has another meaning for the child`, "FORGEJO_ACCESS_TOKEN")
    : Either.right(name)

const secret = (value: string): Parsed<Redacted.Redacted> =>
  /^[\x21-\x7e]+$/.test(value)
    ? Either.right(Redacted.make(value))
    : wrong(
      "holds a space, a line end in its middle, or a character that is not ASCII",
      "the secret that Forgejo showed when the application was made"
    )

/**
 * Every setting, once. It drives the reading of the settings, `serve --help` and the generated reference, in this order.
 * How to add one: a field in `Settings`, an entry here, a test in test/layers/AppConfigLive.test.ts.
 */
export const settingsTable: { readonly [Key in SettingKey]: Setting<Settings[Key]> } = {
  publicUrl: {
    name: "PUBLIC_URL", metavar: "URL", fallback: required, example: "https://mcp.example.org",
    parse: secureOrigin("https://mcp.example.org"),
    allowed: "an origin: https, or http on a loopback host",
    description: "The origin at which clients reach the broker: scheme, host and port, no path. https, unless it is loopback. " +
      "It is the OAuth issuer."
  },
  forgejoUrl: {
    name: "FORGEJO_URL", metavar: "URL", fallback: required, example: "https://forgejo.example.org",
    parse: webUrl("https://forgejo.example.org"),
    allowed: "an http or https URL without user name, query and fragment",
    description: "Where browsers reach Forgejo. May have a path."
  },
  forgejoInternalUrl: {
    name: "FORGEJO_INTERNAL_URL", metavar: "URL", fallback: { derived: "FORGEJO_URL" }, example: "http://127.0.0.1:3000",
    parse: webUrl("http://127.0.0.1:3000"),
    allowed: "an http or https URL without user name, query and fragment",
    description: "Where the broker and its children reach Forgejo, if not at FORGEJO_URL."
  },
  forgejoClientId: {
    name: "FORGEJO_CLIENT_ID", metavar: "ID", fallback: required, example: "6f1c1c2e-8a1b-4c52-9d3e-0a4f6f6c7d11",
    parse: oneWord("a client id", "6f1c1c2e-8a1b-4c52-9d3e-0a4f6f6c7d11"),
    allowed: "one word",
    description: "The client id of the OAuth application that was made for the broker in Forgejo."
  },
  forgejoClientSecret: {
    name: "FORGEJO_CLIENT_SECRET", metavar: "FILE", fallback: required, secret: true, parse: secret,
    example: "FJMCP_FORGEJO_CLIENT_SECRET_FILE=/etc/fjmcp-broker/client-secret",
    allowed: "one word; see Secrets",
    description: "The secret of that OAuth application."
  },
  forgejoScopes: {
    name: "FORGEJO_SCOPES", metavar: "WORDS", fallback: text(defaultScopes), example: defaultScopes, parse: parseScopes,
    allowed: "scopes that Forgejo knows, one of them of the API",
    description: "What the broker asks Forgejo for, space-separated. At least one API scope (read:... or write:...)."
  },
  scopeMismatch: choice("SCOPE_MISMATCH", { refuse: "refuse", warn: "warn" }, "refuse",
    "What to do when Forgejo granted more than FORGEJO_SCOPES: refuse the sign-in, or log it and go on."),
  listen: {
    name: "LISTEN", metavar: "ADDRESS:PORT", fallback: text("127.0.0.1:8080"), example: "127.0.0.1:8080", parse: hostPort("127.0.0.1:8080"),
    allowed: "an address or host name and a port; an IPv6 address in brackets; port 0: any free one",
    description: "Where the broker accepts connections."
  },
  dataDir: {
    name: "DATA_DIR", metavar: "DIRECTORY",
    fallback: { derived: "$STATE_DIRECTORY, else $XDG_DATA_HOME/fjmcp-broker, else ~/.local/share/fjmcp-broker" },
    example: "/var/lib/fjmcp-broker", parse: path("/var/lib/fjmcp-broker"),
    allowed: "a path",
    description: "The directory of the store."
  },
  sealingKeyFile: {
    name: "SEALING_KEY_FILE", metavar: "FILE", fallback: { derived: "the systemd credential sealing-key, else sealing.key in DATA_DIR" },
    example: "/etc/fjmcp-broker/sealing.key", parse: path("/etc/fjmcp-broker/sealing.key"),
    allowed: "a path",
    description: "The key that seals Forgejo's tokens in the store. Made at the first start; keep a backup."
  },
  childCommand: {
    name: "CHILD_COMMAND", metavar: "COMMAND", fallback: text(childCommandExample), example: childCommandExample, parse: childCommand,
    allowed: "a program, by name or path, and its arguments",
    description: "The MCP server to start for each session, split into words as a shell would; no shell runs."
  },
  childPreset: {
    ...choice<ChildPreset>("CHILD_PRESET", { "forgejo-mcp": "forgejo-mcp", "gitea-mcp": "gitea-mcp", custom: "custom" }, "forgejo-mcp",
      "How the child is to be treated."),
    fallback: { derived: "by the name of the program in CHILD_COMMAND" }
  },
  childTokenVariable: {
    name: "CHILD_TOKEN_VARIABLE", metavar: "NAME", fallback: { derived: "FORGEJO_ACCESS_TOKEN; with gitea-mcp GITEA_ACCESS_TOKEN" },
    example: "FORGEJO_ACCESS_TOKEN", parse: tokenVariable,
    allowed: "the name of a variable that means nothing else to the child",
    description: "The environment variable in which the child expects its token."
  },
  childStateful: {
    ...choice("CHILD_STATEFUL", { true: true, false: false }, "false",
      "Whether a child keeps something between calls that a new one would not have. Such a child is never replaced: its session ends " +
      "where others are parked and revived."),
    fallback: { derived: "by CHILD_PRESET: true with custom, else false" }
  },
  childInteractive: {
    ...choice("CHILD_INTERACTIVE", { true: true, false: false }, "false",
      "Whether a child may ask its client something in the middle of a call. Then clients of 2026-07-28 get a child of their own for each " +
      "call; clients of older revisions can be asked anyway."),
    fallback: { derived: "by CHILD_PRESET: true with custom, else false" }
  },
  sandbox: choice("SANDBOX", { basic: "basic", none: "none" }, "basic",
    "How children are confined. basic: no new privileges, a limit on open files, killed when the broker dies."),
  maxSessions: count("MAX_SESSIONS", 256, 100_000, "Sessions with a child process at one time."),
  maxSessionsPerUser: count("MAX_SESSIONS_PER_USER", 32, 100_000, "Sessions with a child process of one user at one time. Beyond it the least recently used idle one is parked. " +
    "Not more than MAX_SESSIONS; the default gives way."),
  maxCallsPerSession: count("MAX_CALLS_PER_SESSION", 32, 10_000, "Calls of one session that may be under way at one time."),
  maxStarts: count("MAX_STARTS", 8, 1000, "Children that may be starting at one time."),
  maxStartsPerMinute: count("MAX_STARTS_PER_MINUTE", 30, 100_000, "Children of one user that may be started within a minute."),
  maxParked: count("MAX_PARKED", 64, 100_000, "Parked sessions of one grant; beyond it the least recently used one ends."),
  startTimeout: time("START_TIMEOUT", "30s", "How long a child may take until it has answered initialize."),
  sessionIdle: time("SESSION_IDLE", "15m", "A session without any request is parked after this: its child stops, and its next request starts another."),
  streamIdle: time("STREAM_IDLE", "4h", "How long an open GET stream alone keeps a child that is stateful."),
  sessionKeep: time("SESSION_KEEP", "7d", "A parked session without any request ends after this."),
  callTimeout: time("CALL_TIMEOUT", "5m", "How long a call may take without a sign of progress."),
  callTimeoutMax: time("CALL_TIMEOUT_MAX", "30m", "How long a call may take at all, with progress. Not less than CALL_TIMEOUT; the default gives way."),
  drainGrace: time("DRAIN_GRACE", "20s", "How long calls may go on after the broker was told to stop.", "zero"),
  headersTimeout: time("HEADERS_TIMEOUT", "10s", "How long a client may take to send the headers of a request."),
  bodyTimeout: time("BODY_TIMEOUT", "30s", "How long a client may take to send the body of a request."),
  maxBody: bytes("MAX_BODY", "4MiB", "The longest request body; longer ones are answered 413."),
  maxLine: bytes("MAX_LINE", "16MiB", "The longest message of a child; a longer one is dropped."),
  maxJsonDepth: count("MAX_JSON_DEPTH", 64, 1000, "How deeply objects and lists in a request may be nested.", 8),
  unknownSessionStatus: choice("UNKNOWN_SESSION_STATUS", { 410: 410, 404: 404 }, "410",
    "The answer to a session id that the broker does not know. Clients that never start anew on 410 want 404."),
  sessionless: choice("SESSIONLESS", { attach: "attach", reject: "reject" }, "attach",
    "A request without a session id: attach it to a session of its grant, or reject it with 400."),
  allowedOrigins: {
    name: "ALLOWED_ORIGINS", metavar: "ORIGINS", fallback: text(""), example: "https://inspector.example.org",
    parse: several(origin("https://inspector.example.org")),
    allowed: "origins",
    description: "Web sites besides the broker's own origin whose scripts may call it, separated by spaces or commas."
  },
  redirectSchemes: {
    name: "REDIRECT_SCHEMES", metavar: "SCHEMES", fallback: text(""), example: "com.example.app",
    parse: several(privateScheme("com.example.app")),
    allowed: "URI schemes, none of the web's own",
    description: "Private-use URI schemes of installed applications that may be in redirect URIs, separated by spaces."
  },
  refreshGrace: time("REFRESH_GRACE", "5m",
    "How long a spent refresh token still gives the same successor: for clients that lost the answer.", "zero"),
  logLevel: choice("LOG_LEVEL", {
    trace: LogLevel.Trace, debug: LogLevel.Debug, info: LogLevel.Info, warning: LogLevel.Warning, error: LogLevel.Error,
    fatal: LogLevel.Fatal, none: LogLevel.None
  }, "info", "What is logged: this level and everything graver."),
  logFormat: choice("LOG_FORMAT", { json: "json", pretty: "pretty" }, "json",
    "How the log on stderr looks: one JSON object a line, or lines for people.")
}

export const settingKeys = Object.keys(settingsTable) as ReadonlyArray<SettingKey>

export const variableOf = (setting: { readonly name: string }): string => `FJMCP_${setting.name}`

/** Without the two dashes. A secret is given by file only: arguments can be read by everybody on the machine. */
export const flagOf = (setting: { readonly name: string; readonly secret?: true }): string =>
  `${setting.name.toLowerCase().replaceAll("_", "-")}${setting.secret === true ? "-file" : ""}`
