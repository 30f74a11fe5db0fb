import { Effect } from "effect"
import { constants } from "node:fs"
import { access, stat } from "node:fs/promises"
import { delimiter, isAbsolute, join, resolve } from "node:path"
import { SpawnFailed } from "../services/Children.ts"

type Missing = "missing" | "not executable"

const executable = (path: string) =>
  Effect.promise(async (): Promise<Missing | undefined> => {
    try {
      if (!(await stat(path)).isFile()) return "missing"
    } catch {
      return "missing"
    }
    return access(path, constants.X_OK).then(() => undefined, () => "not executable" as const)
  })

/** The full path of a program, looked up as a shell would. */
export const findProgram = (name: string, path: string): Effect.Effect<string, SpawnFailed> =>
  Effect.gen(function*() {
    const candidates = name.includes("/") || isAbsolute(name)
      ? [resolve(name)]
      : path.split(delimiter).filter((folder) => folder !== "").map((folder) => join(folder, name))
    let worst: Missing = "missing"
    for (const candidate of candidates) {
      const problem = yield* executable(candidate)
      if (problem === undefined) return candidate
      if (problem === "not executable") worst = problem
    }
    return yield* worst === "missing"
      ? new SpawnFailed({ category: "binary missing", detail: `"${name}" was not found; install it, or name it with its path in CHILD_COMMAND.` })
      : new SpawnFailed({ category: "not executable", detail: `"${name}" may not be executed by this user; set its execute permission.` })
  })

/** Open files a child may have: forgejo-mcp needs a few dozen. */
const maxOpenFiles = 1024

/**
 * The words to execute for a sandbox level. `basic`: a limit on open files, no new privileges, and KILL when the daemon
 * dies, even by `kill -9`. `tools` are the full paths of util-linux's programs, where they were found.
 */
export const commandLine = (
  program: string,
  args: ReadonlyArray<string>,
  sandbox: "basic" | "none",
  tools: { readonly setpriv: string | undefined; readonly prlimit: string | undefined }
): readonly [string, ReadonlyArray<string>] => {
  if (sandbox === "none") return [program, args]
  const confined = tools.setpriv === undefined ? [program, ...args] : [tools.setpriv, "--no-new-privs", "--pdeathsig", "KILL", "--", program, ...args]
  const [first = program, ...rest] = tools.prlimit === undefined ? confined : [tools.prlimit, `--nofile=${maxOpenFiles}:${maxOpenFiles}`, ...confined]
  return [first, rest]
}

/** The child's whole environment. Nothing is inherited but the search path and what an operator sets for proxies and CAs. */
export const environment = (
  settings: { readonly forgejoUrl: string; readonly preset: string; readonly tokenVariable: string; readonly token: string; readonly userAgent: string; readonly home: string },
  own: Readonly<Record<string, string | undefined>>
): Record<string, string> => ({
  PATH: own.PATH ?? "/usr/local/bin:/usr/bin:/bin",
  HOME: settings.home,
  [settings.preset === "gitea-mcp" ? "GITEA_HOST" : "FORGEJO_URL"]: settings.forgejoUrl,
  [settings.tokenVariable]: settings.token,
  FORGEJO_USER_AGENT: settings.userAgent,
  ...Object.fromEntries(
    ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"]
      .flatMap((name) => own[name] === undefined ? [] : [[name, own[name]]])
  )
})
