import { revision, version } from "../domain/Build.ts"
import { flagOf, type Setting, settingKeys, settingsTable, variableOf } from "../layers/SettingsTable.ts"

export const programName = "fjmcp-broker"

/** What there is, with a line for each. */
export const commands: Readonly<Record<string, string>> = {
  serve: "Runs the broker.",
  demo: "Runs the broker with a stand-in Forgejo and MCP server, nothing to configure."
}

export const versionText = `${programName} ${version} (${revision})\n`

const wrapped = (text: string, indent: string, width: number): string => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && `${line} ${word}`.length > width - indent.length) {
      lines.push(line)
      line = word
    } else {
      line = line === "" ? word : `${line} ${word}`
    }
  }
  return [...lines, line].map((each) => `${indent}${each}\n`).join("")
}

export const rootHelp = `${programName} ${version}: work on a Forgejo instance from any MCP client, as the signed-in user.

Usage: ${programName} COMMAND [FLAGS]

Commands:
${Object.entries(commands).map(([name, summary]) => `  ${name.padEnd(6)} ${summary}\n`).join("")}
  ${programName} COMMAND --help  says more of a command.
  ${programName} --version       prints the version.
`

/** The default of a setting in words; "required" where there is none. */
export const defaultOf = ({ fallback }: Setting<unknown>): string =>
  fallback === "required"
    ? "required"
    : `default: ${"derived" in fallback ? fallback.derived : fallback.text === "" ? "none" : fallback.text}`

const settingHelp = (setting: Setting<unknown>): string => {
  const variables = setting.secret === true ? `${variableOf(setting)}, ${variableOf(setting)}_FILE` : variableOf(setting)
  return `  --${flagOf(setting)} ${setting.metavar}  (${variables})\n` +
    wrapped(setting.description, "      ", 100) +
    wrapped(`[${defaultOf(setting)}]`, "      ", 100)
}

export const serveHelp = `Usage: ${programName} serve [FLAGS]

Runs the broker until SIGTERM or SIGINT. It needs four settings: public URL, Forgejo URL, client id and client secret.

A flag wins over its variable, a variable over the default. Durations: a whole number and ms, s, m, h or d. Sizes: bytes,
KiB, MiB or GiB. A secret comes from ONE of: its variable, a file that its _FILE variable or its flag names, a systemd
credential with the flag's name without -file. The program ends with 2 if a setting is wrong, with 1 if it cannot start.

Settings:
${settingKeys.map((key) => settingHelp(settingsTable[key])).join("\n")}`

export const demoHelp = `Usage: ${programName} demo [FLAGS]

Runs the broker on loopback with a stand-in Forgejo and a stand-in MCP server, with nothing to configure, until SIGTERM or
SIGINT. It prints the MCP URL and whom to sign in as. Its data are in a temporary folder, which goes with it.

  --port N           the broker's port on 127.0.0.1 [default: 8080; with --once a free one]
  --once             runs a whole client journey instead, prints its steps, and ends
  --child "COMMAND"  any stdio MCP server in place of the stand-in, split into words as a shell would
  --tokens N         signs in N users and prints one line of JSON: {"mcp": URL, "tokens": [...]}

All FJMCP_ settings of serve apply, but the four that the demo makes itself: PUBLIC_URL, FORGEJO_URL, FORGEJO_CLIENT_ID and
FORGEJO_CLIENT_SECRET. With FJMCP_DATA_DIR the data are kept.
`
