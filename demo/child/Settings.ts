/** What the command line and the environment say; flags go before variables. */
export interface Settings {
  readonly url: string
  readonly token: string
  readonly userAgent: string
  readonly extras: boolean
}

/** The version that it passes for: the newest forgejo-mcp whose behaviour is copied here. */
export const version = "2.34.1"

/** A flag that is not known, or a setting that is missing: the sentence to print and the exit code. */
export class BadSettings extends Error {
  readonly exitCode: number
  constructor(message: string, exitCode: number) {
    super(message)
    this.exitCode = exitCode
  }
}

const names: Readonly<Record<string, string>> = { t: "transport", d: "debug" }
const withValue = new Set(["transport", "url", "token", "user-agent"])
const withoutValue = new Set(["debug", "extras"])

export const readSettings = (argv: ReadonlyArray<string>, env: Readonly<Record<string, string | undefined>>): Settings => {
  const flags = new Map<string, string>()
  for (let at = 0; at < argv.length; at++) {
    const [, short = "", inline] = /^--?([\w-]+)(?:=(.*))?$/.exec(argv[at] ?? "") ?? []
    const name = names[short] ?? short
    if (withoutValue.has(name)) flags.set(name, "true")
    else if (withValue.has(name)) flags.set(name, inline ?? argv[++at] ?? "")
    else throw new BadSettings(`flag provided but not defined: ${argv[at]}`, 2)
  }
  const transport = flags.get("transport") ?? "stdio"
  if (transport !== "stdio") throw new BadSettings(`the stand-in speaks stdio only, not "${transport}"`, 1)
  const url = flags.get("url") ?? env["FORGEJO_URL"] ?? ""
  if (!/^https?:\/\/[^/]/.test(url)) throw new BadSettings("FORGEJO_URL must be an http or https URL", 1)
  return {
    url: url.replace(/\/+$/, ""),
    token: flags.get("token") ?? env["FORGEJO_ACCESS_TOKEN"] ?? "",
    userAgent: flags.get("user-agent") ?? env["FORGEJO_USER_AGENT"] ?? `forgejo-mcp/${version}`,
    extras: flags.has("extras")
  }
}
