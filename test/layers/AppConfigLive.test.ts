import { assert, describe, it } from "@effect/vitest"
import { Duration, Either, LogLevel, Redacted } from "effect"
import { readSettings } from "../../src/layers/AppConfigLive.ts"
import type { FileText } from "../../src/layers/SettingsSources.ts"
import { flagOf, settingKeys, settingsTable, variableOf } from "../../src/layers/SettingsTable.ts"

const secret = "gto_q7x4kz0f3m5w"
const minimal = {
  HOME: "/home/somebody",
  FJMCP_PUBLIC_URL: "https://mcp.example.org",
  FJMCP_FORGEJO_URL: "https://forgejo.example.org",
  FJMCP_FORGEJO_CLIENT_ID: "an-id",
  FJMCP_FORGEJO_CLIENT_SECRET: secret
}

type Env = Readonly<Record<string, string | undefined>>
const read = (env: Env, flags: Readonly<Record<string, string>> = {}, files: Readonly<Record<string, string>> = {}, defaults: Readonly<Record<string, string>> = {}) =>
  readSettings({
    env,
    flags: new Map(Object.entries(flags)),
    defaults: new Map(Object.entries(defaults)),
    readFile: (path): FileText => {
      const text = files[path]
      if (text === "unreadable") return { _tag: "unreadable", reason: "this user may not read" }
      return text === undefined ? { _tag: "missing" } : { _tag: "text", text }
    }
  })

const settings = (env: Env = {}, ...rest: [Record<string, string>?, Record<string, string>?, Record<string, string>?]) =>
  Either.getOrThrow(read({ ...minimal, ...env }, ...rest)).settings
const warnings = (env: Env) => Either.getOrThrow(read({ ...minimal, ...env })).warnings
/** The lines that a person gets. */
const lines = (env: Env, ...rest: [Record<string, string>?, Record<string, string>?, Record<string, string>?]) =>
  Either.match(read({ ...minimal, ...env }, ...rest), { onLeft: (error) => error.message.split("\n"), onRight: () => ["accepted"] })

/** One line for each setting: a bad value, and exactly what the person is told. */
const sentences: ReadonlyArray<readonly [string, string, string]> = [
  ["PUBLIC_URL", "http://mcp.example.org", "FJMCP_PUBLIC_URL (--public-url): must begin with https://: tokens travel over it. Only localhost and 127.0.0.1 may do with http://. Example: https://mcp.example.org"],
  ["FORGEJO_URL", "forgejo.example.org", "FJMCP_FORGEJO_URL (--forgejo-url): must begin with https:// or http://, but is \"forgejo.example.org\". Example: https://forgejo.example.org"],
  ["FORGEJO_INTERNAL_URL", "http://forgejo:x:3000", "FJMCP_FORGEJO_INTERNAL_URL (--forgejo-internal-url): is not a valid URL: \"http://forgejo:x:3000\". Example: http://127.0.0.1:3000"],
  ["FORGEJO_CLIENT_ID", "two words", "FJMCP_FORGEJO_CLIENT_ID (--forgejo-client-id): is not a client id: it must be one word of printable ASCII. Example: 6f1c1c2e-8a1b-4c52-9d3e-0a4f6f6c7d11"],
  ["FORGEJO_CLIENT_SECRET", `${secret} ${secret}`, "FJMCP_FORGEJO_CLIENT_SECRET or its _FILE (--forgejo-client-secret-file): holds a space, a line end in its middle, or a character that is not ASCII. Example: the secret that Forgejo showed when the application was made"],
  ["FORGEJO_SCOPES", "openid write:isue", "FJMCP_FORGEJO_SCOPES (--forgejo-scopes): has the unknown word \"write:isue\"; did you mean \"write:issue\"? Example: openid profile read:user write:repository write:issue"],
  ["SCOPE_MISMATCH", "ignore", "FJMCP_SCOPE_MISMATCH (--scope-mismatch): must be refuse or warn, not \"ignore\". Example: refuse"],
  ["LISTEN", ":8080", "FJMCP_LISTEN (--listen): names a port but no address: \":8080\". For all addresses of the machine write 0.0.0.0:8080. Example: 127.0.0.1:8080"],
  ["DATA_DIR", "~/data", "FJMCP_DATA_DIR (--data-dir): begins with \"~\", which only a shell replaces: \"~/data\". Write the whole path. Example: /var/lib/fjmcp-broker"],
  ["SEALING_KEY_FILE", "~/key", "FJMCP_SEALING_KEY_FILE (--sealing-key-file): begins with \"~\", which only a shell replaces: \"~/key\". Write the whole path. Example: /etc/fjmcp-broker/sealing.key"],
  ["CHILD_COMMAND", "forgejo-mcp '--transport", "FJMCP_CHILD_COMMAND (--child-command): has a single quote (') without its partner. Example: forgejo-mcp --transport stdio"],
  ["CHILD_PRESET", "github", "FJMCP_CHILD_PRESET (--child-preset): must be forgejo-mcp, gitea-mcp or custom, not \"github\". Example: forgejo-mcp"],
  ["CHILD_TOKEN_VARIABLE", "LD_PRELOAD", "FJMCP_CHILD_TOKEN_VARIABLE (--child-token-variable): must not be LD_PRELOAD, which has another meaning for the child. Example: FORGEJO_ACCESS_TOKEN"],
  ["CHILD_STATEFUL", "yes", "FJMCP_CHILD_STATEFUL (--child-stateful): must be true or false, not \"yes\". Example: false"],
  ["CHILD_INTERACTIVE", "sometimes", "FJMCP_CHILD_INTERACTIVE (--child-interactive): must be true or false, not \"sometimes\". Example: false"],
  ["SANDBOX", "auto", "FJMCP_SANDBOX (--sandbox): must be basic or none, not \"auto\". Example: basic"],
  ["MAX_SESSIONS", "0", "FJMCP_MAX_SESSIONS (--max-sessions): must be a whole number from 1 to 100000, not \"0\". Example: 256"],
  ["MAX_SESSIONS_PER_USER", "257", "FJMCP_MAX_SESSIONS_PER_USER (--max-sessions-per-user): is more than MAX_SESSIONS (256). Example: 256"],
  ["MAX_CALLS_PER_SESSION", "many", "FJMCP_MAX_CALLS_PER_SESSION (--max-calls-per-session): must be a whole number from 1 to 10000, not \"many\". Example: 32"],
  ["MAX_STARTS", "1001", "FJMCP_MAX_STARTS (--max-starts): must be a whole number from 1 to 1000, not \"1001\". Example: 8"],
  ["MAX_STARTS_PER_MINUTE", "0", "FJMCP_MAX_STARTS_PER_MINUTE (--max-starts-per-minute): must be a whole number from 1 to 100000, not \"0\". Example: 30"],
  ["MAX_PARKED", "none", "FJMCP_MAX_PARKED (--max-parked): must be a whole number from 1 to 100000, not \"none\". Example: 64"],
  ["START_TIMEOUT", "30", "FJMCP_START_TIMEOUT (--start-timeout): has no unit: \"30\". Write a whole number and ms, s, m, h or d. Example: 30s"],
  ["SESSION_IDLE", "15 minutes", "FJMCP_SESSION_IDLE (--session-idle): is not a duration: \"15 minutes\". Write a whole number and ms, s, m, h or d, without a space. Example: 15m"],
  ["STREAM_IDLE", "0h", "FJMCP_STREAM_IDLE (--stream-idle): must be longer than nothing. Example: 4h"],
  ["SESSION_KEEP", "25d", "FJMCP_SESSION_KEEP (--session-keep): must not be longer than 24d. Example: 7d"],
  ["CALL_TIMEOUT", "0s", "FJMCP_CALL_TIMEOUT (--call-timeout): must be longer than nothing. Example: 5m"],
  ["CALL_TIMEOUT_MAX", "1m", "FJMCP_CALL_TIMEOUT_MAX (--call-timeout-max): is shorter than CALL_TIMEOUT; a call with progress may not have less time than one without. Example: 300s"],
  ["DRAIN_GRACE", "-1s", "FJMCP_DRAIN_GRACE (--drain-grace): is not a duration: \"-1s\". Write a whole number and ms, s, m, h or d, without a space. Example: 20s"],
  ["HEADERS_TIMEOUT", "30d", "FJMCP_HEADERS_TIMEOUT (--headers-timeout): must not be longer than 24d. Example: 10s"],
  ["BODY_TIMEOUT", "PT30S", "FJMCP_BODY_TIMEOUT (--body-timeout): is not a duration: \"PT30S\". Write a whole number and ms, s, m, h or d, without a space. Example: 30s"],
  ["MAX_BODY", "4MB", "FJMCP_MAX_BODY (--max-body): is not a size: \"4MB\". Write a whole number of bytes, or one with KiB, MiB or GiB, without a space. Example: 4MiB"],
  ["MAX_LINE", "1GiB", "FJMCP_MAX_LINE (--max-line): must be from 1KiB to 256MiB, not \"1GiB\". Example: 16MiB"],
  ["MAX_JSON_DEPTH", "1", "FJMCP_MAX_JSON_DEPTH (--max-json-depth): must be a whole number from 8 to 1000, not \"1\". Example: 64"],
  ["UNKNOWN_SESSION_STATUS", "500", "FJMCP_UNKNOWN_SESSION_STATUS (--unknown-session-status): must be 404 or 410, not \"500\". Example: 410"],
  ["SESSIONLESS", "allow", "FJMCP_SESSIONLESS (--sessionless): must be attach or reject, not \"allow\". Example: attach"],
  ["ALLOWED_ORIGINS", "https://a.example *", "FJMCP_ALLOWED_ORIGINS (--allowed-origins): must begin with https:// or http://, but is \"*\". Example: https://inspector.example.org"],
  ["REDIRECT_SCHEMES", "cursor, javascript", "FJMCP_REDIRECT_SCHEMES (--redirect-schemes): must not list \"javascript\": it is not the scheme of one application. Example: com.example.app"],
  ["REFRESH_GRACE", "5", "FJMCP_REFRESH_GRACE (--refresh-grace): has no unit: \"5\". Write a whole number and ms, s, m, h or d. Example: 5m"],
  ["LOG_LEVEL", "loud", "FJMCP_LOG_LEVEL (--log-level): must be trace, debug, info, warning, error, fatal or none, not \"loud\". Example: info"],
  ["LOG_FORMAT", "xml", "FJMCP_LOG_FORMAT (--log-format): must be json or pretty, not \"xml\". Example: json"]
]

describe("a bad value of", () => {
  it.each(sentences)("%s (%j) gives one exact line", (name, value, sentence) => {
    assert.deepStrictEqual(lines({ [`FJMCP_${name}`]: value }), [sentence])
  })

  it("every setting has its line above", () => {
    assert.sameMembers(sentences.map(([name]) => name), settingKeys.map((key) => settingsTable[key].name))
  })
})

describe("readSettings", () => {
  it("has the documented defaults", () => {
    const { forgejoClientSecret, ...rest } = settings()
    assert.strictEqual(Redacted.value(forgejoClientSecret), secret)
    assert.deepStrictEqual(rest, {
      publicUrl: "https://mcp.example.org",
      forgejoUrl: "https://forgejo.example.org",
      forgejoInternalUrl: "https://forgejo.example.org",
      forgejoClientId: "an-id",
      forgejoScopes: "openid profile groups read:user read:organization read:misc write:repository write:issue write:notification",
      scopeMismatch: "refuse",
      listen: { host: "127.0.0.1", port: 8080 },
      dataDir: "/home/somebody/.local/share/fjmcp-broker",
      sealingKeyFile: "/home/somebody/.local/share/fjmcp-broker/sealing.key",
      sealingKeyIsCredential: false,
      childCommand: ["forgejo-mcp", "--transport", "stdio"],
      childPreset: "forgejo-mcp",
      childTokenVariable: "FORGEJO_ACCESS_TOKEN",
      childStateful: false,
      childInteractive: false,
      sandbox: "basic",
      maxSessions: 256,
      maxSessionsPerUser: 32,
      maxCallsPerSession: 32,
      maxStarts: 8,
      maxStartsPerMinute: 30,
      maxParked: 64,
      startTimeout: Duration.seconds(30),
      sessionIdle: Duration.minutes(15),
      streamIdle: Duration.hours(4),
      sessionKeep: Duration.days(7),
      callTimeout: Duration.minutes(5),
      callTimeoutMax: Duration.minutes(30),
      drainGrace: Duration.seconds(20),
      headersTimeout: Duration.seconds(10),
      bodyTimeout: Duration.seconds(30),
      maxBody: 4 * 1024 * 1024,
      maxLine: 16 * 1024 * 1024,
      maxJsonDepth: 64,
      unknownSessionStatus: 410,
      sessionless: "attach",
      allowedOrigins: [],
      redirectSchemes: [],
      refreshGrace: Duration.minutes(5),
      logLevel: LogLevel.Info,
      logFormat: "json"
    })
  })

  it("lets a flag win over a variable, a variable over a given default, and that over the table", () => {
    const defaults = { LOG_FORMAT: "pretty", MAX_SESSIONS: "4096", SESSION_IDLE: "2h" }
    const found = settings({ FJMCP_MAX_SESSIONS: "5", FJMCP_SESSION_IDLE: "1h" }, { "session-idle": "3m" }, {}, defaults)
    assert.deepStrictEqual([found.logFormat, found.maxSessions, Duration.toMinutes(found.sessionIdle)], ["pretty", 5, 3])
  })

  it("does not fall back from a wrong flag to the variable", () => {
    assert.deepStrictEqual(lines({ FJMCP_SESSION_IDLE: "1h" }, { "session-idle": "soon" }), [
      "FJMCP_SESSION_IDLE (--session-idle): is not a duration: \"soon\". Write a whole number and ms, s, m, h or d, without a space. Example: 15m"
    ])
    assert.deepStrictEqual(lines({}, { listen: " " }), ["FJMCP_LISTEN (--listen): is empty. Example: 127.0.0.1:8080"])
  })

  it("takes an empty variable for one that is not set, and cuts blanks around a value", () => {
    assert.deepStrictEqual(settings({ FJMCP_LISTEN: "", FJMCP_FORGEJO_SCOPES: " ", FJMCP_MAX_STARTS: " 3\n" }), { ...settings(), maxStarts: 3 })
  })

  it("reports all problems at once, required ones and warnings too, without the value of a secret", () => {
    const env = { FJMCP_PUBLIC_URL: "", FJMCP_FORGEJO_CLIENT_SECRET: `${secret}\n${secret}`, FJMCP_LOG_LEVEL: "loud", FJMCP_PUBLIK_URL: "https://x" }
    const found = lines(env)
    assert.deepStrictEqual(found.map((line) => line.replace(/: .*/, "")), [
      "FJMCP_PUBLIC_URL (--public-url)",
      "FJMCP_FORGEJO_CLIENT_SECRET or its _FILE (--forgejo-client-secret-file)",
      "FJMCP_LOG_LEVEL (--log-level)",
      "FJMCP_PUBLIK_URL is not a setting of this version and is ignored; did you mean FJMCP_PUBLIC_URL?"
    ])
    assert.strictEqual(found[0], "FJMCP_PUBLIC_URL (--public-url): is required and not set. Example: https://mcp.example.org")
    const error = Either.flip(read({ ...minimal, ...env }))
    assert.notInclude(JSON.stringify(Either.getOrThrow(error)) + String(Either.getOrThrow(error)), secret)
  })

  it("names what is required", () => {
    assert.deepStrictEqual(
      Either.match(read({ HOME: "/root" }), { onLeft: ({ problems }) => problems.map(({ setting }) => setting), onRight: () => [] }),
      ["PUBLIC_URL", "FORGEJO_URL", "FORGEJO_CLIENT_ID", "FORGEJO_CLIENT_SECRET"]
    )
  })

  it("warns of variables that it does not know", () => {
    assert.deepStrictEqual(warnings({ FJMCP_SESION_IDLE: "1h", FJMCP_METRICS_LISTEN: "127.0.0.1:9", OTHER: "1" }), [
      "FJMCP_METRICS_LISTEN is not a setting of this version and is ignored",
      "FJMCP_SESION_IDLE is not a setting of this version and is ignored; did you mean FJMCP_SESSION_IDLE?"
    ])
    assert.deepStrictEqual(warnings({}), [])
  })

  it("lets the default limit per user give way to a lower MAX_SESSIONS", () => {
    assert.strictEqual(settings({ FJMCP_MAX_SESSIONS: "10" }).maxSessionsPerUser, 10)
  })

  it("lets the default CALL_TIMEOUT_MAX give way to a longer CALL_TIMEOUT", () => {
    assert.strictEqual(Duration.toMinutes(settings({ FJMCP_CALL_TIMEOUT: "1h" }).callTimeoutMax), 60)
  })

  it.each([
    ["/opt/bin/forgejo-mcp --transport stdio", "forgejo-mcp", "FORGEJO_ACCESS_TOKEN", false, false],
    ["gitea-mcp -t stdio", "gitea-mcp", "GITEA_ACCESS_TOKEN", false, false],
    ["node child.js", "custom", "FORGEJO_ACCESS_TOKEN", true, true]
  ])("knows the preset of %j by the program's name, and what goes with it", (command, ...derived) => {
    const of = (env: Env) =>
      (["childPreset", "childTokenVariable", "childStateful", "childInteractive"] as const).map((key) => settings({ FJMCP_CHILD_COMMAND: command, ...env })[key])
    assert.deepStrictEqual(of({}), derived)
    assert.deepStrictEqual(of({ FJMCP_CHILD_PRESET: "gitea-mcp", FJMCP_CHILD_TOKEN_VARIABLE: "TOKEN" }), ["gitea-mcp", "TOKEN", false, false])
    assert.deepStrictEqual(of({ FJMCP_CHILD_PRESET: "custom", FJMCP_CHILD_STATEFUL: "false", FJMCP_CHILD_INTERACTIVE: "false" }), ["custom", "FORGEJO_ACCESS_TOKEN", false, false])
    assert.deepStrictEqual(of({ FJMCP_CHILD_PRESET: "forgejo-mcp", FJMCP_CHILD_STATEFUL: "true" }), ["forgejo-mcp", "FORGEJO_ACCESS_TOKEN", true, false])
  })
})

describe("DATA_DIR", () => {
  it.each<[Env, string]>([
    [{ STATE_DIRECTORY: "/var/lib/a:/var/lib/b", XDG_DATA_HOME: "/xdg" }, "/var/lib/a"],
    [{ XDG_DATA_HOME: "/xdg" }, "/xdg/fjmcp-broker"],
    [{ XDG_DATA_HOME: "relative" }, "/home/somebody/.local/share/fjmcp-broker"],
    [{ FJMCP_DATA_DIR: "/data/", STATE_DIRECTORY: "/var/lib/a" }, "/data"],
    [{ FJMCP_DATA_DIR: "data" }, `${process.cwd()}/data`]
  ])("with %j is %s", (env, dataDir) => {
    const found = settings(env)
    assert.deepStrictEqual([found.dataDir, found.sealingKeyFile], [dataDir, `${dataDir}/sealing.key`])
  })

  it("must be given where there is no home", () => {
    assert.deepStrictEqual(lines({ HOME: undefined }), [
      "FJMCP_DATA_DIR (--data-dir): has no default, because neither STATE_DIRECTORY nor HOME is set. Example: /var/lib/fjmcp-broker"
    ])
  })
})

describe("a secret", () => {
  const without = { ...minimal, FJMCP_FORGEJO_CLIENT_SECRET: undefined }
  const files = { "/f": `${secret}\n`, "/credentials/forgejo-client-secret": `${secret}\r\n`, "/empty": "\n", "/closed": "unreadable" }
  const sources: ReadonlyArray<readonly [string, Env, Readonly<Record<string, string>>]> = [
    ["FJMCP_FORGEJO_CLIENT_SECRET", { FJMCP_FORGEJO_CLIENT_SECRET: `${secret}\n` }, {}],
    ["FJMCP_FORGEJO_CLIENT_SECRET_FILE", { FJMCP_FORGEJO_CLIENT_SECRET_FILE: "/f" }, {}],
    ["--forgejo-client-secret-file", {}, { "forgejo-client-secret-file": "/f" }],
    ["the credential /credentials/forgejo-client-secret", { CREDENTIALS_DIRECTORY: "/credentials" }, {}]
  ]

  it.each(sources)("comes from %s, without its final newline, and prints as redacted", (_, env, flags) => {
    const found = settings({ ...without, ...env }, flags, files)
    assert.strictEqual(Redacted.value(found.forgejoClientSecret), secret)
    assert.notInclude(JSON.stringify(found), secret)
  })

  it("from two sources at once is a problem that names both", () => {
    for (const [one, env, flags] of sources) {
      for (const [two, otherEnv, otherFlags] of sources) {
        if (one === two) continue
        const [line = ""] = lines({ ...without, ...env, ...otherEnv }, { ...flags, ...otherFlags }, files)
        assert.match(line, /has more than one source: .+, .+\. Keep one\./)
        assert.include(line, one)
        assert.include(line, two)
        assert.notInclude(line, secret)
      }
    }
  })

  it.each([
    ["/nowhere", "names the file /nowhere, which does not exist"],
    ["/closed", "names the file /closed, which this user may not read"],
    ["/empty", "is empty (FJMCP_FORGEJO_CLIENT_SECRET_FILE)"]
  ])("in the file %s is a problem", (path, problem) => {
    assert.deepStrictEqual(lines({ ...without, FJMCP_FORGEJO_CLIENT_SECRET_FILE: path }, {}, files), [
      `FJMCP_FORGEJO_CLIENT_SECRET or its _FILE (--forgejo-client-secret-file): ${problem}. Example: FJMCP_FORGEJO_CLIENT_SECRET_FILE=/etc/fjmcp-broker/client-secret`
    ])
  })

  it("that is no credential of a credentials directory is looked for elsewhere", () => {
    assert.strictEqual(Redacted.value(settings({ CREDENTIALS_DIRECTORY: "/other" }).forgejoClientSecret), secret)
  })
})

describe("the sealing key", () => {
  const credential = { "/credentials/sealing-key": "key" }

  it("is a systemd credential where there is one", () => {
    const found = settings({ CREDENTIALS_DIRECTORY: "/credentials" }, {}, credential)
    assert.deepStrictEqual([found.sealingKeyFile, found.sealingKeyIsCredential], ["/credentials/sealing-key", true])
  })

  it("is a file by variable or flag otherwise", () => {
    const found = settings({ FJMCP_SEALING_KEY_FILE: "/a" }, { "sealing-key-file": "/b" })
    assert.deepStrictEqual([found.sealingKeyFile, found.sealingKeyIsCredential], ["/b", false])
  })

  it("from both is a problem", () => {
    assert.deepStrictEqual(lines({ CREDENTIALS_DIRECTORY: "/credentials", FJMCP_SEALING_KEY_FILE: "/a" }, {}, credential), [
      "FJMCP_SEALING_KEY_FILE (--sealing-key-file): has more than one source: it is set, and there is the credential /credentials/sealing-key. Keep one. Example: /etc/fjmcp-broker/sealing.key"
    ])
  })
})

describe("settingsTable", () => {
  it("has defaults and examples that its own parsers accept, and no name twice", () => {
    const names = settingKeys.map((key) => settingsTable[key])
    assert.strictEqual(new Set(names.map(variableOf)).size, names.length)
    assert.strictEqual(new Set(names.map(flagOf)).size, names.length)
    for (const setting of names) {
      if (typeof setting.fallback === "object" && "text" in setting.fallback) assert.strictEqual(setting.parse(setting.fallback.text)._tag, "Right", setting.name)
      if (setting.secret !== true) assert.strictEqual(setting.parse(setting.example)._tag, "Right", setting.name)
    }
  })
})
