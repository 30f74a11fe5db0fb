import { type ChildProcess, execFile, spawn } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { freePort } from "../fakes/FreePort.ts"

export const shippedFile = join(process.cwd(), "deploy", "caddy", "Caddyfile")

const once = (text: string, part: string, replacement: string): string => {
  if (text.split(part).length !== 2) throw new Error(`deploy/caddy/Caddyfile is expected to hold "${part}" once`)
  return text.replace(part, replacement)
}

/** The shipped file with nothing changed but name, ports and whose certificates they are. `change` breaks it on purpose. */
export const localCaddyfile = (
  { change = (text: string) => text, httpPort, port, storage, upstream }: {
    readonly port: number
    readonly httpPort: number
    readonly upstream: number
    readonly storage: string
    readonly change?: ((text: string) => string) | undefined
  }
): string => {
  const global = `{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\thttp_port ${httpPort}\n\thttps_port ${port}\n\tstorage file_system ${storage}\n}\n`
  const shipped = readFileSync(shippedFile, "utf8")
  const named = once(shipped, "\nmcp.example.org {\n", `\nlocalhost:${port} {\n\ttls internal\n\tbind 127.0.0.1\n`)
  return global + change(once(named, "reverse_proxy 127.0.0.1:8080 {", `reverse_proxy 127.0.0.1:${upstream} {`))
}

export interface Folders {
  /** Caddy's own certificate authority: it stays the same for all that is started here. */
  readonly storage: string
  readonly scratch: string
}

const environment = (scratch: string) => ({ PATH: process.env["PATH"], HOME: scratch, XDG_DATA_HOME: scratch, XDG_CONFIG_HOME: scratch })

/** A subcommand that reads a file and ends; its output, or an error with what it complained of. */
export const caddy = (scratch: string, ...args: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile("caddy", args, { encoding: "utf8", timeout: 20_000, env: environment(scratch) }, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(`caddy ${args[0]}: ${stderr.trim().split("\n").at(-1)}`)))
  })

export const validate = (scratch: string, text: string): Promise<string> => {
  const file = join(scratch, "validated")
  writeFileSync(file, text)
  return caddy(scratch, "validate", "--adapter", "caddyfile", "--config", file)
}

/** What is started here and has not ended. */
const running = new Set<ChildProcess>()

export const killAll = (): void => running.forEach((program) => program.kill("SIGKILL"))

/** Caddy in front of `upstream` (a port) for as long as `use` takes, which gets its origin. */
export const withCaddy = async <A>(
  { scratch, storage }: Folders,
  upstream: number,
  use: (origin: string) => Promise<A>,
  change?: (text: string) => string
): Promise<A> => {
  const [port, httpPort] = [await freePort(), await freePort()]
  const folder = join(scratch, String(port))
  mkdirSync(folder)
  const file = join(folder, "Caddyfile")
  writeFileSync(file, localCaddyfile({ port, httpPort, upstream, storage, change }))
  const program = spawn("caddy", ["run", "--adapter", "caddyfile", "--config", file], { env: environment(scratch), stdio: ["ignore", "ignore", "pipe"] })
  running.add(program)
  let log = ""
  const started = new Promise<void>((resolve, reject) => {
    program.stderr.setEncoding("utf8").on("data", (text: string) => {
      log += text
      if (log.includes("serving initial configuration")) resolve()
    })
    program.once("error", reject)
    program.once("exit", () => reject(new Error(`Caddy did not start: ${log.trim().split("\n").at(-1)}`)))
  })
  const ended = new Promise<void>((resolve) => program.once("close", () => resolve()))
  try {
    await started
    return await use(`https://localhost:${port}`)
  } finally {
    program.kill("SIGTERM")
    const timer = setTimeout(() => program.kill("SIGKILL"), 1_000)
    await ended
    clearTimeout(timer)
    running.delete(program)
  }
}
