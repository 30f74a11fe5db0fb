import { defaultOf } from "../../src/cli/Help.ts"
import { demoDefaults, madeByTheDemo } from "../../src/cli/DemoSettings.ts"
import { flagOf, type Setting, type SettingKey, settingsTable, variableOf } from "../../src/layers/SettingsTable.ts"

/** In the order of the table; a setting that is in no group, or in two, fails the test beside this file. */
export const groups: ReadonlyArray<readonly [title: string, keys: ReadonlyArray<SettingKey>]> = [
  ["Required", ["publicUrl", "forgejoUrl", "forgejoClientId", "forgejoClientSecret"]],
  ["Forgejo", ["forgejoInternalUrl", "forgejoScopes", "scopeMismatch"]],
  ["The broker itself", ["listen", "dataDir", "sealingKeyFile", "logLevel", "logFormat"]],
  ["The MCP server that is started", ["childCommand", "childPreset", "childTokenVariable", "childStateful", "childInteractive", "sandbox"]],
  ["How many", ["maxSessions", "maxSessionsPerUser", "maxCallsPerSession", "maxStarts", "maxStartsPerMinute", "maxParked"]],
  ["How long", [
    "startTimeout", "sessionIdle", "streamIdle", "sessionKeep", "callTimeout", "callTimeoutMax", "drainGrace", "headersTimeout",
    "bodyTimeout", "refreshGrace"
  ]],
  ["How large", ["maxBody", "maxLine", "maxJsonDepth"]],
  ["Clients", ["unknownSessionStatus", "sessionless", "allowedOrigins", "redirectSchemes"]]
]

/** For a cell of a table. */
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ")
const code = (text: string): string => `\`${text}\``

/** An example as it stands in an environment file, quoted where a shell would split it. */
const assignment = (setting: Setting<unknown>): string =>
  setting.secret === true
    ? setting.example
    : `${variableOf(setting)}=${/[\s()<>|&;$]/.test(setting.example) ? `"${setting.example}"` : setting.example}`

const reference = (setting: Setting<unknown>): string => {
  const flag = `--${flagOf(setting)} ${setting.metavar}`
  const variables = setting.secret === true ? [variableOf(setting), `${variableOf(setting)}_FILE`] : [variableOf(setting)]
  const [, fallback = "required"] = /^default: ([^]*)$/.exec(defaultOf(setting)) ?? []
  const isLiteral = typeof setting.fallback === "object" && "text" in setting.fallback && setting.fallback.text !== ""
  return `### ${variables.map(code).join(", ")}

${setting.description}

| flag | default | allowed | example |
|---|---|---|---|
| ${cell(code(flag))} | ${cell(isLiteral ? code(fallback) : fallback)} | ${cell(setting.allowed)} | ${cell(code(assignment(setting)))} |
`
}

const secretOf = (key: SettingKey): string => {
  const setting: Setting<unknown> = settingsTable[key]
  const name = variableOf(setting)
  return `| ${code(name)} in the environment | the secret itself. Other programs of the same user can read it there: prefer a file |
| ${code(`${name}_FILE`)} | the path of a file that holds it |
| ${code(`--${flagOf(setting)}`)} | the same as a flag. There is no flag for the secret itself, since everybody on the machine can read arguments |
| systemd credential ${code(flagOf(setting).replace(/-file$/, ""))} | ${code(`LoadCredential=${flagOf(setting).replace(/-file$/, "")}:/path`)} in the unit; found by ${code("CREDENTIALS_DIRECTORY")} |`
}

/** What docs/configuration.md must be. */
export const configurationText = `<!-- Made by \`node scripts/configuration.mjs\` from src/layers/SettingsTable.ts. Do not edit. -->

# Configuration

Every setting of \`fjmcp-broker serve\`. Four are required; all others have a default that is meant to be kept until there is a reason. \`fjmcp-broker serve --help\` prints the same settings in the terminal.

## How a setting is given

| source | wins over |
|---|---|
| a flag: \`--session-idle 30m\` or \`--session-idle=30m\` | everything below |
| an environment variable: \`FJMCP_SESSION_IDLE=30m\` | the default |
| the default | |

- A variable that is empty counts as not set. A flag must have a value, and may be given once.
- Spaces around a value are cut. Words from a list (\`info\`, \`refuse\`) may be in upper case.
- All mistakes are reported at once, each with the setting's name and an example, and nothing is started.
- A variable that begins with \`FJMCP_\` and is no setting is ignored, with a warning in the log that names the nearest one. A wrong flag is an error.
- Settings are read once, at the start.

| value | is written |
|---|---|
| duration | a whole number and \`ms\`, \`s\`, \`m\`, \`h\` or \`d\`, without a space: \`500ms\`, \`15m\`, \`7d\`. At most \`24d\` |
| size | a whole number of bytes, or one with \`KiB\`, \`MiB\` or \`GiB\`, without a space: \`1048576\`, \`4MiB\` |
| list | words with spaces or commas between them |
| yes or no | \`true\` or \`false\` |
| path | absolute, or relative to the working directory. \`~\` is not replaced |

## Secrets

There is one secret, the client secret of the OAuth application in Forgejo. It comes from exactly one of these; two are an error, because one of them would be out of date and nobody could tell which:

| source | what |
|---|---|
${secretOf("forgejoClientSecret")}

One final line end is cut. The secret is in no message and no log line.

The **sealing key** is made by the broker, 32 random bytes as base64url, in \`sealing.key\` of the data directory with mode 0600. A key file that others can read is refused. Where the systemd credential \`sealing-key\` is there, it is the key, and the broker never makes one: make it with \`openssl rand -base64 32\`. [storage.md](storage.md) says what it protects and how to back it up.

## Exit codes

| code | means |
|---|---|
| 0 | ended as asked: by SIGTERM, by SIGINT, or a command that was done |
| 1 | could not start or broke: the port is taken, the data directory is locked or cannot be used, the key is missing; one sentence on stderr says what. Of \`demo --once\` also: the journey failed |
| 2 | settings or flags are wrong; all of them are on stderr |

On SIGTERM or SIGINT calls may go on for \`FJMCP_DRAIN_GRACE\`, then children are stopped: their input is closed, then TERM, then KILL. Give the service manager more time than that before it kills.
${groups.map(([title, keys]) => `
## ${title}

${keys.map((key) => reference(settingsTable[key])).join("\n")}`).join("")}
## Other variables

| variable | what it does |
|---|---|
| \`STATE_DIRECTORY\`, \`XDG_DATA_HOME\`, \`HOME\` | where the data directory is, if \`FJMCP_DATA_DIR\` does not say so |
| \`CREDENTIALS_DIRECTORY\` | where systemd puts credentials |
| \`PATH\` | where the child's program, \`setpriv\` and \`prlimit\` are looked for; children get it too |
| \`HTTP_PROXY\`, \`HTTPS_PROXY\`, \`NO_PROXY\` (also in lower case), \`SSL_CERT_FILE\`, \`SSL_CERT_DIR\`, \`NODE_EXTRA_CA_CERTS\` | passed on to children. The broker itself uses no proxy; of these it heeds \`NODE_EXTRA_CA_CERTS\`, because Node does |
| \`NO_COLOR\` | no colours in \`FJMCP_LOG_FORMAT=pretty\` |

Nothing else of the broker's environment reaches a child.

## The demo

\`fjmcp-broker demo\` (\`npm run demo\`) takes all settings from the environment but these, which it makes itself and ignores with a message: ${madeByTheDemo.map(code).join(", ")}. Where nothing else is said:

| setting | in the demo |
|---|---|
| ${code("FJMCP_CHILD_COMMAND")} | the stand-in for forgejo-mcp; ${code("--child")} names another |
| ${code("FJMCP_DATA_DIR")} | a temporary folder, which is removed at the end |
${demoDefaults.map(([name, value]) => `| ${code(`FJMCP_${name}`)} | ${code(value)} |`).join("\n")}
| ${code("FJMCP_LOG_LEVEL")} | ${code("warning")} with ${code("--once")} |

Its flags are ${["--port", "--once", "--child", "--tokens"].map(code).join(", ")}; ${code("fjmcp-broker demo --help")} explains them. Those of ${code("serve")} are not known to it.
`
